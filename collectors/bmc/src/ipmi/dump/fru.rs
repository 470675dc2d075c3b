//! A FRU inventory's bytes without what names one part: serial numbers, asset tags, makers' own fields and records.

use super::words::Words;

/// Areas are counted in units of this many bytes.
const UNIT: usize = 8;
/// A field with this type and length ends an area.
const END_OF_FIELDS: u8 = 0xC1;
/// The type bits of a field in 8-bit ASCII.
const ASCII: u8 = 0xC0;
/// The first multi-record type that is a maker's own.
const MAKERS: u8 = 0xC0;
/// More records than any inventory has.
const MOST_RECORDS: usize = 64;
/// Bytes of a multi-record's header, and the bit of the last one.
const RECORD_HEADER: usize = 5;
const LAST: u8 = 0x80;

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// Where an area begins by the common header; `None` where it does not exist.
fn begins(image: &[u8], pointer: usize) -> Option<usize> {
    match image.get(pointer) {
        None | Some(0) => None,
        Some(at) => Some(usize::from(*at).saturating_mul(UNIT)),
    }
}

/// Masks the fields of one area but those whose place is `kept`, and sets its checksum anew: as
/// wrong as it was, so that what doubts it doubts the recording.
fn area(image: &mut [u8], from: usize, skip: usize, kept: &[usize], words: &mut Words) {
    let length = usize::from(image.get(from + 1).copied().unwrap_or_default()) * UNIT;
    let end = from.saturating_add(length).min(image.len());
    let Some(area) = image.get_mut(from..end).filter(|area| !area.is_empty()) else {
        return;
    };
    let wrong = sum(area);
    let last = area.len() - 1;
    let (mut at, mut field) = (skip, 0_usize);
    while at < last {
        let Some(head) = area.get(at).copied().filter(|head| *head != END_OF_FIELDS) else {
            break;
        };
        let (begin, stop) = (at + 1, (at + 1 + usize::from(head & 0x3F)).min(last));
        if let Some(text) = area.get_mut(begin..stop) {
            let word = match (head & ASCII, kept.contains(&field)) {
                (ASCII, true) => words.without_known(text),
                (ASCII, false) => words.word(text),
                // Packed or binary: zeros read as spaces, or as nothing.
                (_, true) => text.to_vec(),
                (_, false) => vec![0; text.len()],
            };
            text.copy_from_slice(&word);
        }
        (at, field) = (stop, field + 1);
    }
    // What stands behind the last field is nobody's to read.
    if let Some(rest) = area.get_mut(at.saturating_add(1)..last) {
        rest.fill(0);
    }
    if let Some((check, before)) = area.split_last_mut() {
        *check = checksum(before).wrapping_add(wrong);
    }
}

/// Empties the makers' own records and sets their checksums anew.
fn records(image: &mut [u8], from: usize) {
    let mut at = from;
    for _ in 0..MOST_RECORDS {
        let Some([kind, flags, length, ..]) = image.get(at..at + RECORD_HEADER) else {
            return;
        };
        let (kind, flags, length) = (*kind, *flags, usize::from(*length));
        let begin = at + RECORD_HEADER;
        let end = begin.saturating_add(length).min(image.len());
        // A management access record holds addresses, names and a UUID.
        if kind >= MAKERS || kind == 0x03 {
            let Some((head, data)) = image
                .get_mut(at..end)
                .and_then(|all| all.split_at_mut_checked(RECORD_HEADER))
            else {
                return;
            };
            let (wrong, wrong_head) = (sum(data), sum(head));
            data.fill(0);
            let [kind, flags, length, check, whole] = head else {
                return;
            };
            *check = check.wrapping_add(wrong);
            *whole = checksum(&[*kind, *flags, *length, *check]).wrapping_add(wrong_head);
        }
        if flags & LAST != 0 {
            return;
        }
        at = end;
    }
}

/// The inventory without what names one part.
pub(super) fn masked(image: &[u8], words: &mut Words) -> Vec<u8> {
    let mut clean = image.to_vec();
    let pointers: Vec<Option<usize>> = (1..=5).map(|pointer| begins(image, pointer)).collect();
    let at = |pointer: usize| pointers.get(pointer - 1).copied().flatten();
    // The maker's internal area reaches to the next one, and nobody else can read it.
    if let Some(from) = at(1) {
        let next = pointers
            .iter()
            .flatten()
            .copied()
            .filter(|other| *other > from)
            .min();
        if let Some(bytes) = clean.get_mut(from..next.unwrap_or(image.len())) {
            bytes.fill(0);
        }
    }
    // Chassis: part. Board: maker, product, part. Product: maker, name, part, version. Files and makers' own fields go.
    for (pointer, skip, kept) in [(2, 3, &[0_usize][..]), (3, 6, &[0, 1, 3]), (4, 3, &[0, 1, 2, 3])] {
        if let Some(from) = at(pointer) {
            area(&mut clean, from, skip, kept, words);
        }
    }
    if let Some(from) = at(5) {
        records(&mut clean, from);
    }
    clean
}
