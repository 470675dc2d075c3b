//! One at a time: an agent that may act owns this machine's Busbar cgroup, so two raised houses wait for each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::fcntl::OFlag;

use crate::wait;

/// The right to raise an agent that acts on this machine; held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Turn {
    // Held for its lock.
    _file: File,
}

/// Stories of one test run follow each other; all of one binary together take less than this.
const WAIT: Duration = Duration::from_secs(600);

impl Turn {
    /// Takes the turn now, or says who has it.
    ///
    /// # Errors
    /// Somebody else has it.
    pub fn take() -> anyhow::Result<Turn> {
        let path = path();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // The folder is everybody's: a link that somebody planted there is not followed.
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                write!(file, "{}", std::process::id())?;
                Ok(Turn { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                bail!(
                    "another Busbar is raised on this machine (process {holder}); only one agent acts at a time"
                )
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Waits for the turn.
    ///
    /// # Errors
    /// Somebody else kept it for minutes.
    pub fn wait() -> anyhow::Result<Turn> {
        wait::until("the other raised Busbar to end", WAIT, || Turn::take().map(Some))
    }
}

fn path() -> PathBuf {
    std::env::temp_dir().join(format!("busbar-raised-{}.lock", nix::unistd::getuid()))
}
