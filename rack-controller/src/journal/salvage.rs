//! The way out of a damaged journal: its good events, copied to a new file. The damaged one is left as it is.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::chain::Link;
use super::error::JournalError;
use super::snapshot;
use super::verify::{base, check_format, open_for_reading};
use super::walk::{Pace, walk};
use super::{FILE, head, number};

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The new file.
    pub to: PathBuf,
    /// The last link that is good.
    pub last: Link,
    /// Why the rest is not; `None` where all of it is.
    pub why: Option<String>,
    /// How to go on, for people.
    pub advice: String,
}

/// Copies the good start of a journal to a new file.
///
/// # Errors
/// The journal cannot be read at all, or the new file is there already or cannot be written.
pub fn salvage(state_dir: &Path, to: &Path) -> Result<Salvaged, JournalError> {
    let path = state_dir.join(FILE);
    let from = open_for_reading(&path)?;
    let format = check_format(&from, &path)?;
    let base = base(&from, format).map_err(|why| JournalError::damaged(&path, 0, why))?;
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(to)
        .map_err(|cause| JournalError::file("make the new file", to, cause))?;
    let failed = |cause| JournalError::sqlite("write", to, cause);
    let mut connection =
        Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    super::prepare(&mut connection).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    let mut last = Link::FIRST;
    if let Some(base) = &base {
        snapshot::write(&transaction, &base.link, base.at, &base.kept).map_err(failed)?;
        last = base.link;
    }
    let mut unwritten = None;
    let why = walk(&from, last, Pace::Quick, |link, at, json, _| {
        if unwritten.is_some() {
            return;
        }
        let row = params![number(link.sequence), number(at), json, link.hash.as_slice()];
        match transaction.execute(
            "INSERT INTO events (sequence, at, event, chain) VALUES (?1, ?2, ?3, ?4)",
            row,
        ) {
            Ok(_) => last = link,
            Err(cause) => unwritten = Some(cause),
        }
    });
    if let Some(cause) = unwritten {
        return Err(failed(cause));
    }
    transaction.commit().map_err(failed)?;
    let directory = state_dir.display();
    let advice = format!(
        "to go on with these {} events: stop busbar-rack, move {directory}/{FILE}, {FILE}-wal, {FILE}-shm and {} to another place, and move {} to {directory}/{FILE}; what was claimed after event {} must be claimed again",
        last.sequence,
        head::FILE,
        to.display(),
        last.sequence
    );
    Ok(Salvaged {
        to: to.to_owned(),
        last,
        why,
        advice,
    })
}
