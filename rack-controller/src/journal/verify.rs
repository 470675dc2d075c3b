//! Whether a journal is whole: its header, SQLite's own structure, the chain, and the head beside it. Reads only.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, OpenFlags};

use super::chain::Link;
use super::error::JournalError;
use super::head::Head;
use super::snapshot::{self, Snapshot};
use super::walk::{Pace, walk};
use super::{APPLICATION, FILE, FORMAT, OLDEST_FORMAT};

/// How every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A journal that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The link that its chain begins after: event 0, or the last of those that were taken away.
    pub first: Link,
    /// The last link of its chain.
    pub last: Link,
}

/// Verifies the journal of a state directory. Changes nothing, and needs no lock: also while a controller writes it.
///
/// # Errors
/// There is none, or it is cut short, damaged, foreign or newer.
pub fn verify(state_dir: &Path) -> Result<Verified, JournalError> {
    verify_at(state_dir, Pace::Quick)
}

/// The same on one CPU, for whoever has other work meanwhile.
///
/// # Errors
/// As [`verify`].
pub fn verify_beside(state_dir: &Path) -> Result<Verified, JournalError> {
    verify_at(state_dir, Pace::Beside)
}

fn verify_at(state_dir: &Path, pace: Pace) -> Result<Verified, JournalError> {
    let path = state_dir.join(FILE);
    // The head first: events that are appended meanwhile only make the journal longer than it says.
    let head = Head::read(state_dir)?;
    let ours = |error: JournalError| error.with_head(head.as_ref());
    match (state(&path).map_err(ours)?, &head) {
        (State::Missing, Some(head)) if head.sequence > 0 => Err(JournalError::gone(&path, head.sequence)),
        (State::Missing, _) => Err(JournalError::file(
            "open",
            &path,
            std::io::Error::from(ErrorKind::NotFound),
        )),
        (State::There, known) => verify_file(&path, known.as_ref(), pace).map_err(ours),
    }
}

pub(super) enum State {
    Missing,
    There,
}

/// Whether there is a journal, a file that was made and never written, or something else.
pub(super) fn state(path: &Path) -> Result<State, JournalError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(State::Missing),
        Err(cause) => return Err(JournalError::file("read", path, cause)),
    };
    let mut start = Vec::new();
    file.by_ref()
        .take(16)
        .read_to_end(&mut start)
        .map_err(|cause| JournalError::file("read", path, cause))?;
    if start.is_empty() {
        return Ok(State::Missing);
    }
    if start.as_slice() == MAGIC.as_slice() {
        return Ok(State::There);
    }
    if MAGIC.starts_with(&start) {
        return Err(JournalError::damaged(
            path,
            0,
            format!("it is {} bytes long", start.len()),
        ));
    }
    Err(JournalError::Foreign {
        path: path.to_owned(),
        why: "it is no SQLite database".to_owned(),
    })
}

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|cause| JournalError::sqlite("open", path, cause))?;
    connection
        .busy_timeout(std::time::Duration::from_millis(super::BUSY_MILLIS))
        .map_err(|cause| JournalError::sqlite("open", path, cause))?;
    Ok(connection)
}

/// Whose file it is, and in which format.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<i32, JournalError> {
    let read = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
    let broken = |cause: rusqlite::Error| JournalError::damaged(path, 0, cause.to_string());
    let application = read("application_id").map_err(broken)?;
    let format = read("user_version").map_err(broken)?;
    if application != APPLICATION {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(broken)?;
        let why = format!("it is another program's database ({tables} tables, application id {application})");
        return Err(JournalError::Foreign {
            path: path.to_owned(),
            why,
        });
    }
    if format > FORMAT {
        return Err(JournalError::Newer {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    if format < OLDEST_FORMAT {
        return Err(JournalError::damaged(
            path,
            0,
            format!("its format is {format}, which never was"),
        ));
    }
    Ok(format)
}

/// The oldest snapshot of a journal whose first events are gone; `None` where its chain begins with event 1.
pub(super) fn base(connection: &Connection, format: i32) -> Result<Option<Snapshot>, String> {
    if format < FORMAT {
        return Ok(None);
    }
    let broken = |cause: rusqlite::Error| cause.to_string();
    let oldest = snapshot::numbers(connection).map_err(broken)?.into_iter().next();
    let first: Option<i64> = connection
        .query_row("SELECT min(sequence) FROM events", [], |row| row.get(0))
        .map_err(broken)?;
    match oldest {
        Some(oldest) if first != Some(1) => snapshot::read(connection, oldest).map(Some),
        Some(_) | None => Ok(None),
    }
}

pub(super) fn verify_file(path: &Path, head: Option<&Link>, pace: Pace) -> Result<Verified, JournalError> {
    let connection = open_for_reading(path)?;
    let format = check_format(&connection, path)?;
    let base = base(&connection, format).map_err(|why| JournalError::damaged(path, 0, why))?;
    let first = base.map_or(Link::FIRST, |base| base.link);
    let structure = Structure::look(path, pace);
    let mut good = first;
    let walked = walk(&connection, first, pace, |link, _, _, _| good = link);
    if let Some(why) = walked {
        return Err(JournalError::damaged(path, good.sequence, why));
    }
    check_head(&connection, path, &good, head)?;
    if format >= FORMAT {
        for sequence in snapshot::numbers(&connection).unwrap_or_default() {
            snapshot::read(&connection, sequence)
                .map_err(|why| JournalError::damaged(path, good.sequence, why))?;
        }
    }
    structure.told(&connection, path, good.sequence)?;
    Ok(Verified { first, last: good })
}

/// Whether the journal has what the head beside it says that it had.
pub(super) fn check_head(
    connection: &Connection,
    path: &Path,
    good: &Link,
    head: Option<&Link>,
) -> Result<(), JournalError> {
    let Some(head) = head else { return Ok(()) };
    if head.sequence > good.sequence {
        let why = format!(
            "it ends after event {}, and rack.head beside it says that {} were acknowledged",
            good.sequence, head.sequence
        );
        return Err(JournalError::damaged(path, good.sequence, why));
    }
    let known = if head.sequence == good.sequence {
        Some(good.hash.to_vec())
    } else {
        // One that is older than the oldest event here says nothing of these.
        snapshot::chain_at(connection, head.sequence).ok().flatten()
    };
    if head.sequence > 0 && known.is_some_and(|known| known.as_slice() != head.hash.as_slice()) {
        let why = format!("event {} is not the one that rack.head names", head.sequence);
        return Err(JournalError::damaged(path, head.sequence.saturating_sub(1), why));
    }
    Ok(())
}

/// SQLite's own structure.
pub(super) fn check_structure(connection: &Connection, path: &Path, good: u64) -> Result<(), JournalError> {
    structure(connection).map_err(|why| JournalError::damaged(path, good, why))
}

fn structure(connection: &Connection) -> Result<(), String> {
    let answer: rusqlite::Result<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(answer),
        Err(cause) => Err(cause.to_string()),
    }
}

/// SQLite's own structure, looked at on another CPU while the chain is walked; told after it.
pub(super) struct Structure(Option<JoinHandle<Result<(), String>>>);

impl Structure {
    /// Begins to look where that is wanted quickly.
    pub fn look(path: &Path, pace: Pace) -> Structure {
        let path = path.to_owned();
        let look = move || {
            let connection = open_for_reading(&path).map_err(|error| crate::eyes::chain(&error))?;
            structure(&connection)
        };
        let started =
            (pace == Pace::Quick).then(|| Builder::new().name("journal-pages".to_owned()).spawn(look).ok());
        Structure(started.flatten())
    }

    /// What was found; where nobody looked, this thread looks now.
    pub fn told(self, connection: &Connection, path: &Path, good: u64) -> Result<(), JournalError> {
        match self.0.map(JoinHandle::join) {
            Some(Ok(found)) => found.map_err(|why| JournalError::damaged(path, good, why)),
            Some(Err(_)) | None => check_structure(connection, path, good),
        }
    }
}
