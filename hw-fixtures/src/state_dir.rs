//! The folder in which a world keeps its keys, credentials, memory and addresses.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the daemons and `hw-fixtures do` find the world.
const ADDRESSES: &str = "addresses.json";
/// What a hand changed.
const MEMORY: &str = "world.json";
/// Held by the process that serves this world.
const LOCK: &str = "lock";

/// Readable by everyone: nothing in it is secret.
const MODE_OPEN: u32 = 0o644;
/// Readable by its owner only.
const MODE_SECRET: u32 = 0o600;

/// Why the folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder could not be handled.
    #[error("cannot {act} {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else than expected.
    #[error("{path} is not what was expected ({what}); {advice}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// Another process serves from this folder.
    #[error("another hw-fixtures serves from {path}; stop it, or choose another --state-dir")]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// No folder was named and none can be guessed.
    #[error("no --state-dir, and none of BUSBAR_WORLD, XDG_STATE_HOME and HOME is set")]
    Nowhere,
}

/// The state folder.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

/// What `addresses.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The process that serves.
    pub pid: u32,
    /// URL of the control face.
    pub control: String,
    /// The certificate authority to trust, in PEM.
    pub ca_file: PathBuf,
    /// The BMCs.
    pub bmcs: Vec<BmcAddress>,
}

/// Where one BMC is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcAddress {
    /// Its name.
    pub name: String,
    /// `shelf`, `node`, `jbof` or `tree`.
    pub kind: String,
    /// Its URL, without path.
    pub url: String,
    /// Where it listens for IPMI (`127.0.0.1:PORT`, UDP); the name and password are those of `credentials_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipmi: Option<String>,
    /// The file with user name and password.
    pub credentials_file: PathBuf,
    /// `sha256:` and the hexadecimal digest of its certificate in DER.
    pub fingerprint: String,
}

impl StateDir {
    /// The folder as it was named, or `$BUSBAR_WORLD`, or `busbar/world` below the user's state folder.
    ///
    /// # Errors
    /// [`StateError::Nowhere`] when nothing says where.
    pub fn find(named: Option<PathBuf>) -> Result<Self, StateError> {
        let from = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let found = named.or_else(|| from("BUSBAR_WORLD"));
        let found = found.or_else(|| from("XDG_STATE_HOME").map(|state| state.join("busbar/world")));
        let found = found.or_else(|| from("HOME").map(|home| home.join(".local/state/busbar/world")));
        found.map(Self).ok_or(StateError::Nowhere)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder, for its owner only, and takes its path to the root.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the folder.
    pub fn make(&mut self) -> Result<(), StateError> {
        let wrong = |source| StateError::Io {
            act: "make the folder",
            path: self.0.clone(),
            source,
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(wrong)?;
        self.0 = self.0.canonicalize().map_err(wrong)?;
        Ok(())
    }

    /// Makes sure that no other process serves from here for as long as the answer lives.
    ///
    /// # Errors
    /// [`StateError::Taken`] when one does.
    pub fn lock(&self) -> Result<std::fs::File, StateError> {
        let path = self.file(LOCK);
        let wrong = |source| StateError::Io {
            act: "open",
            path: path.clone(),
            source,
        };
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE_SECRET)
            .open(&path);
        let file = file.map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(StateError::Taken { path: self.0.clone() }),
            Err(std::fs::TryLockError::Error(source)) => Err(StateError::Io {
                act: "lock",
                path,
                source,
            }),
        }
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the file.
    pub fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), StateError> {
        let path = self.file(name);
        let fresh = self.file(&format!("{name}.new"));
        let wrong = |source| StateError::Io {
            act: "write",
            path: path.clone(),
            source,
        };
        let _ = std::fs::remove_file(&fresh);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)
            .map_err(wrong)?;
        file.write_all(bytes).map_err(wrong)?;
        file.sync_data().map_err(wrong)?;
        std::fs::rename(&fresh, &path).map_err(wrong)
    }

    /// Writes a file that only its owner may read.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the file.
    pub fn write_secret(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.write(name, bytes, MODE_SECRET)
    }

    /// Reads a file; `None` when there is none.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the file.
    pub fn read(&self, name: &str) -> Result<Option<String>, StateError> {
        let path = self.file(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io {
                act: "read",
                path,
                source,
            }),
        }
    }

    fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        advice: &'static str,
    ) -> Result<Option<T>, StateError> {
        let Some(text) = self.read(name)? else {
            return Ok(None);
        };
        let broken = |e: serde_json::Error| StateError::Broken {
            path: self.file(name),
            what: e.to_string(),
            advice,
        };
        serde_json::from_str(&text).map(Some).map_err(broken)
    }

    /// Reads where the world is served; `None` when it never was.
    ///
    /// # Errors
    /// [`StateError`] naming the file.
    pub fn addresses(&self) -> Result<Option<Addresses>, StateError> {
        self.read_json(ADDRESSES, "start `hw-fixtures serve` again")
    }

    /// Writes where the world is served.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the file.
    pub fn write_addresses(&self, addresses: &Addresses) -> Result<(), StateError> {
        self.write(ADDRESSES, &pretty(addresses), MODE_OPEN)
    }

    /// Reads what the world remembers; `None` when it remembers nothing.
    ///
    /// # Errors
    /// [`StateError`] naming the file.
    pub fn memory(&self) -> Result<Option<crate::world::Snapshot>, StateError> {
        self.read_json(MEMORY, "`hw-fixtures serve --fresh` forgets it")
    }

    /// Writes what the world remembers.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the file.
    pub fn write_memory(&self, memory: &crate::world::Snapshot) -> Result<(), StateError> {
        self.write(MEMORY, &pretty(memory), MODE_OPEN)
    }

    /// Forgets what the world remembers.
    ///
    /// # Errors
    /// [`StateError::Io`] naming the file.
    pub fn forget(&self) -> Result<(), StateError> {
        let path = self.file(MEMORY);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StateError::Io {
                act: "remove",
                path,
                source,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Where the memory stands, for messages.
    #[must_use]
    pub fn memory_file(&self) -> PathBuf {
        self.file(MEMORY)
    }
}

fn pretty<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
