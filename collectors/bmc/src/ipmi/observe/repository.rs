//! The SDR repository, read once and again only when its timestamps say that it changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::sdr::{self, FruLocator, HEADER, Record, Sensor};
use crate::ipmi::bytes::{Bytes, DecodeError};
use crate::ipmi::client::Ipmi;
use crate::ipmi::command::{GET_SDR, GET_SDR_REPOSITORY_INFO, RESERVE_SDR_REPOSITORY, Request};
use crate::ipmi::error::IpmiError;

/// More records than any recorded BMC has (the largest has some 300); a chain that is longer has no end.
const MAX_RECORDS: usize = 4096;
/// How often a reservation is taken again in one walk. Another console that reads takes it from us once per record at worst.
const MAX_RESERVATIONS: u32 = 64;
/// How often the walk begins again because the repository changed meanwhile.
const MAX_WALKS: u32 = 3;
/// How much of a record is asked for at once, and how little at least. BMCs that cannot say so with CAh, C7h, C8h or FFh.
const MOST_AT_ONCE: u8 = 64;
const LEAST_AT_ONCE: u8 = 8;
/// The id of the last record; also what the last one gives as the next.
const LAST: u16 = 0xFFFF;
/// Completion code: the reservation was taken by somebody else.
const RESERVATION_LOST: u8 = 0xC5;
/// Completion codes that mean *less at once*.
const TOO_MUCH: [u8; 4] = [0xCA, 0xC7, 0xC8, 0xFF];

/// When the repository was changed last, and how much is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Number of records.
    pub records: u16,
    /// The BMC's time of the last addition, in seconds.
    pub added: u32,
    /// The BMC's time of the last erasure, in seconds.
    pub erased: u32,
}

/// Everything that the repository says.
#[derive(Clone, Debug, PartialEq)]
pub struct Repository {
    /// What it was read at.
    pub stamp: Stamp,
    /// Sensors that can be read, in the repository's order.
    pub sensors: Vec<Sensor>,
    /// FRU inventories.
    pub inventories: Vec<FruLocator>,
    /// Records that could not be read, each with its id and why.
    pub doubts: Vec<String>,
}

/// The repository, from memory where it did not change: one packet then.
///
/// # Errors
/// Where the BMC does not answer, changes the repository all the time, or gives a chain of records without an end.
pub async fn repository(ipmi: &Ipmi) -> Result<Arc<Repository>, IpmiError> {
    let mut kept = ipmi.repository.lock().await;
    let mut stamp = info(ipmi).await?;
    if let Some(known) = kept.as_ref().filter(|known| known.stamp == stamp) {
        return Ok(Arc::clone(known));
    }
    for _ in 0..MAX_WALKS {
        let read = walk(ipmi, stamp).await?;
        let now = info(ipmi).await?;
        if now == stamp {
            let read = Arc::new(read);
            *kept = Some(Arc::clone(&read));
            return Ok(read);
        }
        stamp = now;
    }
    Err(unstable(ipmi, format!("it changed during {MAX_WALKS} walks")))
}

async fn info(ipmi: &Ipmi) -> Result<Stamp, IpmiError> {
    let data = ipmi.ask(&Request::new(GET_SDR_REPOSITORY_INFO, [])).await?;
    decode_info(&data).map_err(|error| ipmi.malformed(GET_SDR_REPOSITORY_INFO, error))
}

pub(super) fn decode_info(data: &[u8]) -> Result<Stamp, DecodeError> {
    let mut bytes = Bytes::of("the repository's info", data);
    bytes.skip(1)?;
    let records = bytes.u16()?;
    bytes.skip(2)?;
    Ok(Stamp {
        records,
        added: bytes.u32()?,
        erased: bytes.u32()?,
    })
}

fn unstable(ipmi: &Ipmi, why: String) -> IpmiError {
    IpmiError::Repository {
        address: ipmi.address().to_owned(),
        command: GET_SDR,
        why,
    }
}

/// One walk through the records.
struct Walk<'a> {
    ipmi: &'a Ipmi,
    reservation: u16,
    reservations: u32,
    at_once: u8,
}

async fn walk(ipmi: &Ipmi, stamp: Stamp) -> Result<Repository, IpmiError> {
    let mut walk = Walk {
        ipmi,
        reservation: 0,
        reservations: 0,
        at_once: MOST_AT_ONCE,
    };
    let mut found = Repository {
        stamp,
        sensors: Vec::new(),
        inventories: Vec::new(),
        doubts: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while next != LAST && stamp.records > 0 {
        if !seen.insert(next) || seen.len() > MAX_RECORDS {
            return Err(unstable(
                ipmi,
                format!("record {next:04x}h comes again after {} records", seen.len()),
            ));
        }
        let (id, after, record) = match walk.record(next).await? {
            Some(read) => read,
            None => {
                return Err(unstable(
                    ipmi,
                    format!("the reservation was lost {MAX_RESERVATIONS} times"),
                ));
            }
        };
        match sdr::parse(&record) {
            Ok(Record::Sensors(sensors)) => found.sensors.extend(sensors),
            Ok(Record::Fru(locator)) => found.inventories.push(locator),
            Ok(Record::EventOnly { .. } | Record::Other { .. }) => {}
            Err(error) => found.doubts.push(format!("record {id:04x}h: {error}")),
        }
        next = after;
    }
    Ok(found)
}

impl Walk<'_> {
    /// One whole record with its id and the next one's; `None` where the reservation is lost again and again.
    async fn record(&mut self, id: u16) -> Result<Option<(u16, u16, Vec<u8>)>, IpmiError> {
        'again: while self.reservations < MAX_RESERVATIONS {
            if self.reservation == 0 {
                self.reserve().await?;
            }
            let head = u8::try_from(HEADER).unwrap_or(u8::MAX);
            let Some((next, mut record)) = self.piece(id, 0, head).await? else {
                self.reservation = 0;
                continue;
            };
            let malformed = |error| self.ipmi.malformed(GET_SDR, error);
            let mut bytes = Bytes::of("the head of a record", &record);
            let own = bytes.u16().map_err(malformed)?;
            bytes.skip(2).map_err(malformed)?;
            let length = HEADER + usize::from(bytes.u8().map_err(malformed)?);
            while record.len() < length {
                let left = u8::try_from(length - record.len()).unwrap_or(u8::MAX);
                // A record has at most 260 bytes and an offset one byte: what lies beyond cannot be asked for.
                let Ok(offset) = u8::try_from(record.len()) else {
                    break;
                };
                match self.piece(id, offset, left.min(self.at_once)).await? {
                    Some((_, piece)) if !piece.is_empty() => record.extend_from_slice(&piece),
                    Some(_) => break,
                    None => {
                        self.reservation = 0;
                        continue 'again;
                    }
                }
            }
            return Ok(Some((own, next, record)));
        }
        Ok(None)
    }

    async fn reserve(&mut self) -> Result<(), IpmiError> {
        self.reservations += 1;
        let data = self.ipmi.ask(&Request::new(RESERVE_SDR_REPOSITORY, [])).await?;
        self.reservation = Bytes::of("a reservation", &data)
            .u16()
            .map_err(|error| self.ipmi.malformed(RESERVE_SDR_REPOSITORY, error))?;
        Ok(())
    }

    /// A piece of a record with the next record's id; `None` where the reservation is lost.
    async fn piece(
        &mut self,
        id: u16,
        offset: u8,
        mut count: u8,
    ) -> Result<Option<(u16, Vec<u8>)>, IpmiError> {
        loop {
            let mut data = self.reservation.to_le_bytes().to_vec();
            data.extend_from_slice(&id.to_le_bytes());
            data.extend_from_slice(&[offset, count]);
            let reply = self.ipmi.call(&Request::new(GET_SDR, data)).await?;
            match reply.completion {
                0 => {
                    let mut bytes = Bytes::of("a piece of a record", &reply.data);
                    let next = bytes.u16().map_err(|error| self.ipmi.malformed(GET_SDR, error))?;
                    let piece = bytes.rest();
                    // More than was asked for is not more of the record.
                    let piece = piece.get(..usize::from(count)).unwrap_or(piece);
                    return Ok(Some((next, piece.to_vec())));
                }
                RESERVATION_LOST => return Ok(None),
                code if TOO_MUCH.contains(&code) && count > LEAST_AT_ONCE => {
                    self.at_once = (self.at_once / 2).max(LEAST_AT_ONCE);
                    count = count.min(self.at_once);
                }
                code => return Err(self.ipmi.completion(GET_SDR, code)),
            }
        }
    }
}
