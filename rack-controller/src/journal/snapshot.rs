//! Snapshots: what the rack was after an event, as JSON in the journal's own file, so that a start reads one and the events after it.
//!
//! A snapshot carries the link of the chain at its event and a hash of its own. Events before the oldest one may be gone
//! ([`retain`]); the chain then begins with its link.

use facts::Moment;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::number;
use crate::rack::Kept;

/// The table. Each row can be read by people: `sqlite3 rack.sqlite 'SELECT json(state) FROM snapshots'`.
pub(super) const SCHEMA: &str = "
CREATE TABLE snapshots (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    chain BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
";

/// What the rack was after an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The chain at that event.
    pub link: Link,
    /// The event's moment.
    pub at: Moment,
    /// What the journal brings back.
    pub kept: Kept,
}

/// Binds a snapshot to its place in the chain.
fn hash(link: &Link, state: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(link.hash);
    hash.update(link.sequence.to_be_bytes());
    hash.update(state.as_bytes());
    hash.finalize().into()
}

/// Writes one; another one of the same event stands already.
pub(super) fn write(connection: &Connection, link: &Link, at: Moment, kept: &Kept) -> rusqlite::Result<()> {
    let state = serde_json::to_string(kept)
        .map_err(|cause| rusqlite::Error::ToSqlConversionFailure(Box::new(cause)))?;
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO snapshots (sequence, at, state, chain, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            number(link.sequence),
            number(at.millis()),
            state,
            link.hash.as_slice(),
            hash(link, &state).as_slice()
        ])
        .map(drop)
}

/// The numbers of all, the oldest first.
pub(super) fn numbers(connection: &Connection) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection.prepare("SELECT sequence FROM snapshots ORDER BY sequence")?;
    let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
    rows.map(|row| row.map(|number| u64::try_from(number).unwrap_or(0)))
        .collect()
}

/// One of them, where it is sound; else what is wrong with it.
pub(super) fn read(connection: &Connection, sequence: u64) -> Result<Snapshot, String> {
    let broken =
        |cause: rusqlite::Error| format!("the snapshot of event {sequence} cannot be read ({cause})");
    let row: Option<(i64, String, Vec<u8>, Vec<u8>)> = connection
        .query_row(
            "SELECT at, state, chain, hash FROM snapshots WHERE sequence = ?1",
            [number(sequence)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()
        .map_err(broken)?;
    let Some((at, state, chain, found)) = row else {
        return Err(format!("the snapshot of event {sequence} is missing"));
    };
    let changed = || format!("the snapshot of event {sequence} was changed: its hash does not fit");
    let link = Link {
        sequence,
        hash: chain.as_slice().try_into().map_err(|_| changed())?,
    };
    if hash(&link, &state).as_slice() != found.as_slice() {
        return Err(changed());
    }
    if let Some(event) = chain_at(connection, sequence).map_err(broken)?
        && event.as_slice() != chain.as_slice()
    {
        return Err(format!(
            "the snapshot of event {sequence} is of another event {sequence}"
        ));
    }
    let kept = serde_json::from_str(&state).map_err(|cause| {
        format!(
            "the snapshot of event {sequence} says something that this busbar-rack does not know ({cause})"
        )
    })?;
    let at = Moment::from_millis(u64::try_from(at).unwrap_or(0));
    Ok(Snapshot { link, at, kept })
}

/// The chain at an event; `None` where the event is not there.
pub(super) fn chain_at(connection: &Connection, sequence: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .query_row(
            "SELECT chain FROM events WHERE sequence = ?1",
            [number(sequence)],
            |row| row.get(0),
        )
        .optional()
}

/// Takes away the events that are more than `keep` before the newest one, as far as a snapshot stands for them.
pub(super) fn retain(connection: &Connection, newest: u64, keep: u64) -> rusqlite::Result<()> {
    let Some(last) = newest.checked_sub(keep) else {
        return Ok(());
    };
    let base: Option<i64> = connection.query_row(
        "SELECT max(sequence) FROM snapshots WHERE sequence <= ?1",
        [number(last)],
        |row| row.get(0),
    )?;
    let Some(base) = base else { return Ok(()) };
    connection.execute("DELETE FROM events WHERE sequence <= ?1", [base])?;
    connection.execute("DELETE FROM snapshots WHERE sequence < ?1", [base])?;
    Ok(())
}
