//! SATA: power mode, identity, SMART data and SMART status, where the drive is awake (ACS-3, ACS-4; SAT-4 for the registers).

use std::ops::Range;

use facts::drive::{DriveHealth, DriveState, DriveWarning};
use facts::{NoData, Reading};

use super::page::{Fetch, Page, asleep};
use super::statistics;
use super::target::Target;
use super::told::Told;
use crate::attribute;
use crate::collector::CollectError;

/// Bytes of IDENTIFY DEVICE, SMART READ DATA and a page of statistics.
pub(super) const SECTOR: usize = 512;
/// Serial number in IDENTIFY DEVICE: words 10 to 19, the two bytes of each exchanged.
pub(super) const SERIAL: Range<usize> = 20..40;
/// What else names a drive in it: words 108 to 111, its world-wide name; 129 to 159, its maker's own; 176 to 205, the serial number
/// of a medium.
pub(super) const NAMES: [Range<usize>; 3] = [216..224, 258..320, 352..412];
/// The maker's own bytes of SMART READ DATA.
pub(super) const OWN_BYTES: Range<usize> = 386..511;
/// Words of IDENTIFY DEVICE that say what is supported, and what is enabled.
const SUPPORTED: usize = 82;
const ENABLED: usize = 85;
/// Word 84: general purpose logging, READ LOG EXT. Words 83 and 84 are valid where their highest bits are 01.
const LOGGING: usize = 84;
const SMART_BIT: u16 = 1;
const LOGGING_BIT: u16 = 1 << 5;
/// Byte 510 of IDENTIFY DEVICE says that byte 511 makes the sum of all zero.
const SUMMED: u8 = 0xa5;

/// Count that CHECK POWER MODE returns of a drive that would have to spin up: Standby_z, Standby_y, and spun down behind a cache.
const ASLEEP: [u8; 3] = [0x00, 0x01, 0x40];
/// LBA(15:8) and LBA(23:16) that SMART RETURN STATUS returns: all is well, and a threshold was passed.
const WELL: (u8, u8) = (0x4f, 0xc2);
const PASSED: (u8, u8) = (0xf4, 0x2c);

/// SMART READ DATA: where attributes begin, how many there are, how long each is.
const ATTRIBUTES: usize = 2;
const MOST_ATTRIBUTES: usize = 30;
const ATTRIBUTE_BYTES: usize = 12;

/// Attributes whose raw value means the same with all makers, or with all but a few (smartmontools' drivedb.h, DEFAULT).
const REALLOCATED: u8 = 5;
const POWER_ON_HOURS: u8 = 9;
const POWER_CYCLES: u8 = 12;
const NOT_CORRECTED: u8 = 187;
const AIRFLOW_CELSIUS: u8 = 190;
const CELSIUS: u8 = 194;
const PENDING: u8 = 197;

/// No drive is warmer and answers; a raw value of 0 is a sensor that is not there.
const CELSIUS_THAT_CAN_BE: std::ops::RangeInclusive<u8> = 1..=125;
const SECONDS_OF_HOUR: u64 = 3600;

/// Asks a drive. The power mode comes first, and alone where the drive sleeps.
pub(super) fn told(target: &Target, fetch: &mut Fetch<'_>) -> Result<Told, CollectError> {
    match fetch(Page::AtaPower).map(|sense| registers(&sense)) {
        Ok(Some(registers)) if ASLEEP.contains(&registers.count) => return Ok(asleep(target)),
        Ok(Some(_)) => {}
        Err(error) if error.reason != NoData::Unsupported && error.reason != NoData::Garbled => {
            return Err(error);
        }
        // A disk that turns and does not say whether it does might be woken by the next question.
        Ok(None) | Err(_) if target.turns => {
            return Ok(Told {
                health: DriveHealth::silent(&target.name, NoData::Unsupported),
                serial: None,
            });
        }
        Ok(None) | Err(_) => {}
    }
    let identify = fetch(Page::AtaIdentify)?;
    let about = identity(&target.name, &identify)?;
    let mut health = DriveHealth::silent(&target.name, NoData::Unsupported);
    if about.is_off {
        health = DriveHealth::silent(&target.name, NoData::Off);
    }
    if about.has_smart {
        if let Some(registers) = fetch(Page::AtaStatus).ok().and_then(|sense| registers(&sense)) {
            status(&mut health, registers);
        }
        match fetch(Page::AtaSmart) {
            Ok(data) => attributes(&target.name, &mut health, &data)?,
            Err(error) if error.reason == NoData::Unsupported => {}
            Err(error) => return Err(error),
        }
    }
    if about.has_logs {
        statistics::read(&mut health, fetch);
    }
    Ok(Told {
        health,
        serial: about.serial,
    })
}

/// Registers of a drive after a command, from the ATA Status Return descriptor or its form in fixed sense data (SAT-4, 12.2.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Registers {
    count: u8,
    middle: u8,
    high: u8,
}

fn registers(sense: &[u8]) -> Option<Registers> {
    const DESCRIPTOR: u8 = 0x09;
    match sense.first()? & 0x7f {
        0x72 | 0x73 => {
            let mut rest = sense.get(8..)?;
            while let [kind, length, ..] = rest {
                if *kind == DESCRIPTOR {
                    return Some(Registers {
                        count: *rest.get(5)?,
                        middle: *rest.get(9)?,
                        high: *rest.get(11)?,
                    });
                }
                rest = rest.get(usize::from(*length).saturating_add(2)..)?;
            }
            None
        }
        // Additional sense 00h/1Dh: ATA PASS-THROUGH INFORMATION AVAILABLE.
        0x70 | 0x71 if sense.get(12..14)? == [0x00, 0x1d] => Some(Registers {
            count: *sense.get(6)?,
            middle: *sense.get(10)?,
            high: *sense.get(11)?,
        }),
        _ => None,
    }
}

struct About {
    serial: Option<String>,
    has_smart: bool,
    is_off: bool,
    has_logs: bool,
}

fn identity(name: &str, identify: &[u8]) -> Result<About, CollectError> {
    let garbled = |what: &str| {
        let message = format!("{name}: IDENTIFY DEVICE {what}; expected {SECTOR} bytes");
        CollectError::new(NoData::Garbled, message)
    };
    let Some(identify) = identify.get(..SECTOR) else {
        return Err(garbled("is cut short"));
    };
    if identify.iter().all(|byte| byte == &identify[0]) {
        return Err(garbled("holds one byte only"));
    }
    if identify[SECTOR - 2] == SUMMED && !sums_up(identify) {
        return Err(garbled("has a wrong check sum"));
    }
    let word = |at: usize| u16::from_le_bytes([identify[at * 2], identify[at * 2 + 1]]);
    let is_valid = |word: u16| word >> 14 == 0b01;
    let supported = word(SUPPORTED) & SMART_BIT != 0;
    let enabled = word(ENABLED) & SMART_BIT != 0;
    let text: Vec<u8> = identify[SERIAL]
        .chunks_exact(2)
        .flat_map(|pair| [pair[1], pair[0]])
        .collect();
    Ok(About {
        serial: attribute::cleaned(&text),
        has_smart: supported && enabled,
        is_off: supported && !enabled,
        has_logs: is_valid(word(LOGGING)) && word(LOGGING) & LOGGING_BIT != 0,
    })
}

/// Whether an IDENTIFY DEVICE has a check sum, and a right one.
pub(super) fn has_sum(identify: &[u8]) -> bool {
    identify.get(SECTOR - 2) == Some(&SUMMED) && sums_up(identify)
}

/// Whether all bytes together are zero, modulo 256.
pub(super) fn sums_up(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

fn status(health: &mut DriveHealth, registers: Registers) {
    match (registers.middle, registers.high) {
        WELL => health.state = Reading::Value(DriveState::Ok),
        PASSED => health.warn(DriveWarning::Threshold),
        _ => health.state = Reading::none(NoData::Garbled),
    }
}

/// Attributes that mean the same everywhere.
fn attributes(name: &str, health: &mut DriveHealth, data: &[u8]) -> Result<(), CollectError> {
    let whole = data.get(..SECTOR).filter(|data| sums_up(data));
    let Some(data) = whole.filter(|data| data.iter().any(|byte| *byte != 0)) else {
        let message = format!("{name}: SMART data are cut short, empty, or have a wrong check sum");
        return Err(CollectError::new(NoData::Garbled, message));
    };
    let table = data.get(ATTRIBUTES..).unwrap_or_default();
    let raw = |wanted: u8| {
        let mut entries = table.chunks_exact(ATTRIBUTE_BYTES).take(MOST_ATTRIBUTES);
        let entry = entries.find(|entry| entry[0] == wanted)?;
        <[u8; 6]>::try_from(entry.get(5..11)?).ok()
    };
    let small = |raw: [u8; 6]| u64::from(u16::from_le_bytes([raw[0], raw[1]]));
    let large = |raw: [u8; 6]| u64::from(u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]));
    // The upper bytes of the hours hold minutes or milliseconds with some makers.
    let hours = |raw: [u8; 6]| u64::from(u32::from_le_bytes([raw[0], raw[1], raw[2], 0]));
    fn set<T>(place: &mut Reading<T>, value: Option<T>) {
        if let Some(value) = value {
            *place = Reading::Value(value);
        }
    }
    set(&mut health.reallocated_sectors, raw(REALLOCATED).map(small));
    set(&mut health.pending_sectors, raw(PENDING).map(large));
    set(&mut health.media_errors, raw(NOT_CORRECTED).map(small));
    set(&mut health.power_cycles, raw(POWER_CYCLES).map(large));
    set(
        &mut health.power_on_seconds,
        raw(POWER_ON_HOURS).map(|raw| hours(raw).saturating_mul(SECONDS_OF_HOUR)),
    );
    // The lowest byte is the temperature now; above it some makers keep the lowest and highest ever.
    if let Some([celsius, ..]) = raw(CELSIUS).or_else(|| raw(AIRFLOW_CELSIUS)) {
        health.temperature_celsius = match celsius {
            0 => Reading::none(NoData::Unsupported),
            celsius if CELSIUS_THAT_CAN_BE.contains(&celsius) => Reading::Value(i32::from(celsius)),
            _ => Reading::none(NoData::Garbled),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
