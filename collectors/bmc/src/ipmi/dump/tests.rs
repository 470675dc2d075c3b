//! Bytes of a BMC hold nothing that names a part, whatever they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::fru::masked;
use super::words::Words;
use crate::ipmi::Recording;

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// An inventory with a product area of these fields.
fn product(fields: &[&str]) -> Vec<u8> {
    let mut area = vec![1, 0, 25];
    for field in fields {
        area.push(0xC0 | field.len() as u8);
        area.extend_from_slice(field.as_bytes());
    }
    area.push(0xC1);
    while !(area.len() + 1).is_multiple_of(8) {
        area.push(0);
    }
    area[1] = ((area.len() + 1) / 8) as u8;
    area.push(checksum(&area));
    let mut image = vec![1, 0, 0, 0, 1, 0, 0];
    image.push(checksum(&image));
    image.extend_from_slice(&area);
    image
}

#[test]
fn an_inventory_keeps_its_model_and_loses_its_serial_number() {
    let mut words = Words::default();
    let one = masked(
        &product(&["Maker", "Model", "Part-7", "2.1", "SN-4711-0815", "asset-99"]),
        &mut words,
    );
    let two = masked(
        &product(&["Maker", "Other", "Part-8", "2.1", "SN-4711-0815", "asset-98"]),
        &mut words,
    );
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(text(&one).contains("Model") && text(&one).contains("Part-7"));
    assert!(
        text(&one).contains("MMMMMMMMMMM1") && text(&two).contains("MMMMMMMMMMM1"),
        "equal stays equal"
    );
    assert!(text(&two).contains("MMMMMMM3"), "different stays different");
    assert_eq!(checksum(&one[8..]), 0, "the area's checksum is right");
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut image = product(&["Maker", "Model", "Part-7", "2.1", "SN-4711-0815", "asset-99"]);
    *image.last_mut().unwrap() ^= 5;
    let before = checksum(&image[8..]);
    assert_ne!(before, 0);
    let clean = masked(&image, &mut Words::default());
    assert_ne!(clean, image);
    assert_eq!(checksum(&clean[8..]), before);
}

#[test]
fn makers_records_and_entries_keep_their_kind_and_time_only() {
    let own = [&[1, 0, 0x51, 0xC0, 7, 1, 2, 3][..], b"S-13"].concat();
    let entry = [&[1, 0, 0xC1, 9, 8, 7, 6][..], b"TEXT-OF-S"].concat();
    let other = [&[1, 0, 0xE0][..], b"SERIAL-OF-13b"].concat();
    let sensor = vec![2, 0, 2, 1, 2, 3, 4, 0x20, 0, 4, 1, 30, 1, 0x57, 40, 50];
    let masked = Recording {
        records: vec![own],
        entries: vec![entry, other, sensor.clone()],
        ..Recording::default()
    }
    .masked();
    assert_eq!(masked.records[0][..5], [1, 0, 0x51, 0xC0, 7]);
    assert!(!masked.records[0].ends_with(b"S-13"));
    let [entry, other, last] = masked.entries.as_slice() else {
        unreachable!("three went in")
    };
    assert_eq!(entry[..7], [1, 0, 0xC1, 9, 8, 7, 6], "its time stays");
    let has = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    assert!(!has(entry, b"TEXT") && !has(other, b"SERIAL"));
    assert_eq!(*last, sensor);
}

proptest! {
    #[test]
    fn no_serial_number_of_an_inventory_is_left(
        serial in "[A-Z]{3}[A-Z0-9]{5,20}",
        asset in "[a-z]{3}[a-z0-9]{5,20}",
        own in "[A-Z]{2}-[a-z0-9]{6,20}",
    ) {
        let image = product(&["Maker", "Model", "P", "1", &serial, &asset, "file", &own]);
        let clean = masked(&image, &mut Words::default());
        let text = String::from_utf8_lossy(&clean).into_owned();
        for secret in [&serial, &asset, &own] {
            prop_assert!(!text.contains(secret.as_str()), "{text}");
        }
        prop_assert_eq!(clean.len(), image.len());
        prop_assert_eq!(checksum(&clean[8..]), 0);
    }

    #[test]
    fn any_bytes_are_masked_without_a_fall(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let clean = masked(&bytes, &mut Words::default());
        prop_assert_eq!(clean.len(), bytes.len());
    }
}
