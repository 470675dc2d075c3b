//! The system event log of a BMC: what happened to its parts, as 16-byte records.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::gauge::{OWN_STATES, POWER_SUPPLY};
use crate::live::Listener;
use crate::world::{Event, Happening};

/// Entries that the log holds; then it is full, and what happens is lost, as on common BMCs.
pub const CAPACITY: usize = 512;
/// Bytes of an entry.
pub const ENTRY: usize = 16;
/// Sensor type of a node's power unit, and its state *off*.
const POWER_UNIT: u8 = 0x09;
const OFF: u8 = 0;
/// States of a supply by their number.
const PRESENT: u8 = 0;
const FAILED: u8 = 1;
const INPUT_LOST: u8 = 3;
/// A system event that the BMC itself wrote, in the format of IPMI 1.5 and later.
const SYSTEM_EVENT: u8 = 0x02;
const BMC: [u8; 2] = [0x20, 0x00];
const REVISION: u8 = 0x04;
/// The state went rather than came.
const WENT: u8 = 0x80;

/// Whose events are kept: the bays of a shelf with the numbers of their status sensors, or a node.
#[derive(Debug, Clone)]
pub enum Keeps {
    /// Bay and sensor number.
    Bays(Vec<(String, u8)>),
    /// The node's name.
    Node(String),
}

/// The log.
pub struct Log {
    keeps: Keeps,
    book: Mutex<Book>,
}

/// What stands in it.
#[derive(Debug, Default)]
pub struct Book {
    /// The entries, each with its id.
    pub entries: Vec<(u16, [u8; ENTRY])>,
    /// Whether something was lost.
    pub overflowed: bool,
    /// When an entry was added, and when the log was cleared: seconds since 1970.
    pub added: u32,
    /// See above.
    pub erased: u32,
    last: u16,
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new(keeps: Keeps) -> Self {
        Self {
            keeps,
            book: Mutex::default(),
        }
    }

    /// What stands in it.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, happening: &Happening) -> Option<(u8, u8, u8, bool)> {
        let bay = |wanted: &str, state: u8, came: bool| match &self.keeps {
            Keeps::Bays(bays) => {
                let (_, number) = bays.iter().find(|(bay, _)| bay == wanted)?;
                Some((POWER_SUPPLY, *number, state, came))
            }
            Keeps::Node(_) => None,
        };
        match happening {
            Happening::Pulled { bay: place } => bay(place, PRESENT, false),
            Happening::Inserted { bay: place, .. } => bay(place, PRESENT, true),
            Happening::Failed { bay: place } | Happening::Tripped { bay: place, .. } => {
                bay(place, FAILED, true)
            }
            Happening::Repaired { bay: place } => bay(place, FAILED, false),
            Happening::InputLost { bay: place } => bay(place, INPUT_LOST, true),
            Happening::InputRestored { bay: place } => bay(place, INPUT_LOST, false),
            Happening::Power { node, on } => match &self.keeps {
                Keeps::Node(kept) if kept == node => Some((POWER_UNIT, 0, OFF, !on)),
                Keeps::Node(_) | Keeps::Bays(_) => None,
            },
            Happening::Started { .. }
            | Happening::Dark { .. }
            | Happening::Lit
            | Happening::LimitSet { .. }
            | Happening::BayLight { .. }
            | Happening::ShelfLight { .. }
            | Happening::NodeLight { .. }
            | Happening::Demand { .. }
            | Happening::Answers { .. }
            | Happening::DriveChanged { .. }
            | Happening::Rebooted { .. } => None,
        }
    }
}

impl Book {
    /// Adds an entry, or notes that it was lost.
    pub fn add(&mut self, (kind, number, state, came): (u8, u8, u8, bool)) {
        if self.entries.len() >= CAPACITY {
            self.overflowed = true;
            return;
        }
        self.last = self.last.wrapping_add(1).clamp(1, 0xFFFE);
        self.added = now();
        let mut entry = [0xFF; ENTRY];
        entry[0..2].copy_from_slice(&self.last.to_le_bytes());
        entry[2] = SYSTEM_EVENT;
        entry[3..7].copy_from_slice(&self.added.to_le_bytes());
        entry[7..9].copy_from_slice(&BMC);
        entry[9] = REVISION;
        entry[10] = kind;
        entry[11] = number;
        entry[12] = if came { OWN_STATES } else { OWN_STATES | WENT };
        entry[13] = state;
        self.entries.push((self.last, entry));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.overflowed = false;
        self.erased = now();
    }
}

impl Listener for Log {
    fn hear(&self, event: &Event, _at: &str) {
        if let Some(entry) = self.entry(&event.happening) {
            self.book().add(entry);
        }
    }
}
