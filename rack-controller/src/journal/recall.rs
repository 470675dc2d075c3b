//! The rack as its journal left it: the newest sound snapshot, and the events after it.

use std::path::Path;

use facts::Moment;

use super::chain::Link;
use super::error::JournalError;
use super::snapshot::{self, Snapshot};
use super::verify::{Structure, base, check_format, check_head, open_for_reading};
use super::walk::{Pace, walk};
use super::{FORMAT, Journal};
use crate::config::RackConfig;
use crate::rack::{Rack, evolve};

/// What a journal brings back.
#[derive(Debug)]
pub struct Recalled {
    /// The rack.
    pub rack: Rack,
    /// The journal, open for writing.
    pub journal: Journal,
    /// The moment of its last event.
    pub last: Moment,
    /// The event of the snapshot that was begun with; 0 where all events were read.
    pub snapshot: u64,
    /// Events that were read after it.
    pub events: u64,
}

/// Opens the journal of a state directory and brings back the rack. Where there is a snapshot, only what comes after it is verified here:
/// [`super::verify()`] reads the rest too.
///
/// # Errors
/// As [`Journal::open`].
pub fn recall(state_dir: &Path, config: &RackConfig) -> Result<Recalled, JournalError> {
    let mut rack = Rack::new(config);
    let (mut last, mut begun, mut events) = (Moment::EPOCH, 0, 0_u64);
    let mut journal = Journal::open_after(state_dir, |path, head| {
        let connection = open_for_reading(path)?;
        let format = check_format(&connection, path)?;
        let newest = newest(&connection, path, format)?;
        let mut good = Link::FIRST;
        if let Some(Snapshot { link, at, kept }) = newest {
            (good, last, begun) = (link, at, link.sequence);
            rack = Rack::restored(config, kept);
        }
        let structure = (begun == 0).then(|| Structure::look(path, Pace::Quick));
        let first = good;
        let walked = walk(&connection, first, Pace::Quick, |link, _, _, event| {
            evolve(&mut rack, &event);
            (good, last, events) = (link, event.at, events.saturating_add(1));
        });
        if let Some(why) = walked {
            return Err(JournalError::damaged(path, good.sequence, why));
        }
        check_head(&connection, path, &good, head)?;
        if let Some(structure) = structure {
            structure.told(&connection, path, good.sequence)?;
        }
        Ok(good)
    })?;
    journal.keep(config.keep_events);
    Ok(Recalled {
        rack,
        journal,
        last,
        snapshot: begun,
        events,
    })
}

/// The newest snapshot that is sound; one that is not is passed over, because the events before it say the same.
fn newest(
    connection: &rusqlite::Connection,
    path: &Path,
    format: i32,
) -> Result<Option<Snapshot>, JournalError> {
    let damaged = |why: String| JournalError::damaged(path, 0, why);
    if format < FORMAT {
        return Ok(None);
    }
    let numbers = snapshot::numbers(connection).map_err(|cause| damaged(cause.to_string()))?;
    for number in numbers.into_iter().rev() {
        match snapshot::read(connection, number) {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(why) => tracing::warn!("{}: {why}; an older one is taken", path.display()),
        }
    }
    // None is sound: then the chain has to begin with event 1.
    base(connection, format).map_err(damaged)
}
