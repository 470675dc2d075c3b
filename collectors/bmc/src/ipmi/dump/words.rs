//! Words for what names a machine or a part: equal ones become equal words of the same length, over all that one BMC says.

use std::collections::BTreeMap;

use facts::filler::is_filler;
use facts::mask::shape;

/// A known secret that is shorter stands in many names.
const SHORTEST_WITHIN: usize = 6;
/// A part of a name with so many letters and digits, of which so many are digits, is a serial number: `P1-DIMMA1` and `12V_AUX`
/// have fewer.
const SERIAL: usize = 8;
const SERIAL_DIGITS: usize = 5;
/// What dashes join has so many digits in a row somewhere.
const RUN: usize = 4;
/// A number with so many digits is one, too.
const NUMBER: usize = 6;
/// Lengths of addresses and UUIDs that are written without separators.
const PLAIN_ADDRESSES: [usize; 3] = [12, 16, 32];
/// What a host's name of two parts ends with; with three parts, any word is taken.
const DOMAINS: [&str; 8] = ["com", "net", "org", "local", "lan", "internal", "intra", "corp"];

/// The words, by what they stand for in lower case.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<Vec<u8>, usize>);

impl Words {
    /// A word of the same length; blanks behind the field stay.
    pub(super) fn word(&mut self, field: &[u8]) -> Vec<u8> {
        let key = field.trim_ascii_end().to_ascii_lowercase();
        let length = key.len();
        let next = self.0.len().saturating_add(1);
        let number = self.0.entry(key).or_insert(next).to_string();
        let mut word = vec![b'M'; length];
        let from = length.saturating_sub(number.len());
        let digits = number.bytes().skip(number.len().saturating_sub(length));
        for (to, digit) in word.iter_mut().skip(from).zip(digits) {
            *to = digit;
        }
        word.extend_from_slice(field.get(length..).unwrap_or_default());
        word
    }

    /// A text without what is known as a secret from elsewhere.
    pub(super) fn without_known(&mut self, text: &[u8]) -> Vec<u8> {
        let places = self.within(text);
        self.without(text, places)
    }

    /// A text without what is known as a secret from elsewhere, and without what looks like one.
    pub(super) fn cleaned(&mut self, text: &[u8]) -> Vec<u8> {
        let mut places = self.within(text);
        places.extend(suspects(text));
        self.without(text, places)
    }

    fn without(&mut self, text: &[u8], places: Vec<(usize, usize)>) -> Vec<u8> {
        let mut clean = text.to_vec();
        for (from, to) in places {
            // What a longer one has covered already is a word of ours.
            if let Some(secret) = text
                .get(from..to)
                .filter(|secret| clean.get(from..to) == Some(secret))
            {
                let word = self.word(secret);
                if let Some(place) = clean.get_mut(from..to) {
                    place.copy_from_slice(&word);
                }
            }
        }
        clean
    }

    /// Whether it holds anything of that kind.
    pub(super) fn finds(&self, text: &[u8]) -> bool {
        !self.within(text).is_empty() || !suspects(text).is_empty()
    }

    /// Where known secrets stand, the longest first. One without a digit (`Chassis`) counts only as the whole text.
    fn within(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let low = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for secret in self.0.keys().filter(|secret| secret.len() >= SHORTEST_WITHIN) {
            let is_whole = low.trim_ascii() == secret.as_slice();
            let is_filler = std::str::from_utf8(secret).is_ok_and(is_filler);
            if is_filler || !(is_whole || secret.iter().any(u8::is_ascii_digit)) {
                continue;
            }
            let places = low.windows(secret.len()).enumerate();
            let places = places.filter(|(_, window)| window == secret);
            found.extend(places.map(|(from, _)| (from, from + secret.len())));
        }
        found.sort_by_key(|(from, to)| (std::cmp::Reverse(to - from), *from));
        found
    }
}

/// Where something stands that looks like an address, a host's name or a serial number.
fn suspects(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (from, token) in tokens(text, |byte| b" \t_,;/()[]\"'=".contains(&byte) || byte == 0) {
        let word = std::str::from_utf8(token).unwrap_or_default();
        let joined: Vec<u8> = token.iter().copied().filter(|byte| *byte != b'-').collect();
        // Voltages that dashes join have few digits in a row.
        let has_number = token.windows(RUN).any(|run| run.iter().all(u8::is_ascii_digit));
        if shape(word).is_some() || is_host(word) || (has_number && is_serial(&joined)) {
            found.push((from, from + token.len()));
            continue;
        }
        for (within, part) in tokens(token, |byte| !byte.is_ascii_alphanumeric()) {
            if is_serial(part) {
                found.push((from + within, from + within + part.len()));
            }
        }
    }
    found
}

/// The parts of a text between separators, with their places.
fn tokens(text: &[u8], is_separator: impl Fn(u8) -> bool) -> Vec<(usize, &[u8])> {
    let mut found = Vec::new();
    let mut from = 0;
    for token in text.split(|byte| is_separator(*byte)) {
        if !token.is_empty() {
            found.push((from, token));
        }
        from += token.len() + 1;
    }
    found
}

fn is_serial(part: &[u8]) -> bool {
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_plain = part.iter().all(u8::is_ascii_alphanumeric);
    let is_hex = part.iter().all(u8::is_ascii_hexdigit);
    let is_address = is_hex && digits > 0 && PLAIN_ADDRESSES.contains(&part.len());
    let is_number = digits == part.len() && digits >= NUMBER;
    is_plain && (is_address || is_number || (part.len() >= SERIAL && digits >= SERIAL_DIGITS))
}

fn is_host(word: &str) -> bool {
    let labels: Vec<&str> = word.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let Some(last) = labels.last().map(|last| last.to_ascii_lowercase()) else {
        return false;
    };
    let is_domain = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_long_enough = labels.len() >= 3 || (labels.len() == 2 && DOMAINS.contains(&last.as_str()));
    is_domain && is_long_enough && labels.iter().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(words: &mut Words, text: &str) -> String {
        String::from_utf8_lossy(&words.cleaned(text.as_bytes())).into_owned()
    }

    #[test]
    fn names_of_sensors_stay() {
        let mut words = Words::default();
        for field in ["Chassis", "CH-SERIAL-42", "N/A", "0000000000"] {
            words.word(field.as_bytes());
        }
        for name in [
            "CPU1 Temp",
            "P1-DIMMA1 Temp",
            "12V_AUX",
            "3.3VSB",
            "PSU2 Input",
            "psu-3 Status",
            "PCH1.05V",
            "NVMe_SSD12",
            "FAN_MOD_1A_RPM",
            "P12V_CPU0_DIMM",
            "DIMMA1~B2",
            "HDD00",
            "Chassis Fan 1",
            "MB_10G_LAN",
            "VRMCpu0VCCIN",
            "PVCCIN_CPU0",
            "00000000",
            "1.8V",
            "Sys.Fan2",
            "CPU0-12V-33V",
        ] {
            let expected = if name == "00000000" { "MMMMMMM5" } else { name };
            assert_eq!(cleaned(&mut words, name), expected);
        }
    }

    #[test]
    fn what_names_a_machine_in_them_goes() {
        let mut words = Words::default();
        words.word(b"ch-42x1  ");
        for (name, expected) in [
            ("fan CH-42X1", "fan MMMMMM1"),
            ("S3Z1NB0K123456", "MMMMMMMMMMMMM2"),
            ("PSU1_s3z1nb0k123456", "PSU1_MMMMMMMMMMMMM2"),
            ("SN-4711-0815", "MMMMMMMMMMM3"),
            ("BMC 10.1.2.3", "BMC MMMMMMM4"),
            ("0cc47a12dead", "MMMMMMMMMMM5"),
            ("aa:bb:cc:dd:ee:ff", "MMMMMMMMMMMMMMMM6"),
            ("db17.example.net", "MMMMMMMMMMMMMMM7"),
            ("node7.lan temp", "MMMMMMMM8 temp"),
        ] {
            assert_eq!(cleaned(&mut words, name), expected);
        }
        assert!(words.finds(b"fan ch-42x1") && !words.finds(b"fan 1"));
    }
}
