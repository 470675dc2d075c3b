//! The system event log (SEL): its info, and its entries from one record on.

use std::collections::BTreeSet;

use crate::ipmi::bytes::{Bytes, DecodeError};
use crate::ipmi::client::Ipmi;
use crate::ipmi::command::{GET_SEL_ENTRY, GET_SEL_INFO, Request};
use crate::ipmi::error::IpmiError;

/// The id that names the first entry, and the one that names the last; the last entry also gives it as its next.
const FIRST: u16 = 0x0000;
const LAST: u16 = 0xFFFF;
/// Timestamps up to here count from the BMC's start, not from 1970 (IPMI 2.0 section 37.1).
const SINCE_START: u32 = 0x2000_0000;
/// No timestamp.
const NO_TIME: u32 = 0xFFFF_FFFF;
/// Completion code: no such entry.
const NO_SUCH_ENTRY: u8 = 0xCB;

/// When something happened, by the BMC's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Seconds since 1970, as the BMC believes: in UTC or, on many, in local time.
    Clock(u32),
    /// Seconds since the BMC was started: its clock was not set yet.
    SinceStart(u32),
    /// The BMC does not know.
    Unknown,
}

impl From<u32> for When {
    fn from(seconds: u32) -> When {
        match seconds {
            NO_TIME => When::Unknown,
            seconds if seconds <= SINCE_START => When::SinceStart(seconds),
            seconds => When::Clock(seconds),
        }
    }
}

/// How full the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Number of entries.
    pub entries: u16,
    /// Free space in bytes; FFFFh is at least that.
    pub free_bytes: u16,
    /// Last addition.
    pub added: When,
    /// Last erasure.
    pub erased: When,
    /// Whether events were lost because the log was full.
    pub overflowed: bool,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: u16,
    /// When it was written; `Unknown` for the maker's entries without a timestamp.
    pub when: When,
    /// What it says.
    pub what: Event,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A sensor changed.
    Sensor {
        /// Slave address or software id of whoever wrote it.
        generator: u16,
        /// Sensor type (table 42-3).
        kind: u8,
        /// Sensor number.
        number: u8,
        /// Event/reading type (table 42-1).
        event: u8,
        /// Whether the state came (or went).
        asserted: bool,
        /// Which state: the low four bits of the first data byte.
        offset: u8,
        /// All three data bytes.
        data: [u8; 3],
    },
    /// The maker's own entry.
    Oem {
        /// Record type C0h to FFh.
        kind: u8,
        /// Its bytes: 9 with a timestamp before them, 13 without.
        data: Vec<u8>,
    },
}

/// How full the log is: one packet.
///
/// # Errors
/// Where the BMC does not answer, or answers with too little.
pub async fn log_info(ipmi: &Ipmi) -> Result<LogInfo, IpmiError> {
    let data = ipmi.ask(&Request::new(GET_SEL_INFO, [])).await?;
    decode_info(&data).map_err(|error| ipmi.malformed(GET_SEL_INFO, error))
}

/// The entry that was written last; `None` in an empty log. One packet.
///
/// # Errors
/// Where the BMC does not answer, or answers with too little.
pub async fn last_entry(ipmi: &Ipmi) -> Result<Option<Entry>, IpmiError> {
    Ok(entry(ipmi, LAST).await?.map(|(_, entry)| entry))
}

/// At most `most` entries after the entry `after`, or from the first one. An `after` that was erased meanwhile, or is no
/// longer the newest but one, leads to the first entry again.
///
/// # Errors
/// Where the BMC does not answer, or answers with too little.
pub async fn log_entries(ipmi: &Ipmi, after: Option<u16>, most: usize) -> Result<Vec<Entry>, IpmiError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = match after {
        None => FIRST,
        Some(after) => match entry(ipmi, after).await? {
            Some((next, _)) => next,
            None => FIRST,
        },
    };
    // A chain that comes back to an entry has no end.
    while next != LAST && found.len() < most && seen.insert(next) {
        let Some((after, entry)) = entry(ipmi, next).await? else {
            break;
        };
        found.push(entry);
        next = after;
    }
    Ok(found)
}

async fn entry(ipmi: &Ipmi, id: u16) -> Result<Option<(u16, Entry)>, IpmiError> {
    // No reservation is needed for a whole entry; FFh asks for all of it.
    let [low, high] = id.to_le_bytes();
    let request = Request::new(GET_SEL_ENTRY, [0, 0, low, high, 0, 0xFF]);
    let reply = ipmi.call(&request).await?;
    match reply.completion {
        0 => decode_entry(&reply.data)
            .map(Some)
            .map_err(|error| ipmi.malformed(GET_SEL_ENTRY, error)),
        NO_SUCH_ENTRY => Ok(None),
        code => Err(ipmi.completion(GET_SEL_ENTRY, code)),
    }
}

pub(super) fn decode_info(data: &[u8]) -> Result<LogInfo, DecodeError> {
    let mut bytes = Bytes::of("the event log's info", data);
    bytes.skip(1)?;
    Ok(LogInfo {
        entries: bytes.u16()?,
        free_bytes: bytes.u16()?,
        added: bytes.u32()?.into(),
        erased: bytes.u32()?.into(),
        overflowed: bytes.u8()? & 0x80 != 0,
    })
}

/// The next entry's id and this entry.
pub(super) fn decode_entry(data: &[u8]) -> Result<(u16, Entry), DecodeError> {
    let mut bytes = Bytes::of("an entry of the event log", data);
    let next = bytes.u16()?;
    let id = bytes.u16()?;
    let record = bytes.u8()?;
    let (when, what) = match record {
        0xE0..=0xFF => {
            let data = bytes.array::<13>()?.to_vec();
            (When::Unknown, Event::Oem { kind: record, data })
        }
        0xC0..=0xDF => {
            let when = bytes.u32()?.into();
            let data = bytes.array::<9>()?.to_vec();
            (when, Event::Oem { kind: record, data })
        }
        _ => {
            let when = bytes.u32()?.into();
            let generator = bytes.u16()?;
            bytes.skip(1)?;
            let [kind, number, event, first, second, third] = bytes.array()?;
            let what = Event::Sensor {
                generator,
                kind,
                number,
                event: event & 0x7F,
                asserted: event & 0x80 == 0,
                offset: first & 0x0F,
                data: [first, second, third],
            };
            (when, what)
        }
    };
    Ok((next, Entry { id, when, what }))
}
