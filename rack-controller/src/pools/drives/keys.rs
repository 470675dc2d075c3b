//! Keys by which nodes prove to a lender who they are (DH-HMAC-CHAP). Each is made of one secret of this rack and of the two names, so that
//! none is kept, journaled or asked for: after a restart both sides are told the same one again. A lender learns the keys of its own guests
//! and no others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use agent_api::v1::DriveOrder;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use intent::DriveKey;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The file in the controller's state directory.
const FILE: &str = "drives.key";
/// One that was not finished.
const NEXT: &str = "drives.key.next";
const LENGTH: usize = 32;
/// What SHA-256 works on at once.
const BLOCK: usize = 64;
/// Its owner's alone.
const MODE: u32 = 0o600;

type Secret = Zeroizing<[u8; LENGTH]>;

/// Between whom a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// The host that proves who it is: its NVMe qualified name.
    pub host: String,
    /// The node that lends.
    pub lender: String,
}

/// The rack's secret, which is read, or made, when the first key is needed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys {
    dir: PathBuf,
    secret: Arc<Mutex<Option<Hidden>>>,
}

struct Hidden(Secret);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file could not be read or made.
    #[error("cannot {act} {}: {cause}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// It is no such file.
    #[error("{}: {what}; expected {LENGTH} bytes that only the owner of the file may read", .path.display())]
    Strange {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
}

impl Keys {
    /// Those of a controller's state directory. Touches nothing.
    pub fn at(dir: &Path) -> Keys {
        Keys {
            dir: dir.to_owned(),
            secret: Arc::default(),
        }
    }

    /// An order with the key that goes with it.
    ///
    /// # Errors
    /// The secret cannot be read or made.
    pub fn told(&self, mut order: DriveOrder, name: &KeyName) -> Result<DriveOrder, KeysError> {
        if let DriveOrder::Admit { key, .. } | DriveOrder::Attach { key, .. } = &mut order {
            *key = Some(self.key(name)?);
        }
        Ok(order)
    }

    fn key(&self, name: &KeyName) -> Result<DriveKey, KeysError> {
        let mut secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        let Hidden(secret) = match &mut *secret {
            Some(secret) => secret,
            none => none.insert(Hidden(self.read_or_make()?)),
        };
        Ok(made_of(secret, name))
    }

    fn read_or_make(&self) -> Result<Secret, KeysError> {
        let path = self.dir.join(FILE);
        match File::open(&path) {
            Ok(file) => read(&path, &file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(&path),
            Err(cause) => Err(failed("open", &path)(cause)),
        }
    }

    /// Written whole beside its place, flushed and renamed: half a secret is never read.
    fn make(&self, path: &Path) -> Result<Secret, KeysError> {
        let mut secret = Zeroizing::new([0_u8; LENGTH]);
        let random = Path::new("/dev/urandom");
        let filled = File::open(random).and_then(|mut file| file.read_exact(secret.as_mut_slice()));
        filled.map_err(failed("read", random))?;
        let next = self.dir.join(NEXT);
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &next)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&next);
        let written = file.and_then(|mut file| {
            file.write_all(secret.as_slice())?;
            file.sync_all()
        });
        written.map_err(failed("write", &next))?;
        fs::rename(&next, path).map_err(failed("rename to", path))?;
        let flushed = File::open(&self.dir).and_then(|dir| dir.sync_all());
        flushed.map_err(failed("flush", &self.dir))?;
        Ok(secret)
    }
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |cause| KeysError::Io { act, path, cause }
}

fn read(path: &Path, mut file: &File) -> Result<Secret, KeysError> {
    let about = file.metadata().map_err(failed("read", path))?;
    let strange = |what: String| KeysError::Strange {
        path: path.to_owned(),
        what,
    };
    if about.mode() & 0o077 != 0 {
        return Err(strange(format!("its mode is {:o}", about.mode() & 0o777)));
    }
    if usize::try_from(about.len()) != Ok(LENGTH) {
        return Err(strange(format!("it has {} bytes", about.len())));
    }
    let mut secret = Zeroizing::new([0_u8; LENGTH]);
    file.read_exact(secret.as_mut_slice())
        .map_err(failed("read", path))?;
    Ok(secret)
}

/// HMAC-SHA-256 of both names, each with its length before it: no two pairs make one text.
fn made_of(secret: &Secret, name: &KeyName) -> DriveKey {
    // A shorter key is filled up with zeros (RFC 2104).
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    for (to, from) in block.iter_mut().zip(secret.iter()) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for text in [&name.lender, &name.host] {
        mac.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(text.as_bytes());
    }
    let bytes: Zeroizing<[u8; LENGTH]> = Zeroizing::new(mac.finalize().into_bytes().into());
    DriveKey::of(&bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn name(host: &str, lender: &str) -> KeyName {
        KeyName {
            host: host.to_owned(),
            lender: lender.to_owned(),
        }
    }

    #[test]
    fn each_pair_has_a_key_of_its_own_which_outlives_a_restart_and_is_shown_to_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::at(dir.path());
        let file = dir.path().join(FILE);
        assert!(!file.exists(), "nothing is written before a key is needed");
        let one = keys.key(&name("nqn.a", "n1")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        for other in [
            name("nqn.b", "n1"),
            name("nqn.a", "n2"),
            name("n1", "nqn.a"),
            name("qn.a", "n1n"),
        ] {
            assert!(keys.key(&other).unwrap() != one, "{other:?}");
        }
        assert_eq!(Keys::at(dir.path()).key(&name("nqn.a", "n1")).unwrap(), one);
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(Keys::at(elsewhere.path()).key(&name("nqn.a", "n1")).unwrap() != one);
        let order = DriveOrder::Attach {
            drive: facts::Identity::default(),
            nguid: None,
            generation: 1,
            nqn: "nqn.d".to_owned(),
            address: "127.0.0.1:4420".parse().unwrap(),
            key: None,
        };
        let told = keys.told(order, &name("nqn.a", "n1")).unwrap();
        assert!(matches!(&told, DriveOrder::Attach { key: Some(key), .. } if *key == one));
        assert!(!format!("{told:?} {keys:?}").contains(one.as_str()));
    }

    #[test]
    fn a_secret_that_others_may_read_or_that_is_cut_short_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let why = || {
            Keys::at(dir.path())
                .key(&name("nqn.a", "n1"))
                .unwrap_err()
                .to_string()
        };
        fs::write(&file, [7_u8; LENGTH]).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(why().contains("mode is 640"), "{}", why());
        fs::write(&file, [7_u8; LENGTH - 1]).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(why().contains("31 bytes"), "{}", why());
        assert_eq!(
            fs::read(&file).unwrap().len(),
            LENGTH - 1,
            "it is not written over"
        );
    }
}
