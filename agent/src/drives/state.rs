//! What a node must not forget about pooled drives: which stay is which, which grants are open and closed, and what it uses of others.
//!
//! One JSON file, written whole beside the old one, flushed and renamed, and the directory flushed: a grant that was answered as closed is
//! closed after any crash. A file that cannot be read is never written over, and as long as it stands nothing is lent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use facts::{Identity, Moment};
use intent::DriveKey;
use isolators::fabric::{DriveIdentity, HostId, Nqn};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// The file in the agent's state directory.
pub const DRIVES_FILE: &str = "drives.json";
pub(super) const NEXT_FILE: &str = "drives.json.next";
/// Held by the agent that writes the file.
pub(super) const LOCK_FILE: &str = "drives.lock";
/// The format; a file with another number is refused.
const VERSION: u32 = 1;
/// The longest file that is read: a thousand drives take less than 1 MiB.
const LONGEST: u64 = 16 << 20;
/// Owner only.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// All that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub version: u32,
    /// The number of the last arrival; it only grows.
    pub last_arrival: u64,
    /// As whom this node asks others for drives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<KeptHost>,
    /// The drives that sit in their bays.
    pub stays: Vec<Stay>,
    /// Drives of others that this node uses.
    pub attached: Vec<Wanted>,
    /// Locate LEDs that were lit by order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lit: Vec<Lit>,
    /// Where drives were offered last: whoever leaves without the configuration finds the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listens: Option<Listens>,
}

/// A locate LED that was lit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lit {
    /// The bay.
    pub slot: String,
    /// When it is put out, where nobody orders it again.
    pub until: Moment,
}

/// The port of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listens {
    pub port: u16,
    pub address: SocketAddr,
}

/// As whom this node asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptHost {
    pub nqn: Nqn,
    pub id: HostId,
}

/// One stay of a drive in a bay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stay {
    pub identity: Identity,
    pub slot: String,
    /// What the kernel called it when it was seen last.
    pub device: String,
    pub arrival: u64,
    /// The boot in which it was seen to arrive, and the number that the kernel of that boot gave to it: together they are given once.
    pub boot_id: String,
    pub disk: u64,
    /// The latest grant that was obeyed.
    pub granted: u64,
    /// Grants up to this one are closed.
    pub closed: u64,
    /// The grant that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Open>,
    /// The erasure that was ordered last; how it stands is in a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasing: Option<Ordered>,
}

/// An erasure that was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ordered {
    /// The last grant before it.
    pub generation: u64,
    pub asked_by: String,
}

/// A grant that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    pub generation: u64,
    pub host: Nqn,
    pub nqn: Nqn,
    /// What the host must know; an agent that starts again sets it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DriveKey>,
}

/// A drive of another node that this node shall use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub nqn: Nqn,
    pub generation: u64,
    pub drive: DriveIdentity,
    pub address: SocketAddr,
    /// What this node proves to know there, also when it comes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DriveKey>,
}

impl Wanted {
    /// Whether both lead to one drive by one grant, whatever the key.
    pub(super) fn is_same(&self, other: &Wanted) -> bool {
        let key = other.key.clone();
        *other == Wanted { key, ..self.clone() }
    }
}

impl Default for State {
    fn default() -> State {
        State {
            version: VERSION,
            last_arrival: 0,
            host: None,
            stays: Vec::new(),
            attached: Vec::new(),
            lit: Vec::new(),
            listens: None,
        }
    }
}

impl State {
    /// What the types cannot say.
    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "version {}; this agent reads version {VERSION}",
                self.version
            ));
        }
        for (at, stay) in self.stays.iter().enumerate() {
            let mut later = self.stays.iter().skip(at + 1);
            if stay.arrival > self.last_arrival || later.any(|other| other.arrival == stay.arrival) {
                return Err(format!(
                    "arrival {} stands there twice, or is above the last one, {}",
                    stay.arrival, self.last_arrival
                ));
            }
            let is_closed = |open: &Open| open.generation <= stay.closed || open.generation > stay.granted;
            if stay.open.as_ref().is_some_and(is_closed) {
                return Err(format!("an open grant of arrival {} is closed", stay.arrival));
            }
        }
        Ok(())
    }
}

/// Why the file cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// It is no such file.
    #[error(
        "{}: {what}. The file is left as it is, and no drive is lent or taken into use. Ways out: repair it; or, when the rack has ended all \
         grants of this node's drives, move the file away: every drive is a new arrival then",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        what: String,
    },
    /// It could not be read, written or flushed.
    #[error("cannot {act} {}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// Another process holds it.
    #[error("{} is held by another busbar-agent; stop that one first", .path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
    },
}

/// The state and its file. One thread at a time has it.
#[derive(Debug)]
pub(super) struct Books {
    dir: PathBuf,
    state: State,
    lock: Option<Lock>,
}

/// The hold on the state: as long as it lives no other process writes it.
pub(super) type Lock = Flock<File>;

impl Books {
    /// Reads the file of a state directory; there may be none. Writes nothing.
    pub(super) fn open(dir: &Path) -> Result<Books, BooksError> {
        let path = dir.join(DRIVES_FILE);
        let failed = |cause| BooksError::Io {
            act: "read",
            path: path.clone(),
            cause,
        };
        let state = match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
                read(&bytes).map_err(|what| BooksError::Damaged {
                    path: path.clone(),
                    what,
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(cause) => return Err(failed(cause)),
        };
        Ok(Books {
            dir: dir.to_owned(),
            state,
            lock: None,
        })
    }

    /// Takes hold of the state, so that no agent writes it meanwhile.
    pub(super) fn hold(&mut self) -> Result<(), BooksError> {
        if self.lock.is_none() {
            self.lock = Some(locked(&self.dir)?);
        }
        Ok(())
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Changes it; what follows is on disk before it counts.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), BooksError> {
        let mut next = self.state.clone();
        change(&mut next);
        if next != self.state {
            self.write(&next)?;
            self.state = next;
        }
        Ok(())
    }

    /// Changes it, whatever the disk says: for what takes access away.
    pub(super) fn change_anyway(&mut self, change: impl FnOnce(&mut State)) -> Result<(), BooksError> {
        let before = self.state.clone();
        change(&mut self.state);
        if self.state == before {
            return Ok(());
        }
        let next = self.state.clone();
        self.write(&next)
    }

    fn write(&mut self, state: &State) -> Result<(), BooksError> {
        let failed = |act, path: &Path| {
            let path = path.to_owned();
            move |cause| BooksError::Io { act, path, cause }
        };
        let made = DirBuilder::new().recursive(true).mode(DIR_MODE).create(&self.dir);
        made.map_err(failed("make", &self.dir))?;
        self.hold()?;
        let (path, next) = (self.dir.join(DRIVES_FILE), self.dir.join(NEXT_FILE));
        let mut text = serde_json::to_vec_pretty(state)
            .map_err(io::Error::from)
            .map_err(failed("write", &path))?;
        text.push(b'\n');
        written(&next, &text).map_err(failed("write", &next))?;
        fs::rename(&next, &path).map_err(failed("replace", &path))?;
        let flushed = File::open(&self.dir).and_then(|dir| dir.sync_all());
        flushed.map_err(failed("flush", &self.dir))
    }
}

fn read(bytes: &[u8]) -> Result<State, String> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(format!("longer than {LONGEST} bytes; no such file is that long"));
    }
    let state: State = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    state.check().map(|()| state)
}

fn written(path: &Path, text: &[u8]) -> io::Result<()> {
    // One that a crash left behind may have another mode.
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Takes hold of the state of a directory.
pub(super) fn locked(dir: &Path) -> Result<Lock, BooksError> {
    let path = dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = options.open(&path).map_err(|cause| BooksError::Io {
        act: "open",
        path: path.clone(),
        cause,
    })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        if error == nix::errno::Errno::EWOULDBLOCK {
            return BooksError::Held { path };
        }
        BooksError::Io {
            act: "lock",
            path,
            cause: error.into(),
        }
    })
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
