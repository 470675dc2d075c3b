//! The lock of a state directory: two agents would undo each other's work.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::{FILE_MODE, LOCK_FILE, LedgerError};

/// Owner only.
const DIR_MODE: u32 = 0o700;

/// The lock of a state directory, held as long as this value lives, and by the kernel no longer than the process.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Makes the state directory where it is missing, and takes its lock.
    ///
    /// # Errors
    /// When another process holds it, or the directory cannot be made.
    pub fn take(state_dir: &Path) -> Result<Lock, LedgerError> {
        let failed = |act, path: &Path, cause| LedgerError::Io {
            act,
            path: path.to_owned(),
            cause,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(state_dir)
            .map_err(|cause| failed("make", state_dir, cause))?;
        let path = state_dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path);
        let file = file.map_err(|cause| failed("open", &path, cause))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Lock { _held: held }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(LedgerError::Held { path }),
            Err((_, error)) => Err(failed("lock", &path, error.into())),
        }
    }
}
