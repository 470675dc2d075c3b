//! What a BMC says over IPMI, byte by byte: sensor records, inventories, event log; and the same without what names a machine.

mod fru;
mod names;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;

use super::client::Ipmi;
use super::command::{
    Command, DCMI_GET_POWER_LIMIT, DCMI_GET_POWER_READING, GET_CHASSIS_STATUS, GET_DEVICE_ID,
    GET_FRU_INVENTORY_AREA_INFO, GET_SDR, GET_SDR_REPOSITORY_INFO, GET_SEL_ENTRY, GET_SEL_INFO,
    GET_SENSOR_READING, GET_SENSOR_READING_FACTORS, GET_SENSOR_THRESHOLDS, READ_FRU_DATA,
    RESERVE_SDR_REPOSITORY, Request,
};
use super::error::IpmiError;
use super::observe::{Repository, refresh};
use super::recorded::Recording;
use words::Words;

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
/// Bytes of a device's id before those of the maker's own.
const DEVICE_NUMBERS: usize = 11;

async fn said(ipmi: &Ipmi, command: Command, data: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, IpmiError> {
    let reply = ipmi.call(&Request::new(command, data)).await?;
    // An error code ends what was being read; what came before it stands.
    Ok((reply.completion == 0).then_some(reply.data))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Answers that are kept as they came: numbers, no names.
const NUMBERS: [Command; 8] = [
    GET_CHASSIS_STATUS,
    GET_SENSOR_READING,
    GET_SENSOR_READING_FACTORS,
    GET_SENSOR_THRESHOLDS,
    DCMI_GET_POWER_READING,
    DCMI_GET_POWER_LIMIT,
    GET_SDR_REPOSITORY_INFO,
    GET_SEL_INFO,
];

impl Recording {
    /// Reads all of it.
    ///
    /// # Errors
    /// The BMC does not answer.
    pub async fn read(ipmi: &Ipmi) -> Result<Recording, IpmiError> {
        ipmi.keep_answers();
        // What an inspection needs comes first, so that the recording gives the same one.
        let seen = refresh(ipmi).await?;
        let device = ipmi.ask(&Request::new(GET_DEVICE_ID, [])).await?;
        let mut answers = ipmi.kept_answers();
        answers.retain(|question, _| NUMBERS.iter().any(|command| question.is(*command)));
        Ok(Recording {
            device,
            records: records(ipmi).await?,
            inventories: inventories(ipmi, &seen.repository).await?,
            entries: entries(ipmi).await?,
            answers,
        })
    }

    /// The same without what names a machine or a part: models, part numbers, other names of sensors and the entries of sensors stay.
    #[must_use]
    pub fn masked(self) -> Recording {
        let mut words = Words::default();
        // Once to learn all words: what one inventory names may stand in another, or in a sensor's name.
        for (_, image) in &self.inventories {
            fru::masked(image, &mut words);
        }
        let inventories = self.inventories.iter();
        let inventories = inventories.map(|(id, image)| (*id, fru::masked(image, &mut words)));
        let inventories = inventories.collect();
        let mut device = self.device;
        // The maker's own bytes behind the product's number (IPMI 2.0 section 20.1).
        device.iter_mut().skip(DEVICE_NUMBERS).for_each(|byte| *byte = 0);
        Recording {
            device,
            records: self
                .records
                .into_iter()
                .map(|record| names::record(record, &mut words))
                .collect(),
            inventories,
            entries: self.entries.into_iter().map(names::entry).collect(),
            answers: self.answers,
        }
    }
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
