//! Why a journal cannot be used: the file, how far it is good, and the way out.

use std::io;
use std::path::{Path, PathBuf};

use super::chain::Link;
use super::head;

/// Why a journal cannot be used. A file that is refused is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory could not be used.
    #[error("cannot {act} {}; expected a state directory that this user can write", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// SQLite could not do it.
    #[error("cannot {act} the journal {}", path.display())]
    Sqlite {
        /// What was tried.
        act: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: rusqlite::Error,
    },
    /// Its disk takes no writes any more.
    #[error(
        "cannot append to the journal {}: its file system is read-only, as after an error of its disk; expected one that can be written: \
         stop busbar-rack, check the disk (fsck), mount it writable, start busbar-rack",
        path.display()
    )]
    ReadOnly {
        /// The journal.
        path: PathBuf,
        /// What SQLite says of it.
        #[source]
        cause: rusqlite::Error,
    },
    /// Another writer has it open.
    #[error("another busbar-rack writes this journal: {} is locked; expected one controller for one state directory", path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// It is no journal of ours.
    #[error("{} is no journal of busbar-rack: {why}; it was left as it is; expected another state_dir, or this file moved away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// A newer program wrote it.
    #[error("{} was written in format {found}, and this busbar-rack reads formats up to {known}; it was left as it is; expected a newer busbar-rack", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format that is known.
        known: i32,
    },
    /// It is cut short or damaged.
    #[error(
        "the journal {} is damaged: {why}; events 1 to {last_good} are good, and it was left as it is; \
         `busbar-rack recover {}` says what is missing and how to go on, and `busbar-rack journal salvage {} NEW_FILE` copies the good ones",
        path.display(), state_dir.display(), state_dir.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its directory.
        state_dir: PathBuf,
        /// What is wrong.
        why: String,
        /// The number of the last event that is good; 0 where none is.
        last_good: u64,
    },
    /// An event could not be written down.
    #[error("cannot write an event of kind {kind} down for the journal {}", path.display())]
    Event {
        /// Its kind.
        kind: &'static str,
        /// The journal.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: serde_json::Error,
    },
}

impl JournalError {
    pub(super) fn file(act: &'static str, path: &Path, cause: io::Error) -> JournalError {
        JournalError::File {
            act,
            path: path.to_owned(),
            cause,
        }
    }

    pub(super) fn sqlite(act: &'static str, path: &Path, cause: rusqlite::Error) -> JournalError {
        JournalError::Sqlite {
            act,
            path: path.to_owned(),
            cause,
        }
    }

    /// What SQLite cannot say of a write that failed.
    pub(super) fn on_disk(self) -> JournalError {
        if let JournalError::Sqlite { act, path, cause } = self {
            return if head::is_read_only(&path) {
                JournalError::ReadOnly { path, cause }
            } else {
                JournalError::Sqlite { act, path, cause }
            };
        }
        self
    }

    pub(super) fn damaged(path: &Path, last_good: u64, why: String) -> JournalError {
        JournalError::Damaged {
            path: path.to_owned(),
            state_dir: path.parent().unwrap_or_else(|| Path::new(".")).to_owned(),
            why,
            last_good,
        }
    }

    /// What is foreign is ours all the same where a head beside it says that a journal was here: then its beginning is spoilt.
    pub(super) fn with_head(self, head: Option<&Link>) -> JournalError {
        match (self, head) {
            (JournalError::Foreign { path, why }, Some(head)) if head.sequence > 0 => {
                let why = format!(
                    "{why}, and rack.head beside it says that it held {} events",
                    head.sequence
                );
                JournalError::damaged(&path, 0, why)
            }
            (error, _) => error,
        }
    }

    pub(super) fn gone(path: &Path, expected: u64) -> JournalError {
        JournalError::damaged(
            path,
            0,
            format!("it is not there, and rack.head beside it says that it held {expected} events"),
        )
    }
}
