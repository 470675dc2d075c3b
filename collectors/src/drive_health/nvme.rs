//! NVMe: SMART / Health Information log (02h) and Identify Controller (NVM Express Base Specification 2.0, 5.16.1.3, 5.17.2.1).

use std::ops::Range;

use facts::drive::{DriveHealth, DriveState, DriveWarning};
use facts::{Bytes, NoData, Reading};

use super::page::{Fetch, Page};
use super::target::Target;
use super::told::Told;
use crate::attribute;
use crate::collector::CollectError;

/// Bytes of the health log.
pub(super) const LOG_BYTES: usize = 512;
/// Serial Number (SN) in Identify Controller.
pub(super) const SERIAL: Range<usize> = 4..24;
/// What else names a controller in it: FRU Globally Unique Identifier (FGUID), NVM Subsystem NVMe Qualified Name (SUBNQN), and
/// the vendor's own bytes.
pub(super) const NAMES: [Range<usize>; 3] = [112..128, 768..1024, 3072..4096];
/// Warning and Critical Composite Temperature Threshold (WCTEMP, CCTEMP) in Identify Controller, in kelvins.
const WCTEMP: usize = 266;
const CCTEMP: usize = 268;
/// Temperature sensors 1 to 8 in the log.
const SENSORS: Range<usize> = 200..216;

const KELVIN_OF_ZERO_CELSIUS: i32 = 273;
/// No drive is colder or warmer and answers.
const CELSIUS: std::ops::RangeInclusive<i32> = -100..=200;
const WHOLE_PERCENT: u8 = 100;
/// A data unit is a thousand blocks of 512 bytes.
const BYTES_OF_DATA_UNIT: u64 = 512_000;
const SECONDS_OF_HOUR: u64 = 3600;

/// Bits of Critical Warning.
const WARNINGS: [DriveWarning; 6] = [
    DriveWarning::Spare,
    DriveWarning::Temperature,
    DriveWarning::Reliability,
    DriveWarning::ReadOnly,
    DriveWarning::MemoryBackup,
    DriveWarning::PersistentMemory,
];

/// Asks a controller.
pub(super) fn told(target: &Target, fetch: &mut Fetch<'_>) -> Result<Told, CollectError> {
    let log = fetch(Page::NvmeHealth)?;
    let mut health = health(&target.name, &log)?;
    // A controller that has a health log and refuses to be identified still has a health log.
    let identify = fetch(Page::NvmeIdentify).unwrap_or_default();
    health.warning_celsius = limit(&identify, WCTEMP);
    health.critical_celsius = limit(&identify, CCTEMP);
    let serial = identify.get(SERIAL).and_then(attribute::cleaned);
    Ok(Told { health, serial })
}

/// The health log of a controller.
///
/// # Errors
/// When it is no log: too short, all zeros, all ones. A controller that is gone answers so.
pub(super) fn health(name: &str, log: &[u8]) -> Result<DriveHealth, CollectError> {
    let garbled = |what: &str| {
        CollectError::new(
            NoData::Garbled,
            format!("{name}: its health log (02h) {what}; expected {LOG_BYTES} bytes of values"),
        )
    };
    let Some(log) = log.get(..LOG_BYTES) else {
        return Err(garbled("is cut short"));
    };
    if log.iter().all(|byte| *byte == 0) {
        return Err(garbled("holds nothing but zeros"));
    }
    if log.iter().all(|byte| *byte == u8::MAX) {
        return Err(garbled("holds nothing but ones"));
    }
    let (warning, spare, threshold, used) = (log[0], log[3], log[4], log[5]);
    let mut health = DriveHealth::silent(name, NoData::Unsupported);
    health.temperature_celsius = celsius(word(log, 1));
    health.spare_percent = percent(spare);
    health.spare_threshold_percent = percent(threshold);
    health.used_percent = Reading::Value(u32::from(used));
    health.read_bytes = count(log, 32).map(units);
    health.written_bytes = count(log, 48).map(units);
    health.power_cycles = count(log, 112);
    health.power_on_seconds = count(log, 128).map(|hours| hours.saturating_mul(SECONDS_OF_HOUR));
    health.unsafe_shutdowns = count(log, 144);
    health.media_errors = count(log, 160);
    health.sensors_celsius = sensors(log);
    warn(&mut health, warning);
    Ok(health)
}

fn warn(health: &mut DriveHealth, bits: u8) {
    if bits == u8::MAX {
        health.state = Reading::none(NoData::Garbled);
        return;
    }
    health.state = Reading::Value(DriveState::Ok);
    for (bit, warning) in WARNINGS.iter().enumerate() {
        if bits >> bit & 1 == 1 {
            health.warn(*warning);
        }
    }
    if bits >> WARNINGS.len() != 0 {
        health.warn(DriveWarning::Unknown);
    }
}

fn sensors(log: &[u8]) -> Vec<(u32, i32)> {
    let words = log.get(SENSORS).unwrap_or_default().chunks_exact(2);
    (1..)
        .zip(words)
        .filter_map(|(number, pair)| {
            let kelvin = u16::from_le_bytes(pair.try_into().ok()?);
            Some((number, celsius(Some(kelvin)).value()?))
        })
        .collect()
}

fn limit(identify: &[u8], at: usize) -> Reading<i32> {
    word(identify, at).map_or(Reading::none(NoData::Unsupported), |kelvin| celsius(Some(kelvin)))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(pair.try_into().ok()?))
}

/// Kelvins; 0 means that there is no such sensor or threshold.
fn celsius(kelvin: Option<u16>) -> Reading<i32> {
    match kelvin {
        Some(0) => Reading::none(NoData::Unsupported),
        Some(kelvin) => Some(i32::from(kelvin) - KELVIN_OF_ZERO_CELSIUS)
            .filter(|celsius| CELSIUS.contains(celsius))
            .ok_or(NoData::Garbled)
            .into(),
        None => Reading::none(NoData::Garbled),
    }
}

fn percent(value: u8) -> Reading<u32> {
    if value <= WHOLE_PERCENT {
        Reading::Value(u32::from(value))
    } else {
        Reading::none(NoData::Garbled)
    }
}

/// A counter of 128 bits; it stops at what we can hold. All ones are no count.
fn count(log: &[u8], at: usize) -> Reading<u64> {
    let bytes = log.get(at..at.saturating_add(16)).unwrap_or_default();
    match <[u8; 16]>::try_from(bytes).map(u128::from_le_bytes) {
        Err(_) | Ok(u128::MAX) => Reading::none(NoData::Garbled),
        Ok(count) => Reading::Value(u64::try_from(count).unwrap_or(u64::MAX)),
    }
}

fn units(count: u64) -> Bytes {
    Bytes::new(count.saturating_mul(BYTES_OF_DATA_UNIT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A log of a drive that is well: 323 K, 12 % used, 1000 data units read.
    fn log() -> Vec<u8> {
        let mut log = vec![0; LOG_BYTES];
        log[1..3].copy_from_slice(&323_u16.to_le_bytes());
        log[3..6].copy_from_slice(&[97, 10, 12]);
        log[32..48].copy_from_slice(&1000_u128.to_le_bytes());
        log[48..64].copy_from_slice(&(u128::from(u64::MAX) * 4).to_le_bytes());
        log[128..144].copy_from_slice(&2_u128.to_le_bytes());
        log[160..176].copy_from_slice(&u128::MAX.to_le_bytes());
        log[200..202].copy_from_slice(&330_u16.to_le_bytes());
        log[204..206].copy_from_slice(&u16::MAX.to_le_bytes());
        log
    }

    #[test]
    fn the_log_is_read_in_our_units() {
        let health = health("nvme0", &log()).unwrap();
        assert_eq!(health.state, Reading::Value(DriveState::Ok));
        assert_eq!(health.temperature_celsius, Reading::Value(50));
        assert_eq!(health.sensors_celsius, [(1, 57)], "0xffff is no temperature");
        assert_eq!(health.used_percent, Reading::Value(12));
        assert_eq!(health.spare_percent, Reading::Value(97));
        assert_eq!(health.read_bytes, Reading::Value(Bytes::new(512_000_000)));
        assert_eq!(
            health.written_bytes,
            Reading::Value(Bytes::new(u64::MAX)),
            "it stops"
        );
        assert_eq!(health.power_on_seconds, Reading::Value(7200));
        assert_eq!(health.media_errors, Reading::none(NoData::Garbled));
        assert_eq!(health.garbled(), 1);
    }

    #[test]
    fn bits_are_warnings_and_the_worst_counts() {
        for (bits, state, warnings) in [
            (0b1, DriveState::Warning, 1),
            (0b10, DriveState::Warning, 1),
            (0b1100, DriveState::Critical, 2),
            (0b100_0000, DriveState::Warning, 1),
        ] {
            let mut log = log();
            log[0] = bits;
            let health = health("nvme0", &log).unwrap();
            assert_eq!(health.state, Reading::Value(state), "{bits:b}");
            assert_eq!(health.warnings.len(), warnings, "{bits:b}");
        }
    }

    #[test]
    fn wear_goes_beyond_one_and_spare_does_not() {
        let mut log = log();
        log[3..6].copy_from_slice(&[101, 255, 130]);
        let health = health("nvme0", &log).unwrap();
        assert_eq!(health.used_percent, Reading::Value(130));
        assert_eq!(health.spare_percent, Reading::none(NoData::Garbled));
        assert_eq!(health.spare_threshold_percent, Reading::none(NoData::Garbled));
    }

    #[test]
    fn a_log_of_zeros_of_ones_or_of_half_its_length_is_none() {
        for bytes in [vec![0; 512], vec![255; 512], vec![7; 511], Vec::new()] {
            let error = health("nvme7", &bytes).unwrap_err();
            assert_eq!(error.reason, NoData::Garbled);
            assert!(error.to_string().contains("nvme7"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_log_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(health) = health("nvme0", &bytes) {
                prop_assert!(health.spare_percent.value().is_none_or(|percent| percent <= 100));
                let celsius = health.temperature_celsius.value();
                prop_assert!(celsius.is_none_or(|celsius| CELSIUS.contains(&celsius)));
            }
            let _ = limit(&bytes, WCTEMP);
        }
    }
}
