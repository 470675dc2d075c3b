//! Strings of records and inventories: a byte of type and length, then BCD, packed six bits, or characters.

use crate::ipmi::bytes::{Bytes, DecodeError};

/// BCD plus (IPMI 2.0 section 43.15); the last three stand for nothing.
const BCD_PLUS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ' ', '-', '.', ':', ',', '_',
];

/// The name at the end of a record. One that is announced longer than its record is cut there: makers miscount.
pub(super) fn name(bytes: &mut Bytes<'_>) -> Result<Option<String>, DecodeError> {
    let head = bytes.u8()?;
    let length = usize::from(head & 0x1F).min(bytes.left());
    Ok(decode(head, bytes.take(length)?))
}

/// A string by the type in its first byte; `None` for an empty one. Control characters are left out.
pub(super) fn decode(head: u8, bytes: &[u8]) -> Option<String> {
    let characters: String = match head >> 6 {
        1 => bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0x0F])
            .filter_map(|digit| BCD_PLUS.get(usize::from(digit)))
            .collect(),
        2 => six_bits(bytes),
        // Binary where it is no text: UTF-8 if it is that, else one character a byte, as in ISO 8859-1.
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        },
    };
    let clean: String = characters
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    let trimmed = clean.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// Four characters in three bytes, the lowest bits first; each is 20h more than its number.
fn six_bits(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = 0_u32;
        for (shift, byte) in (0..).step_by(8).zip(chunk) {
            word |= u32::from(*byte) << shift;
        }
        for shift in (0..chunk.len() * 8 / 6).map(|at| at * 6) {
            let number = u8::try_from(word >> shift & 0x3F).unwrap_or_default();
            text.push(char::from(number + 0x20));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_string_is_read() {
        assert_eq!(decode(0xC0, b"FAN 1\0").as_deref(), Some("FAN 1"));
        assert_eq!(decode(0x40, &[0x12, 0x3B, 0x4C]).as_deref(), Some("123-4."));
        // "IPMI" in six bits, from the specification (section 43.15).
        assert_eq!(decode(0x80, &[0x29, 0xDC, 0xA6]).as_deref(), Some("IPMI"));
        assert_eq!(decode(0xC0, &[0xB5, b'C']).as_deref(), Some("µC"));
        assert_eq!(decode(0xC0, b"  "), None);
    }

    #[test]
    fn a_name_that_is_too_long_for_its_record_is_cut() {
        let read = |bytes: &[u8]| name(&mut Bytes::of("a record", bytes));
        assert_eq!(read(&[0xC9, b'P', b'S', b'U']), Ok(Some("PSU".to_owned())));
        assert_eq!(read(&[0xC0]), Ok(None));
        assert!(read(&[]).is_err());
    }
}
