//! Reading the journal beside its writer: pages of events, and readable lines.

use std::io::Write;
use std::path::{Path, PathBuf};

use rack_api::v1::EventView;
use rusqlite::{Connection, params};

use super::chain::hex;
use super::error::JournalError;
use super::verify::{check_format, open_for_reading};
use super::{FILE, number, snapshot};
use crate::rack::event::Event;

/// Entries in one read of a listing.
const PAGE: usize = 1_000;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number; the first is 1.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

/// Reads a journal. Cheap to clone; each read opens the file anew and blocks, so it belongs on a thread of its own.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
}

impl Reader {
    pub(super) const fn of(path: PathBuf) -> Reader {
        Reader { path }
    }

    /// Up to `most` events after this number, the oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn after(&self, sequence: u64, most: usize) -> Result<Vec<EventView>, JournalError> {
        let connection = open_for_reading(&self.path)?;
        let entries = entries(&connection, &self.path, sequence, most)?;
        Ok(entries
            .into_iter()
            .map(|entry| entry.event.view(entry.sequence))
            .collect())
    }

    /// The chain at an event, in hexadecimal; `None` where the journal has not got that event, or not any more.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn chain_at(&self, sequence: u64) -> Result<Option<String>, JournalError> {
        let chain = snapshot::chain_at(&open_for_reading(&self.path)?, sequence)
            .map_err(|cause| JournalError::sqlite("read", &self.path, cause))?;
        Ok(chain.map(|chain| hex(&chain)))
    }
}

pub(super) fn entries(
    connection: &Connection,
    path: &Path,
    after: u64,
    most: usize,
) -> Result<Vec<Entry>, JournalError> {
    let failed = |cause| JournalError::sqlite("read", path, cause);
    let mut statement = connection
        .prepare_cached("SELECT sequence, event FROM events WHERE sequence > ?1 ORDER BY sequence LIMIT ?2")
        .map_err(failed)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![number(after), most], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .map_err(failed)?;
    let mut entries = Vec::new();
    for row in rows {
        let (sequence, json) = row.map_err(failed)?;
        let sequence = u64::try_from(sequence).unwrap_or(0);
        let event = serde_json::from_str(&json).map_err(|cause| {
            let why = format!("event {sequence} cannot be read ({cause})");
            JournalError::damaged(path, sequence.saturating_sub(1), why)
        })?;
        entries.push(Entry { sequence, event });
    }
    Ok(entries)
}

/// Prints a journal, a line an event: number, moment, kind, sentence.
///
/// # Errors
/// There is no journal, it cannot be read, or the output is closed.
pub fn list(state_dir: &Path, out: &mut dyn Write) -> Result<(), JournalError> {
    let path = state_dir.join(FILE);
    let connection = open_for_reading(&path)?;
    check_format(&connection, &path)?;
    let mut after = 0;
    loop {
        let page = entries(&connection, &path, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.sequence;
        for entry in &page {
            let event = &entry.event;
            writeln!(
                out,
                "{:>6}  {}  {:<20}  {}",
                entry.sequence,
                event.at,
                event.kind(),
                event.message()
            )
            .map_err(|cause| JournalError::file("print", &path, cause))?;
        }
    }
}
