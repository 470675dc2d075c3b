//! What makers write who have nothing to write: placeholders that must not pass for a name, a serial number or a UUID.

/// Whole texts, in lower case, as they stand in SMBIOS tables of boards that nobody filled in.
const WORDS: [&str; 30] = [
    "",
    "n/a",
    "na",
    "none",
    "unknown",
    "null",
    "nil",
    "empty",
    "invalid",
    "undefined",
    "unspecified",
    "not specified",
    "not available",
    "not applicable",
    "not present",
    "not defined",
    "default string",
    "default_string",
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "to be filled by oem",
    "o.e.m.",
    "oem",
    "system manufacturer",
    "system product name",
    "system serial number",
    "chassis serial number",
    "0123456789",
    "123456789",
    "1234567890",
];
/// UUIDs that boards of whole series share.
const UUIDS: [&str; 4] = [
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "fefefefe-fefe-fefe-fefe-fefefefefefe",
];
/// Characters of which one alone, however often repeated, says nothing.
const BLANK_CHARACTERS: [char; 9] = ['0', 'x', 'f', '.', '-', '_', '*', '#', '?'];

/// Whether a maker's text is a placeholder.
pub fn is_filler(text: &str) -> bool {
    let low = text.trim().to_ascii_lowercase();
    WORDS.contains(&low.as_str()) || repeats(&low)
}

/// Whether a UUID is one that no single machine has: all zeros, all ones, or one that whole series share.
pub fn is_filler_uuid(text: &str) -> bool {
    let low = text.trim().to_ascii_lowercase();
    UUIDS.contains(&low.as_str()) || is_filler(&low.replace('-', ""))
}

fn repeats(low: &str) -> bool {
    let mut characters = low.chars();
    characters.next().is_some_and(|first| {
        BLANK_CHARACTERS.contains(&first) && characters.all(|character| character == first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_names() {
        for filler in [
            "To Be Filled By O.E.M.",
            "Default string",
            "0123456789",
            " ",
            "00000000",
            "XXXXXXXX",
            "..............",
            "System Serial Number",
        ] {
            assert!(is_filler(filler), "{filler}");
        }
        for name in ["PowerEdge R740", "ABC1234", "0", "10", "Oemler", "fox"] {
            assert_eq!(is_filler(name), name == "0", "{name}");
        }
    }

    #[test]
    fn uuids_of_nobody_are_known() {
        for uuid in [
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "00000000-0000-0000-0000-000000000000",
            "03000200-0400-0500-0006-000700080009",
        ] {
            assert!(is_filler_uuid(uuid), "{uuid}");
        }
        assert!(!is_filler_uuid("38334c44-4735-534a-3035-4e5031303732"));
    }
}
