//! Sensor records and log entries without what names a machine: names keep what a bug report needs, free texts go.

use super::words::Words;

/// Bytes before a record's body, and the first record type that is a maker's own, in the repository and in the log.
const HEADER: usize = 5;
const MAKERS: u8 = 0xC0;
/// A maker's own record begins with the maker's number.
const MAKERS_NUMBER: usize = 3;
/// Where the name's type and length stand, by record type (IPMI 2.0 sections 43.1 to 43.9): sensors in full, compact, of events
/// only; locators of devices, inventories and controllers.
const NAMES: [(u8, usize); 6] = [
    (0x01, 47),
    (0x02, 31),
    (0x03, 16),
    (0x10, 15),
    (0x11, 15),
    (0x12, 15),
];
/// Records without any text: entity associations, the BMC's channels.
const NUMBERS: [u8; 3] = [0x08, 0x09, 0x14];
/// A controller that was confirmed, and where its UUID begins.
const CONFIRMED: (u8, usize) = (0x13, 16);
/// Type bits of a name: 16-bit characters, digits by half bytes, four characters of six bits in three bytes, 8-bit ASCII.
const DIGITS: u8 = 1;
const SIX_BITS: u8 = 2;
const ASCII: u8 = 3;
/// Digits that make a number that names something.
const LONG_NUMBER: usize = 6;
/// An entry of the log about a sensor; where the maker's own bytes begin in entries with a time, and without.
const OF_A_SENSOR: u8 = 0x02;
const WITHOUT_TIME: u8 = 0xE0;
const AFTER_TIME: usize = 10;
const AFTER_TYPE: usize = 3;

/// A sensor record whose texts name nothing.
pub(super) fn record(mut bytes: Vec<u8>, words: &mut Words) -> Vec<u8> {
    let Some(kind) = bytes.get(3).copied() else {
        return bytes;
    };
    if let Some((_, at)) = NAMES.iter().find(|(known, _)| *known == kind) {
        name(&mut bytes, *at, words);
        return bytes;
    }
    let from = match kind {
        kind if NUMBERS.contains(&kind) => return bytes,
        kind if kind == CONFIRMED.0 => CONFIRMED.1,
        kind if kind >= MAKERS => HEADER + MAKERS_NUMBER,
        _ => HEADER,
    };
    bytes.iter_mut().skip(from).for_each(|byte| *byte = 0);
    bytes
}

fn name(record: &mut [u8], at: usize, words: &mut Words) {
    let Some(head) = record.get(at).copied() else {
        return;
    };
    let end = record.len().min(at + 1 + usize::from(head & 0x1F));
    // What stands behind the name is nobody's to read.
    if let Some(rest) = record.get_mut(end..) {
        rest.fill(0);
    }
    let Some(text) = record.get_mut(at + 1..end) else {
        return;
    };
    match head >> 6 {
        ASCII => {
            let clean = words.cleaned(text);
            text.copy_from_slice(&clean);
        }
        DIGITS if text.len() * 2 < LONG_NUMBER => {}
        SIX_BITS if !words.finds(&unpacked(text)) => {}
        // Zeros are spaces or the digit 0.
        _ => text.fill(0),
    }
}

/// Characters of six bits, the lowest bits first, from the space on (IPMI 2.0 section 43.15).
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let bits: Vec<bool> = packed
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let letter = |six: &[bool]| six.iter().rev().fold(0_u8, |sum, bit| sum << 1 | u8::from(*bit)) + b' ';
    bits.chunks_exact(6).map(letter).collect()
}

/// A log entry without free bytes of a maker.
pub(super) fn entry(mut bytes: Vec<u8>) -> Vec<u8> {
    let from = match bytes.get(2).copied() {
        None | Some(OF_A_SENSOR) => return bytes,
        Some(MAKERS..WITHOUT_TIME) => AFTER_TIME,
        Some(_) => AFTER_TYPE,
    };
    bytes.iter_mut().skip(from).for_each(|byte| *byte = 0);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    /// A record of this type with this name.
    fn named(kind: u8, at: usize, head: u8, text: &[u8]) -> Vec<u8> {
        let mut bytes = vec![7; at + 1];
        bytes[3] = kind;
        bytes[at] = head << 6 | u8::try_from(text.len()).unwrap();
        bytes.extend_from_slice(text);
        bytes
    }

    #[test]
    fn names_stay_and_serial_numbers_in_them_go_in_every_record() {
        for (kind, at) in NAMES {
            let mut words = Words::default();
            let kept = named(kind, at, ASCII, b"PSU1 Status");
            assert_eq!(record(kept.clone(), &mut words), kept);
            let clean = record(named(kind, at, ASCII, b"S3Z1NB0K123456"), &mut words);
            assert_eq!(clean, named(kind, at, ASCII, b"MMMMMMMMMMMMM1"));
        }
    }

    #[test]
    fn packed_names_and_makers_bytes_are_emptied() {
        let mut words = Words::default();
        // "IPMI" by the specification's own example, and "12345678".
        assert_eq!(unpacked(&[0x29, 0xDC, 0xA6]), b"IPMI");
        let kept = named(0x01, 47, SIX_BITS, &[0x29, 0xDC, 0xA6]);
        assert_eq!(record(kept.clone(), &mut words), kept);
        let packed = [0x91, 0x34, 0x51, 0x95, 0x75, 0x61];
        assert_eq!(unpacked(&packed), b"12345678");
        assert_eq!(
            record(named(0x11, 15, SIX_BITS, &packed), &mut words)[16..],
            [0; 6]
        );
        assert_eq!(
            record(named(0x11, 15, DIGITS, &[0x12, 0x34, 0x56]), &mut words)[16..],
            [0; 3]
        );
        let mut confirmed = vec![9; 32];
        confirmed[3] = 0x13;
        assert_eq!(record(confirmed, &mut words)[16..], [0; 16], "a UUID");
        let mut own = vec![9; 12];
        own[3] = 0xC0;
        assert_eq!(record(own, &mut words)[5..], [9, 9, 9, 0, 0, 0, 0]);
    }

    #[test]
    fn log_entries_of_sensors_stay_and_free_bytes_go() {
        let of = |kind: u8| {
            let mut bytes = vec![9; 16];
            bytes[2] = kind;
            entry(bytes)
        };
        let kept = |bytes: &[u8]| bytes.iter().filter(|byte| **byte != 0).count();
        assert_eq!(
            [0x02, 0xC0, 0xDF, 0xE0, 0xFF, 0x55].map(|kind| kept(&of(kind))),
            [16, 10, 10, 3, 3, 3]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_masked_and_keep_their_length(bytes in proptest::collection::vec(any::<u8>(), 0..90), kind in any::<u8>()) {
            let mut bytes = bytes;
            if let Some(place) = bytes.get_mut(3) {
                *place = kind;
            }
            prop_assert_eq!(record(bytes.clone(), &mut Words::default()).len(), bytes.len());
            prop_assert_eq!(entry(bytes.clone()).len(), bytes.len());
        }

        #[test]
        fn no_serial_number_is_left_in_a_name(serial in "[A-Z]{2}[0-9]{6}[A-Z]{0,3}", before in "[a-z ]{0,4}", which in 0..6_usize) {
            let (kind, at) = NAMES[which];
            let text = format!("{before} {serial}");
            let clean = record(named(kind, at, ASCII, text.as_bytes()), &mut Words::default());
            prop_assert!(!String::from_utf8_lossy(&clean).contains(&serial));
        }
    }
}
