//! Tests of SATA: a disk that sleeps stays asleep, attributes, status, and any bytes.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use facts::Bytes;
use proptest::prelude::*;

use super::super::target::Tongue;
use super::*;

fn target(turns: bool) -> Target {
    Target {
        name: "sda".to_owned(),
        device: "sda".to_owned(),
        tongue: Tongue::Ata,
        turns,
        number: None,
        serial: Some("WD-1".to_owned()),
    }
}

/// The registers as libata returns them: the descriptor format, and the fixed one of kernels that honour D_SENSE.
fn sense(count: u8, middle: u8, high: u8) -> [Vec<u8>; 2] {
    let mut descriptor = vec![0x72, 1, 0, 0x1d, 0, 0, 0, 14, 0x09, 0x0c, 0, 0];
    descriptor.extend_from_slice(&[0, count, 0, 0, 0, middle, 0, high, 0, 0x50]);
    let mut fixed = vec![0x70, 0, 1, 0, 0x50, 0, count, 10, 0, 0, middle, high, 0, 0x1d];
    fixed.extend_from_slice(&[0; 4]);
    [descriptor, fixed]
}

fn identify(word_82: u16, word_84: u16, word_85: u16) -> Vec<u8> {
    let mut page = vec![0; SECTOR];
    page[20..40].copy_from_slice(b"DW2-                ");
    for (at, word) in [(82, word_82), (84, word_84), (85, word_85)] {
        page[at * 2..at * 2 + 2].copy_from_slice(&word.to_le_bytes());
    }
    page[510] = SUMMED;
    with_sum(page)
}

fn with_sum(mut page: Vec<u8>) -> Vec<u8> {
    page[SECTOR - 1] = 0;
    let sum = page.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    page[SECTOR - 1] = 0_u8.wrapping_sub(sum);
    page
}

fn smart(entries: &[(u8, [u8; 6])]) -> Vec<u8> {
    let mut page = vec![0; SECTOR];
    for (at, (id, raw)) in entries.iter().enumerate() {
        let start = ATTRIBUTES + at * ATTRIBUTE_BYTES;
        page[start] = *id;
        page[start + 5..start + 11].copy_from_slice(raw);
    }
    with_sum(page)
}

/// A disk that is awake and has all of it.
fn answers(page: Page, passed: bool) -> Result<Vec<u8>, CollectError> {
    let [power, _] = sense(0xff, 0, 0);
    let [_, status] = if passed {
        sense(0, PASSED.0, PASSED.1)
    } else {
        sense(0, WELL.0, WELL.1)
    };
    Ok(match page {
        Page::AtaPower => power,
        Page::AtaIdentify => identify(1, 0x4000, 1),
        Page::AtaStatus => status,
        Page::AtaSmart => smart(&[
            (9, [0x10, 0, 0, 0xaa, 0xbb, 0]),
            (194, [38, 0, 20, 0, 55, 0]),
            (5, [8, 0, 0, 0, 0, 0]),
            (197, [1, 0, 0, 0, 0, 0]),
        ]),
        other => return Err(CollectError::new(NoData::Unsupported, other.file())),
    })
}

#[test]
fn attributes_that_mean_the_same_everywhere_are_read() {
    let told = told(&target(true), &mut |page| answers(page, false)).unwrap();
    assert_eq!(told.serial.as_deref(), Some("WD-2"));
    assert!(
        told.doubt(&target(true)).is_some(),
        "sysfs knows another serial number"
    );
    let health = told.health;
    assert_eq!(health.state, Reading::Value(DriveState::Ok));
    assert_eq!(health.temperature_celsius, Reading::Value(38));
    assert_eq!(health.power_on_seconds, Reading::Value(16 * 3600));
    assert_eq!(health.reallocated_sectors, Reading::Value(8));
    assert_eq!(health.pending_sectors, Reading::Value(1));
    assert_eq!(health.written_bytes, Reading::<Bytes>::none(NoData::Unsupported));
}

#[test]
fn a_threshold_that_was_passed_is_critical() {
    let told = told(&target(true), &mut |page| answers(page, true)).unwrap();
    assert_eq!(told.health.state, Reading::Value(DriveState::Critical));
    assert_eq!(told.health.warnings, [DriveWarning::Threshold]);
}

#[test]
fn a_disk_that_sleeps_is_asked_for_nothing_more() {
    for mode in ASLEEP {
        for power in sense(mode, 0, 0) {
            let mut asked = Vec::new();
            let told = told(&target(true), &mut |page| {
                asked.push(page);
                Ok(power.clone())
            });
            assert_eq!(asked, [Page::AtaPower], "mode {mode:#x}");
            assert_eq!(told.unwrap().health, DriveHealth::silent("sda", NoData::Off));
        }
    }
}

#[test]
fn a_disk_that_turns_and_does_not_tell_its_power_mode_is_left_alone() {
    let mut asked = Vec::new();
    let quiet = told(&target(true), &mut |page| {
        asked.push(page);
        Ok(Vec::new())
    });
    assert_eq!(asked, [Page::AtaPower]);
    assert_eq!(quiet.unwrap().health.state, Reading::none(NoData::Unsupported));
    let flash = told(&target(false), &mut |page| match page {
        Page::AtaPower => Ok(Vec::new()),
        other => answers(other, false),
    });
    assert_eq!(flash.unwrap().health.temperature_celsius, Reading::Value(38));
}

#[test]
fn smart_that_is_switched_off_is_off_and_stays_so() {
    let mut asked = Vec::new();
    let told = told(&target(true), &mut |page| {
        asked.push(page);
        match page {
            Page::AtaIdentify => Ok(identify(1, 0x4000, 0)),
            other => answers(other, false),
        }
    });
    assert_eq!(asked, [Page::AtaPower, Page::AtaIdentify]);
    assert_eq!(told.unwrap().health.state, Reading::none(NoData::Off));
}

#[test]
fn pages_with_a_wrong_sum_or_of_one_byte_are_none() {
    let mut identify = identify(1, 0x4000, 1);
    identify[100] ^= 1;
    for page in [identify, vec![0; 512], vec![255; 512], vec![1; 100]] {
        assert_eq!(
            super::identity("sda", &page).err().unwrap().reason,
            NoData::Garbled
        );
    }
    let mut health = DriveHealth::silent("sda", NoData::Unsupported);
    let mut data = smart(&[(194, [200, 0, 0, 0, 0, 0])]);
    attributes("sda", &mut health, &data).unwrap();
    assert_eq!(health.temperature_celsius, Reading::none(NoData::Garbled));
    data[3] ^= 4;
    assert!(attributes("sda", &mut health, &data).is_err());
    assert!(attributes("sda", &mut health, &[0; 512]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = registers(&bytes);
        let _ = identity("sda", &bytes);
        let mut health = DriveHealth::silent("sda", NoData::Unsupported);
        let _ = attributes("sda", &mut health, &bytes);
        if bytes.len() >= SECTOR {
            let _ = attributes("sda", &mut health, &with_sum(bytes[..SECTOR].to_vec()));
        }
    }
}
