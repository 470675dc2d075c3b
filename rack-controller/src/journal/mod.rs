//! The journal: every event that made the rack, in SQLite, each bound to the one before by a hash. Nothing in it is ever changed.
//!
//! `STATE_DIR/rack.sqlite` holds the events; `rack.head` beside it says how many there must be at least, so that a
//! journal that lost its end is told from a short one; `rack.lock` is held by the one writer. A journal that is cut
//! short, damaged, foreign or newer is refused and left as it is.

mod chain;
mod error;
mod head;
pub mod reader;
pub mod recall;
pub mod recover;
pub mod replay;
mod salvage;
mod snapshot;
mod verify;
mod walk;
pub mod writer;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

pub use chain::Link;
pub use error::JournalError;
pub use reader::{Entry, Reader, list};
pub use recall::{Recalled, recall};
pub use recover::{Advice, advice, recover};
pub use replay::{Replayed, Telling, replay};
pub use salvage::{Salvaged, salvage};
pub use snapshot::Snapshot;
pub use verify::{Verified, verify, verify_beside};
pub use writer::{Progress, Writer};

use crate::rack::Kept;
use crate::rack::event::Event;

/// The journal's file in the state directory.
pub const FILE: &str = "rack.sqlite";
/// The file that is locked by the one writer.
pub const LOCK: &str = "rack.lock";
/// `PRAGMA application_id`: "BUSB", so that no other program's database is taken for a journal.
const APPLICATION: i32 = 0x4255_5342;
/// `PRAGMA user_version`: the format that this program writes, and the newest that it reads.
/// 2 has snapshots, and may begin after event 1.
const FORMAT: i32 = 2;
/// The oldest format that is read; it is brought to ours when it is opened for writing.
const OLDEST_FORMAT: i32 = 1;
/// How many events are kept at least, where nothing else is said: half a gigabyte, years of a quiet rack.
pub const USUAL_KEEP: u64 = 1_000_000;
/// The least that may be kept.
pub const LEAST_KEEP: u32 = 1_000;
/// How long SQLite waits for a reader before it gives up, in milliseconds.
const BUSY_MILLIS: u64 = 5_000;

const SCHEMA: &str = "
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    chain BLOB NOT NULL
) STRICT;
";

/// Events, and what the rack is after them where a snapshot is due.
#[derive(Debug, Default)]
pub struct Batch {
    /// The events.
    pub events: Vec<Event>,
    /// The rack after the last of them.
    pub snapshot: Option<Box<Kept>>,
}

/// The journal, open for writing. There is one writer at a time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    connection: Connection,
    head: head::Head,
    last: Link,
    keep: u64,
    /// Held as long as this lives.
    _lock: File,
}

impl Journal {
    /// Opens the journal of a state directory, and makes both where there is none. The whole chain is verified first.
    ///
    /// # Errors
    /// Another writer has it open; it is cut short, damaged, foreign or newer (then it is left as it is); or the
    /// directory cannot be used.
    pub fn open(state_dir: &Path) -> Result<Journal, JournalError> {
        Journal::open_after(state_dir, |path, head| {
            verify::verify_file(path, head, walk::Pace::Quick).map(|verified| verified.last)
        })
    }

    /// The same, with `check` as what says whether the file is good, and where its chain ends.
    fn open_after(
        state_dir: &Path,
        check: impl FnOnce(&Path, Option<&Link>) -> Result<Link, JournalError>,
    ) -> Result<Journal, JournalError> {
        let path = state_dir.join(FILE);
        make_directory(state_dir)?;
        let lock = lock(state_dir)?;
        let expected = head::Head::read(state_dir)?;
        let ours = |error: JournalError| error.with_head(expected.as_ref());
        let last = match verify::state(&path).map_err(ours)? {
            verify::State::Missing => {
                if let Some(head) = &expected
                    && head.sequence > 0
                {
                    return Err(JournalError::gone(&path, head.sequence));
                }
                Link::FIRST
            }
            verify::State::There => check(&path, expected.as_ref()).map_err(ours)?,
        };
        let connection = open_for_writing(&path)?;
        let head = head::Head::open(state_dir)?;
        // The names of new files are on the disk only when their directory is.
        File::open(state_dir)
            .and_then(|directory| directory.sync_all())
            .map_err(|cause| JournalError::file("sync", state_dir, cause))?;
        Ok(Journal {
            path,
            connection,
            head,
            last,
            keep: USUAL_KEEP,
            _lock: lock,
        })
    }

    /// How many events are kept at least when snapshots are written.
    pub const fn keep(&mut self, events: u64) {
        self.keep = events;
    }

    /// After how many events a snapshot is due: so few that a start is quick, and so many that snapshots stay few.
    pub const fn snapshot_every(&self) -> u64 {
        let share = self.keep / 32;
        if share < 500 {
            500
        } else if share > 20_000 {
            20_000
        } else {
            share
        }
    }

    /// Appends events, all or none. When this returns, they are on the disk.
    ///
    /// # Errors
    /// They could not be written; then none of them is in the journal.
    pub fn append(&mut self, events: &[Event]) -> Result<u64, JournalError> {
        self.append_all(&[Batch {
            events: events.to_vec(),
            snapshot: None,
        }])
    }

    /// Appends batches, all or none: one transaction, one fsync. When this returns, they are on the disk.
    ///
    /// # Errors
    /// They could not be written; then none of them is in the journal.
    pub fn append_all(&mut self, batches: &[Batch]) -> Result<u64, JournalError> {
        if batches.iter().all(|batch| batch.events.is_empty()) {
            return Ok(self.last.sequence);
        }
        let link = self.write(batches).map_err(JournalError::on_disk)?;
        self.last = link;
        // The events are on the disk whatever becomes of the head: an older head only says less.
        self.head.write(&link);
        Ok(link.sequence)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Link, JournalError> {
        let path = &self.path;
        let failed = |cause| JournalError::sqlite("append to", path, cause);
        let mut link = self.last;
        let transaction = self.connection.transaction().map_err(failed)?;
        for batch in batches {
            link = insert(&transaction, path, link, &batch.events)?;
            if let (Some(kept), Some(last)) = (&batch.snapshot, batch.events.last()) {
                snapshot::write(&transaction, &link, last.at, kept).map_err(failed)?;
                snapshot::retain(&transaction, link.sequence, self.keep).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(link)
    }

    /// Puts the head that was written last on the disk, too: nobody waits for it.
    pub fn sync_head(&mut self) {
        self.head.sync();
    }

    /// All entries, the oldest first: for the replay at the start.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        reader::entries(&self.connection, &self.path, 0, usize::MAX)
    }

    /// The last link of the chain: how many events there are, and the hash that binds them.
    pub const fn last(&self) -> Link {
        self.last
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader for others; it sees what was appended.
    pub fn reader(&self) -> Reader {
        Reader::of(self.path.clone())
    }
}

fn insert(connection: &Connection, path: &Path, from: Link, events: &[Event]) -> Result<Link, JournalError> {
    let failed = |cause| JournalError::sqlite("append to", path, cause);
    let mut insert = connection
        .prepare_cached("INSERT INTO events (sequence, at, event, chain) VALUES (?1, ?2, ?3, ?4)")
        .map_err(failed)?;
    let mut link = from;
    for event in events {
        let json = serde_json::to_string(event).map_err(|cause| JournalError::Event {
            kind: event.kind(),
            path: path.to_owned(),
            cause,
        })?;
        link = link.next(event.at.millis(), &json);
        insert
            .execute(params![
                number(link.sequence),
                number(event.at.millis()),
                json,
                link.hash.as_slice()
            ])
            .map_err(failed)?;
    }
    Ok(link)
}

/// Makes the state directory where there is none. Its name is on the disk before anything in it is promised: each folder that got a new
/// one is synced.
fn make_directory(state_dir: &Path) -> Result<(), JournalError> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = state_dir.ancestors().take_while(is_missing).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|cause| JournalError::file("make the directory", state_dir, cause))?;
    for made in missing {
        let above = made
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."));
        // One that may be written to and not be read cannot be synced; it is as good as any other file system's promise then.
        if let Err(error) = File::open(above).and_then(|folder| folder.sync_all()) {
            tracing::warn!(%error, "cannot sync {}, in which the state directory was made", above.display());
        }
    }
    Ok(())
}

fn lock(state_dir: &Path) -> Result<File, JournalError> {
    let path = state_dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|cause| JournalError::file("open", &path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path }),
        Err(TryLockError::Error(cause)) => Err(JournalError::file("lock", &path, cause)),
    }
}

/// Makes an empty file for its owner only, where there is none.
fn make_file(path: &Path) -> Result<(), JournalError> {
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(JournalError::file("make", path, cause))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn open_for_writing(path: &Path) -> Result<Connection, JournalError> {
    let failed = |cause| JournalError::sqlite("open", path, cause);
    make_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection
        .busy_timeout(std::time::Duration::from_millis(BUSY_MILLIS))
        .map_err(failed)?;
    connection
        .pragma_update(None, "journal_mode", "wal")
        .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
        .map_err(failed)?;
    prepare(&mut connection).map_err(failed)?;
    Ok(connection)
}

/// Makes the tables in a new file, as one that was made and never written to is too; brings an older format to ours.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(snapshot::SCHEMA)?;
    } else if transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0))? < FORMAT {
        // What format 1 says of events is what format 2 says of them.
        transaction.execute_batch(snapshot::SCHEMA)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()
}

/// A number for SQLite, whose integers are signed.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A state directory whose journal and head are any bytes, for the fuzzer: two bytes say how long the head is.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(data: &[u8]) {
    thread_local! {
        static FOLDER: std::cell::LazyCell<Option<Scratch>> = const { std::cell::LazyCell::new(scratch) };
    }
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (head, journal) = rest.split_at(length);
    if let Some(link) = head::parse(head) {
        assert!(!link.hex().is_empty());
    }
    FOLDER.with(|folder| {
        let Some(Scratch(folder)) = folder.as_ref() else {
            return;
        };
        let written = std::fs::write(folder.join(FILE), journal);
        if written
            .and_then(|()| std::fs::write(folder.join(head::FILE), head))
            .is_ok()
        {
            if let Err(error) = verify(folder) {
                assert!(error.to_string().contains("rack."), "{error} names no file");
            }
            let _ = list(folder, &mut io::sink());
        }
    });
}

/// A folder for what the fuzzer tries; it goes with the thread that made it.
#[cfg(any(test, feature = "fuzz"))]
struct Scratch(PathBuf);

#[cfg(any(test, feature = "fuzz"))]
impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies where such things lie.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A folder of its own, in memory where there is such a place.
#[cfg(any(test, feature = "fuzz"))]
fn scratch() -> Option<Scratch> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let folder = place.join(format!("busbar-fuzz-journal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).ok().map(|()| Scratch(folder))
}
