//! What a BMC says over IPMI, byte by byte: sensor records, inventories, event log.

use std::collections::BTreeSet;

use bmc::ipmi::command::{
    Command, GET_DEVICE_ID, GET_FRU_INVENTORY_AREA_INFO, GET_SDR, GET_SEL_ENTRY, READ_FRU_DATA,
    RESERVE_SDR_REPOSITORY, Request,
};
use bmc::ipmi::observe::{Repository, repository};
use bmc::ipmi::{Ipmi, IpmiError};

use super::fru::{Words, masked};

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

/// The bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dump {
    device: Vec<u8>,
    pub(super) records: Vec<Vec<u8>>,
    pub(super) inventories: Vec<(u8, Vec<u8>)>,
    pub(super) entries: Vec<Vec<u8>>,
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
    pub(super) async fn read(ipmi: &Ipmi) -> Result<Dump, IpmiError> {
        let device = ipmi.ask(&Request::new(GET_DEVICE_ID, [])).await?;
        let known = repository(ipmi).await?;
        Ok(Dump {
            device,
            records: records(ipmi).await?,
            inventories: inventories(ipmi, &known).await?,
            entries: entries(ipmi).await?,
        })
    }

    /// The same without what names a machine or a part.
    pub(super) fn masked(self) -> Dump {
        let mut words = Words::default();
        let empty_makers = |mut bytes: Vec<u8>, kind: usize, from: usize| {
            if bytes.get(kind).is_some_and(|kind| *kind >= MAKERS) {
                bytes.iter_mut().skip(from).for_each(|byte| *byte = 0);
            }
            bytes
        };
        Dump {
            device: self.device,
            records: self
                .records
                .into_iter()
                .map(|record| empty_makers(record, 3, usize::from(HEADER)))
                .collect(),
            inventories: self
                .inventories
                .into_iter()
                .map(|(id, image)| (id, masked(&image, &mut words)))
                .collect(),
            entries: self
                .entries
                .into_iter()
                .map(|entry| empty_makers(entry, 2, 7))
                .collect(),
        }
    }

    /// Names and texts of its files.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let lines = |all: &[Vec<u8>]| all.iter().map(|bytes| hex(bytes) + "\n").collect::<String>();
        let mut files = vec![
            ("ipmi/device.hex".to_owned(), hex(&self.device) + "\n"),
            ("ipmi/sdr.hex".to_owned(), lines(&self.records)),
            ("ipmi/sel.hex".to_owned(), lines(&self.entries)),
        ];
        for (id, image) in &self.inventories {
            files.push((format!("ipmi/fru-{id}.hex"), hex(image) + "\n"));
        }
        files
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
