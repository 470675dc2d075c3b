//! SATA: the device statistics log (04h), whose values mean the same with every maker (ACS-3, A.5).

use facts::drive::DriveHealth;
use facts::{Bytes, NoData, Reading};

use super::page::{Fetch, Page};

/// Pages: the list of pages, general, disks that turn, errors, temperature, solid state.
const LIST: u8 = 0;
const GENERAL: u8 = 1;
const TURNING: u8 = 3;
const ERRORS: u8 = 4;
const TEMPERATURE: u8 = 5;
const SOLID_STATE: u8 = 7;

/// Flags of a statistic, in the highest of its eight bytes: there is one, and it is valid now.
const THERE_AND_VALID: u8 = 0b1100_0000;
/// What a logical sector of the log counts, whatever the drive's own sectors are.
const SECTOR_BYTES: u64 = 512;
const SECONDS_OF_HOUR: u64 = 3600;
/// No drive is colder or warmer and answers.
const CELSIUS: std::ops::RangeInclusive<i8> = -60..=125;

/// Reads what the drive keeps; a page that it refuses costs that page.
pub(super) fn read(health: &mut DriveHealth, fetch: &mut Fetch<'_>) {
    let pages = fetch(Page::AtaStatistics(LIST)).map(|list| listed(&list));
    let pages = pages.unwrap_or_default();
    for (page, into) in READERS {
        if pages.contains(&page)
            && let Ok(bytes) = fetch(Page::AtaStatistics(page))
            && bytes.get(2) == Some(&page)
        {
            into(health, &bytes);
        }
    }
}

type Reader = fn(&mut DriveHealth, &[u8]);

const READERS: [(u8, Reader); 5] = [
    (GENERAL, general),
    (TURNING, turning),
    (ERRORS, errors),
    (TEMPERATURE, temperature),
    (SOLID_STATE, solid_state),
];

/// The pages that the list names: their number in byte 8, themselves behind it.
fn listed(list: &[u8]) -> Vec<u8> {
    let count = list.get(8).copied().map_or(0, usize::from);
    let pages = list.get(9..).unwrap_or_default();
    pages.iter().take(count).copied().collect()
}

/// The six bytes of a statistic that is there and valid.
fn value(page: &[u8], at: usize) -> Option<u64> {
    let field = <[u8; 8]>::try_from(page.get(at..at.checked_add(8)?)?).ok()?;
    let [low @ .., flags] = field;
    if flags & THERE_AND_VALID != THERE_AND_VALID {
        return None;
    }
    let [a, b, c, d, e, f, _] = low;
    Some(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
}

fn set<T>(place: &mut Reading<T>, value: Option<T>) {
    if let Some(value) = value {
        *place = Reading::Value(value);
    }
}

/// The lower four bytes: what most statistics have.
fn word(page: &[u8], at: usize) -> Option<u64> {
    value(page, at).map(|value| value & u64::from(u32::MAX))
}

fn general(health: &mut DriveHealth, page: &[u8]) {
    let bytes = |at| value(page, at).map(|sectors| Bytes::new(sectors.saturating_mul(SECTOR_BYTES)));
    set(&mut health.power_cycles, word(page, 8));
    set(
        &mut health.power_on_seconds,
        word(page, 16).map(|hours| hours.saturating_mul(SECONDS_OF_HOUR)),
    );
    set(&mut health.written_bytes, bytes(24));
    set(&mut health.read_bytes, bytes(40));
}

fn turning(health: &mut DriveHealth, page: &[u8]) {
    set(&mut health.reallocated_sectors, word(page, 32));
}

fn errors(health: &mut DriveHealth, page: &[u8]) {
    set(&mut health.media_errors, word(page, 8));
}

fn temperature(health: &mut DriveHealth, page: &[u8]) {
    let celsius = |at| {
        let low = value(page, at)?.to_le_bytes()[0];
        let celsius = i8::from_le_bytes([low]);
        Some(if CELSIUS.contains(&celsius) {
            Reading::Value(i32::from(celsius))
        } else {
            Reading::none(NoData::Garbled)
        })
    };
    if let Some(now) = celsius(8) {
        health.temperature_celsius = now;
    }
    // Specified Maximum Operating Temperature.
    if let Some(most) = celsius(88) {
        health.critical_celsius = most;
    }
}

fn solid_state(health: &mut DriveHealth, page: &[u8]) {
    let used = value(page, 8).map(|value| value & u64::from(u8::MAX));
    set(
        &mut health.used_percent,
        used.and_then(|used| u32::try_from(used).ok()),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::wildcard_enum_match_arm)]
    use proptest::prelude::*;

    use super::*;
    use crate::collector::CollectError;

    fn page(number: u8, values: &[(usize, u64, u8)]) -> Vec<u8> {
        let mut page = vec![0; 512];
        page[2] = number;
        for (at, value, flags) in values {
            page[*at..at + 7].copy_from_slice(&value.to_le_bytes()[..7]);
            page[at + 7] = *flags;
        }
        page
    }

    #[test]
    fn only_what_is_there_and_valid_is_taken() {
        let mut health = DriveHealth::silent("sda", NoData::Unsupported);
        let mut list = page(0, &[]);
        list[8..15].copy_from_slice(&[6, 0, 1, 4, 5, 7, 9]);
        read(&mut health, &mut |asked| {
            Ok(match asked {
                Page::AtaStatistics(0) => list.clone(),
                Page::AtaStatistics(1) => page(
                    1,
                    &[(8, 21, 0xc0), (16, 100, 0xc0), (24, 2048, 0xc0), (40, 9, 0x80)],
                ),
                Page::AtaStatistics(4) => page(5, &[(8, 3, 0xc0)]),
                Page::AtaStatistics(5) => page(5, &[(8, 0xf6, 0xc0), (88, 60, 0xc0)]),
                Page::AtaStatistics(7) => page(7, &[(8, 107, 0xe0)]),
                _ => return Err(CollectError::new(NoData::Unsupported, "no such page")),
            })
        });
        assert_eq!(health.power_cycles, Reading::Value(21));
        assert_eq!(health.power_on_seconds, Reading::Value(360_000));
        assert_eq!(health.written_bytes, Reading::Value(Bytes::new(1 << 20)));
        assert_eq!(health.read_bytes, Reading::none(NoData::Unsupported), "not valid");
        assert_eq!(
            health.media_errors,
            Reading::none(NoData::Unsupported),
            "another page came"
        );
        assert_eq!(health.temperature_celsius, Reading::Value(-10));
        assert_eq!(health.critical_celsius, Reading::Value(60));
        assert_eq!(health.used_percent, Reading::Value(107));
    }

    proptest! {
        #[test]
        fn any_bytes_are_statistics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut health = DriveHealth::silent("sda", NoData::Unsupported);
            for (_, into) in READERS {
                into(&mut health, &bytes);
            }
            let _ = listed(&bytes);
        }
    }
}
