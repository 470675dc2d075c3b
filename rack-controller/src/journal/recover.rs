//! `busbar-rack recover`: the way on where a journal is damaged, or ends before what agents were told. What is missing is said first;
//! only who says yes gets a new journal, and the damaged one is kept beside it.
//!
//! The new journal is one snapshot of what can still be read, under a number beyond every one that was ever given, so that agents take raises
//! from it again and nothing that was lost is mistaken for it.

use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use facts::Moment;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::error::JournalError;
use super::head::{self, Head};
use super::replay::{Telling, replay};
use super::{FILE, snapshot};
use crate::rack::Kept;

/// Numbers that are left out: more events than anybody can have forgotten between two looks at a head.
const SKIPPED: u64 = 1_000_000;

/// What a journal lacks, and what there is to go on with.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Its folder.
    pub state_dir: PathBuf,
    /// What can still be read.
    pub good: Link,
    /// What that makes of the rack.
    pub kept: Kept,
    /// What is wrong with the file, where anything is.
    pub damage: Option<String>,
    /// The event that rack.head names, where that is beyond what can be read.
    pub head: Option<u64>,
    /// Agents that were leased to by a journal that had come further, and how far.
    pub ahead: Vec<(String, u64)>,
}

impl Advice {
    /// Whether anything has to be done.
    pub fn is_needed(&self) -> bool {
        self.damage.is_some() || self.head.is_some() || !self.ahead.is_empty()
    }

    /// How far the journal had come at least.
    fn known(&self) -> u64 {
        let heads = self.ahead.iter().map(|(_, sequence)| *sequence);
        heads
            .chain(self.head)
            .chain([self.good.sequence])
            .max()
            .unwrap_or(0)
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (good, file) = (self.good.sequence, self.state_dir.join(FILE));
        if !self.is_needed() {
            return writeln!(
                f,
                "{}: whole, {good} events; there is nothing to recover",
                file.display()
            );
        }
        writeln!(f, "{}: events up to {good} are good", file.display())?;
        if let Some(damage) = &self.damage {
            writeln!(f, "  damaged: {damage}")?;
        }
        if let Some(head) = self.head {
            writeln!(f, "  rack.head beside it says that {head} were acknowledged")?;
        }
        for (node, sequence) in &self.ahead {
            writeln!(
                f,
                "  the agent of {node} was leased to under event {sequence}, which is not the one that is here"
            )?;
        }
        match self.known().saturating_sub(good) {
            0 => writeln!(f, "missing: how many events is not known")?,
            missing => writeln!(f, "missing: at least {missing} events after {good}")?,
        }
        writeln!(
            f,
            "what is left: {} claims in force, {} standing orders of caps, {} bays",
            self.kept.claims.len(),
            self.kept.orders.len(),
            self.kept.bays.len()
        )?;
        writeln!(
            f,
            "to go on:\n  1. an older copy of this folder that has more is better than what follows: put that in its place\n  2. stop busbar-rack, and say \
             `busbar-rack recover {} --yes`: the damaged files go to a folder beside, and a journal begins anew with what is left, after event {}\n  \
             3. start busbar-rack; claims that were made after event {good} must be made again, and those that were released after it released",
            self.state_dir.display(),
            self.known().saturating_add(SKIPPED)
        )
    }
}

/// What a journal lacks. `heads` are what agents keep of it: the node, the number, and the chain in hexadecimal. Writes nothing.
///
/// # Errors
/// There is none, and none was; or it is foreign or newer.
pub fn advice(state_dir: &Path, heads: &[(String, u64, String)]) -> anyhow::Result<Advice> {
    let head = Head::read(state_dir)?;
    let path = state_dir.join(FILE);
    let read = replay(&path, 0, Telling::Quiet, &mut std::io::sink());
    let (good, kept, damage) = match read {
        Ok(told) => {
            // Events may all be good in a file that SQLite cannot be trusted to write to.
            let damage = told.damage.or_else(|| structure(&path, told.last.sequence));
            (told.last, told.rack.kept, damage)
        }
        Err(error) => {
            let error = match error.downcast::<JournalError>() {
                Ok(error) => error.with_head(head.as_ref()),
                Err(error) => return Err(error),
            };
            let Some(why) = unreadable(&error, head.as_ref()) else {
                return Err(error.into());
            };
            let empty = super::replay::nothing()?;
            (Link::FIRST, empty.kept, Some(why))
        }
    };
    let here = super::replay::open(&path).ok();
    let is_other = |sequence: u64, chain_there: &str| {
        let chain = here
            .as_ref()
            .and_then(|connection| snapshot::chain_at(connection, sequence).ok().flatten());
        chain.is_some_and(|here| super::chain::hex(&here) != chain_there)
    };
    // A controller that ran on a journal that had lost its end went on from there: then what is missing lies beside what is here.
    let is_beyond = |sequence: u64, chain: &str| {
        sequence > good.sequence
            || (sequence == good.sequence && sequence > 0 && chain != good.hex())
            || (sequence < good.sequence && is_other(sequence, chain))
    };
    Ok(Advice {
        state_dir: state_dir.to_owned(),
        head: head
            .filter(|head| is_beyond(head.sequence, &head.hex()))
            .map(|head| head.sequence),
        ahead: heads
            .iter()
            .filter(|(_, sequence, chain)| is_beyond(*sequence, chain))
            .map(|(node, sequence, _)| (node.clone(), *sequence))
            .collect(),
        good,
        kept,
        damage,
    })
}

/// What is wrong with SQLite's own structure, where anything is.
fn structure(path: &Path, good: u64) -> Option<String> {
    let checked = super::replay::open(path)
        .and_then(|connection| super::verify::check_structure(&connection, path, good));
    match checked {
        Err(JournalError::Damaged { why, .. }) => Some(why),
        Err(error) => Some(crate::eyes::chain(&error)),
        Ok(()) => None,
    }
}

/// Why nothing of a file can be read; `None` where it is not ours to recover.
fn unreadable(error: &JournalError, head: Option<&Link>) -> Option<String> {
    match error {
        JournalError::Damaged { why, .. } => Some(why.clone()),
        JournalError::File { cause, .. } if cause.kind() == ErrorKind::NotFound && head.is_some() => {
            Some("it is not there".to_owned())
        }
        error @ JournalError::Sqlite { .. } => Some(crate::eyes::chain(error)),
        JournalError::File { .. }
        | JournalError::Locked { .. }
        | JournalError::ReadOnly { .. }
        | JournalError::Foreign { .. }
        | JournalError::Newer { .. }
        | JournalError::Event { .. } => None,
    }
}

/// Begins the journal anew with what is left; the folder where the damaged files are.
///
/// # Errors
/// A controller runs on it, or the new file cannot be written; then the old one is where it was.
pub fn recover(advice: &Advice, at: Moment) -> Result<PathBuf, JournalError> {
    let state_dir = &advice.state_dir;
    let _lock = super::lock(state_dir)?;
    let (old, new) = (state_dir.join(FILE), state_dir.join("rack.sqlite.new"));
    let sequence = advice.known().saturating_add(SKIPPED);
    let mut hash = Sha256::new();
    hash.update(advice.good.hash);
    hash.update(sequence.to_be_bytes());
    let link = Link {
        sequence,
        hash: hash.finalize().into(),
    };
    let mut kept = advice.kept.clone();
    kept.sequence = sequence;
    // What was lost may have named claims: no id is used twice.
    kept.next_claim = kept.next_claim.saturating_add(SKIPPED);
    begin(&new, &link, at, &kept)?;
    let kept_in = state_dir.join(format!("damaged-{}", at.millis()));
    let failed = |act, path: &Path| {
        let path = path.to_owned();
        move |cause| JournalError::file(act, &path, cause)
    };
    fs::create_dir(&kept_in).map_err(failed("make the folder", &kept_in))?;
    // The damaged file stays under both names until the new one takes its place.
    match fs::hard_link(&old, kept_in.join(FILE)) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(JournalError::file("keep a name of", &old, cause));
        }
        Ok(()) | Err(_) => {}
    }
    for name in ["rack.sqlite-wal", "rack.sqlite-shm", head::FILE] {
        let from = state_dir.join(name);
        match fs::rename(&from, kept_in.join(name)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(JournalError::file("move away", &from, cause));
            }
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(&new, &old).map_err(failed("put into its place", &new))?;
    File::open(state_dir)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync", state_dir))?;
    Ok(kept_in)
}

/// A journal of one snapshot.
fn begin(path: &Path, link: &Link, at: Moment, kept: &Kept) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(JournalError::file("remove what an earlier try left", path, cause));
        }
        Ok(()) | Err(_) => {}
    }
    super::make_file(path)?;
    let failed = |cause| JournalError::sqlite("write", path, cause);
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    super::prepare(&mut connection).map_err(failed)?;
    snapshot::write(&connection, link, at, kept).map_err(failed)?;
    connection.close().map_err(|(_, cause)| failed(cause))?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|cause| JournalError::file("sync", path, cause))
}
