//! What a BMC says over IPMI, byte by byte, for a recording: sensor records, inventories, event log.

mod fru;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::client::Ipmi;
use super::command::{
    Command, GET_DEVICE_ID, GET_FRU_INVENTORY_AREA_INFO, GET_SDR, GET_SEL_ENTRY, READ_FRU_DATA,
    RESERVE_SDR_REPOSITORY, Request,
};
use super::error::IpmiError;
use super::observe::{Repository, repository};
use fru::{Words, masked};

/// Bounds: as those of the client, and a log of a rack's largest BMC.
const MOST_RECORDS: usize = 4_096;
const MOST_ENTRIES: usize = 4_096;
const MOST_INVENTORY: usize = 8_192;
/// As little at once as every BMC gives.
const AT_ONCE: u8 = 16;
/// The id of the last record.
const LAST: u16 = 0xFFFF;
/// Bytes of a sensor record's header, and of a log entry.
const HEADER: u8 = 5;
const ENTRY: usize = 16;
/// The first record type of the maker's own, in the repository and in the log.
const MAKERS: u8 = 0xC0;
/// The first one of the maker's own log entries that have no time.
const TIMELESS: u8 = 0xE0;
/// The names of its files.
const DEVICE_FILE: &str = "ipmi/device.hex";
const SDR_FILE: &str = "ipmi/sdr.hex";
const SEL_FILE: &str = "ipmi/sel.hex";
const FRU_FILES: &str = "ipmi/fru-";
const HEX: &str = ".hex";

/// The bytes that a BMC gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// The answer to Get Device ID.
    pub device: Vec<u8>,
    /// Sensor records.
    pub records: Vec<Vec<u8>>,
    /// FRU inventories by their ids.
    pub inventories: Vec<(u8, Vec<u8>)>,
    /// Entries of the event log.
    pub entries: Vec<Vec<u8>>,
}

async fn said(ipmi: &Ipmi, command: Command, data: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, IpmiError> {
    let reply = ipmi.call(&Request::new(command, data)).await?;
    // An error code ends what was being read; what came before it stands.
    Ok((reply.completion == 0).then_some(reply.data))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

impl Dump {
    /// Reads all of it.
    ///
    /// # Errors
    /// The BMC does not answer.
    pub async fn read(ipmi: &Ipmi) -> Result<Dump, IpmiError> {
        let device = ipmi.ask(&Request::new(GET_DEVICE_ID, [])).await?;
        let known = repository(ipmi).await?;
        Ok(Dump {
            device,
            records: records(ipmi).await?,
            inventories: inventories(ipmi, &known).await?,
            entries: entries(ipmi).await?,
        })
    }

    /// The same without what names a machine or a part: of the maker's own records and entries the kind and the time stay.
    #[must_use]
    pub fn masked(self) -> Dump {
        let mut words = Words::default();
        let empty = |mut bytes: Vec<u8>, from: usize| {
            bytes.iter_mut().skip(from).for_each(|byte| *byte = 0);
            bytes
        };
        let kind = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or_default();
        let record = |bytes: Vec<u8>| match kind(&bytes, 3) {
            MAKERS.. => empty(bytes, usize::from(HEADER)),
            _ => bytes,
        };
        let entry = |bytes: Vec<u8>| match kind(&bytes, 2) {
            TIMELESS.. => empty(bytes, 3),
            MAKERS.. => empty(bytes, 7),
            _ => bytes,
        };
        Dump {
            device: self.device,
            records: self.records.into_iter().map(record).collect(),
            inventories: self
                .inventories
                .into_iter()
                .map(|(id, image)| (id, masked(&image, &mut words)))
                .collect(),
            entries: self.entries.into_iter().map(entry).collect(),
        }
    }

    /// Names and texts of its files: a record or an entry a line, in hexadecimal digits.
    pub fn files(&self) -> Vec<(String, String)> {
        let lines = |all: &[Vec<u8>]| all.iter().map(|bytes| hex(bytes) + "\n").collect::<String>();
        let mut files = vec![
            (DEVICE_FILE.to_owned(), hex(&self.device) + "\n"),
            (SDR_FILE.to_owned(), lines(&self.records)),
            (SEL_FILE.to_owned(), lines(&self.entries)),
        ];
        for (id, image) in &self.inventories {
            files.push((format!("{FRU_FILES}{id}{HEX}"), hex(image) + "\n"));
        }
        files
    }

    /// What such files hold; `None` where one of them is another file, or holds anything but such lines.
    pub fn of_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Dump> {
        let mut dump = Dump::default();
        for (name, text) in files {
            let lines: Option<Vec<Vec<u8>>> = text.lines().map(bytes).collect();
            let mut lines = lines?;
            match name {
                DEVICE_FILE => dump.device = lines.pop().unwrap_or_default(),
                SDR_FILE => dump.records = lines,
                SEL_FILE => dump.entries = lines,
                _ => {
                    let id = name.strip_prefix(FRU_FILES)?.strip_suffix(HEX)?.parse().ok()?;
                    dump.inventories.push((id, lines.pop().unwrap_or_default()));
                }
            }
        }
        Some(dump)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let pairs = digits.chunks_exact(2);
    Some(
        pairs
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

async fn records(ipmi: &Ipmi) -> Result<Vec<Vec<u8>>, IpmiError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = 0;
    let Some(reservation) = said(ipmi, RESERVE_SDR_REPOSITORY, []).await? else {
        return Ok(found);
    };
    while next != LAST && seen.insert(next) && found.len() < MOST_RECORDS {
        let mut record = Vec::new();
        let mut after = LAST;
        let mut length = usize::from(HEADER);
        while record.len() < length {
            let Ok(offset) = u8::try_from(record.len()) else {
                break;
            };
            let left = u8::try_from(length - record.len()).unwrap_or(u8::MAX);
            let mut data = reservation.get(..2).unwrap_or_default().to_vec();
            data.extend_from_slice(&next.to_le_bytes());
            data.extend_from_slice(&[offset, left.min(AT_ONCE)]);
            let Some(piece) = said(ipmi, GET_SDR, data).await? else {
                break;
            };
            let (Some(id), Some(bytes)) = (word(&piece, 0), piece.get(2..)) else {
                break;
            };
            if bytes.is_empty() {
                break;
            }
            after = id;
            record.extend_from_slice(bytes);
            if offset == 0 {
                length = usize::from(HEADER) + usize::from(record.get(4).copied().unwrap_or_default());
            }
        }
        found.push(record);
        next = after;
    }
    Ok(found)
}

async fn inventories(ipmi: &Ipmi, known: &Repository) -> Result<Vec<(u8, Vec<u8>)>, IpmiError> {
    // Inventory 0 is the BMC's own, listed or not.
    let mut ids: BTreeSet<u8> = known
        .inventories
        .iter()
        .filter(|inventory| inventory.is_logical)
        .map(|inventory| inventory.id)
        .collect();
    ids.insert(0);
    let mut found = Vec::new();
    for id in ids {
        let Some(info) = said(ipmi, GET_FRU_INVENTORY_AREA_INFO, [id]).await? else {
            continue;
        };
        let by_words = info.get(2).is_some_and(|byte| byte & 1 == 1);
        let size = usize::from(word(&info, 0).unwrap_or_default()).min(MOST_INVENTORY);
        let mut image = Vec::new();
        // Chips that are read by words are rare and left out.
        while image.len() < size && !by_words {
            let [low, high] = u16::try_from(image.len()).unwrap_or(u16::MAX).to_le_bytes();
            let count = u8::try_from(size - image.len()).unwrap_or(u8::MAX).min(AT_ONCE);
            let Some(piece) = said(ipmi, READ_FRU_DATA, [id, low, high, count]).await? else {
                break;
            };
            match piece.get(1..) {
                Some(bytes) if !bytes.is_empty() => image.extend_from_slice(bytes),
                Some(_) | None => break,
            }
        }
        if !image.is_empty() {
            found.push((id, image));
        }
    }
    Ok(found)
}

async fn entries(ipmi: &Ipmi) -> Result<Vec<Vec<u8>>, IpmiError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = 0_u16;
    while next != LAST && seen.insert(next) && found.len() < MOST_ENTRIES {
        let [low, high] = next.to_le_bytes();
        let Some(answer) = said(ipmi, GET_SEL_ENTRY, [0, 0, low, high, 0, 0xFF]).await? else {
            break;
        };
        let Some(after) = word(&answer, 0) else { break };
        let entry = answer.get(2..).unwrap_or_default();
        found.push(entry.get(..ENTRY).unwrap_or(entry).to_vec());
        next = after;
    }
    Ok(found)
}
