//! Where histories lie while no agent runs: one file in the state directory.
//!
//! It is written whole beside the old one and renamed, so a kill at any time leaves the old one or the new one. It is never flushed:
//! what the machine's own end takes is of a boot that is over, and a flush would make the ledger's wait.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::past::{LONGEST, NotPaper, Paper, Pasts};

/// The file's name.
pub const HISTORY_FILE: &str = "interference.history";
/// The next one while it is written.
const NEXT_FILE: &str = "interference.history.next";
/// The last one that could not be read.
const BAD_FILE: &str = "interference.history.bad";
/// Owner only, as the ledger: it names workloads.
const FILE_MODE: u32 = 0o600;

/// Why there are no histories.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The file is none of ours.
    #[error("{path}, {cause}; {aside}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        cause: NotPaper,
        /// What was done with the file.
        aside: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {act} {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
}

/// The place.
#[derive(Clone, Debug)]
pub struct Shelf {
    state_dir: PathBuf,
    boot: String,
    window: Duration,
    may_write: bool,
}

impl Shelf {
    /// Of an agent that runs in this boot, with windows of this length; one that may not write only reads.
    pub fn new(state_dir: &Path, boot: &str, window: Duration, may_write: bool) -> Shelf {
        Shelf {
            state_dir: state_dir.to_owned(),
            boot: boot.to_owned(),
            window,
            may_write,
        }
    }

    /// Whether anything is written.
    pub fn may_write(&self) -> bool {
        // Without the name of its boot nobody could tell later whether a history still counts.
        self.may_write && !self.boot.is_empty()
    }

    /// What lies there of this boot and this length of windows; nothing where there is no file yet.
    ///
    /// # Errors
    /// When the file is none of ours: it is set aside then.
    pub fn read(&self) -> Result<Pasts, ShelfError> {
        let path = self.state_dir.join(HISTORY_FILE);
        let bytes = match contents(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(self.damaged(path, no_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pasts::new()),
            Err(cause) => {
                return Err(ShelfError::Io {
                    act: "read",
                    path,
                    cause,
                });
            }
        };
        let paper = match Paper::parse(&bytes) {
            Ok(paper) => paper,
            Err(cause) => return Err(self.damaged(path, cause)),
        };
        if paper.boot != self.boot {
            tracing::info!(
                "the histories in {} are of another boot: forgotten",
                path.display()
            );
            return Ok(Pasts::new());
        }
        if paper.window != self.window {
            tracing::info!(
                "the histories in {} are of windows of {} s, and one is {} s now: forgotten",
                path.display(),
                paper.window.as_secs(),
                self.window.as_secs()
            );
            return Ok(Pasts::new());
        }
        Ok(paper.pasts)
    }

    /// Lays these there in the place of what lies there.
    ///
    /// # Errors
    /// When a file cannot be written; the old one is there then.
    pub fn write(&self, pasts: Pasts) -> Result<(), ShelfError> {
        if !self.may_write() {
            return Ok(());
        }
        let paper = Paper {
            boot: self.boot.clone(),
            window: self.window,
            pasts,
        };
        let (path, next) = (self.state_dir.join(HISTORY_FILE), self.state_dir.join(NEXT_FILE));
        written(&next, &paper).map_err(|cause| {
            // Half a file helps nobody, and may be all that the disk has room for.
            let _ = fs::remove_file(&next);
            ShelfError::Io {
                act: "write",
                path: next.clone(),
                cause,
            }
        })?;
        fs::rename(&next, &path).map_err(|cause| ShelfError::Io {
            act: "replace",
            path,
            cause,
        })
    }

    /// Sets a file aside that is none of ours: the next write would take it away.
    fn damaged(&self, path: PathBuf, cause: NotPaper) -> ShelfError {
        let bad = self.state_dir.join(BAD_FILE);
        let aside = if self.may_write() {
            match fs::rename(&path, &bad) {
                Ok(()) => format!("it is kept as {}, and histories begin anew", bad.display()),
                Err(error) => format!(
                    "it cannot be kept as {} ({error}), and histories begin anew",
                    bad.display()
                ),
            }
        } else {
            "it is left as it is, and histories begin anew".to_owned()
        };
        ShelfError::Damaged { path, cause, aside }
    }
}

fn no_file() -> NotPaper {
    NotPaper {
        line: 1,
        what: "no plain file".to_owned(),
    }
}

/// The first bytes of a file, one more than it may have; `None` where it is a directory or waits for somebody.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn written(path: &Path, paper: &Paper) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)?;
    // An older file of this name keeps its mode when it is opened.
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    let mut buffered = BufWriter::new(file);
    paper.write(&mut buffered)?;
    buffered.flush()
}

/// The files that histories have made in a state directory.
pub fn files(state_dir: &Path) -> Vec<PathBuf> {
    let names = [HISTORY_FILE, NEXT_FILE, BAD_FILE];
    let paths = names.into_iter().map(|name| state_dir.join(name));
    paths.filter(|path| path.exists()).collect()
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
