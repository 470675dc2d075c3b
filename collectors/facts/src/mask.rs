//! Serial numbers, UUIDs, addresses and names replaced: the same secret by the same word everywhere in a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A secret with its kind (`serial`, `uuid`, `mac`, `ip`, `guid`, `wwn`, `name`, `tag`, `text`), which decides the word's shape.
pub type Secret = (&'static str, String);

/// Secrets shorter than this are replaced only where they are the whole text: "1" stands in many places.
const SHORTEST_WITHIN: usize = 6;
/// Words that are tried for one secret before it is given the next as it comes: a recording may hold words of ours already.
const MOST_TRIES: u32 = 1_000;

/// Which words stand for which secrets.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Secret, in lower case, to word; sorted, so that a recording of the same answers is the same recording.
    words: BTreeMap<String, String>,
    /// The secrets that are replaced within texts, by their first byte, the longest first.
    within: BTreeMap<u8, Vec<String>>,
}

impl Mask {
    /// A word for each secret. What a maker writes for nothing should not be among them.
    pub fn of(secrets: impl IntoIterator<Item = Secret>) -> Mask {
        let secrets: BTreeSet<Secret> = secrets
            .into_iter()
            .map(|(kind, secret)| (kind, secret.trim().to_ascii_lowercase()))
            .filter(|(_, secret)| !secret.is_empty())
            .collect();
        let known: BTreeSet<&String> = secrets.iter().map(|(_, secret)| secret).collect();
        let mut mask = Mask::default();
        let mut count: BTreeMap<&'static str, u32> = BTreeMap::new();
        for (kind, secret) in &secrets {
            if mask.words.contains_key(secret) {
                continue;
            }
            let number = count.entry(kind).or_insert(0);
            let mut chosen = String::new();
            // A word of ours that is a secret here (a recording of a recording) must not stand for another one.
            for _ in 0..MOST_TRIES {
                *number = number.saturating_add(1);
                chosen = word(kind, *number, secret);
                if !known.contains(&chosen.to_ascii_lowercase()) {
                    break;
                }
            }
            mask.words.insert(secret.clone(), chosen);
        }
        for secret in mask.words.keys().filter(|secret| secret.len() >= SHORTEST_WITHIN) {
            if let Some(first) = secret.bytes().next() {
                mask.within.entry(first).or_default().push(secret.clone());
            }
        }
        for secrets in mask.within.values_mut() {
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
        mask
    }

    /// How many secrets have a word.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no secret at all.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Every secret (in lower case) and its word.
    pub fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words
            .iter()
            .map(|(secret, word)| (secret.as_str(), word.as_str()))
    }

    /// A text without secrets.
    pub fn text(&self, text: &str) -> String {
        let trimmed = text.trim();
        if let Some(word) = self.words.get(&trimmed.to_ascii_lowercase()) {
            return text.replacen(trimmed, word, 1);
        }
        let low = text.to_ascii_lowercase();
        let mut clean = String::with_capacity(text.len());
        let (mut from, mut at) = (0, 0);
        while let Some(byte) = low.as_bytes().get(at) {
            match self.secret_at(low.as_bytes(), at, *byte) {
                Some((secret, word)) => {
                    clean.push_str(text.get(from..at).unwrap_or_default());
                    clean.push_str(word);
                    at += secret.len();
                    from = at;
                }
                None => at += 1,
            }
        }
        clean.push_str(text.get(from..).unwrap_or_default());
        clean
    }

    /// Bytes without secrets, of the same length: what is no text has places that count. Unchanged bytes are `None`.
    pub fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let low = bytes.to_ascii_lowercase();
        let mut clean: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(byte) = low.get(at) {
            let Some((secret, _)) = self.secret_at(&low, at, *byte) else {
                at += 1;
                continue;
            };
            let end = at + secret.len();
            let clean = clean.get_or_insert_with(|| bytes.to_vec());
            if let Some(place) = clean.get_mut(at..end) {
                place.fill(b'X');
            }
            at = end;
        }
        clean
    }

    fn secret_at(&self, low: &[u8], at: usize, first: u8) -> Option<(&str, &str)> {
        let secret = self.within.get(&first)?.iter().find(|secret| {
            low.get(at..)
                .is_some_and(|rest| rest.starts_with(secret.as_bytes()))
                && stands_alone(low, at, secret)
        })?;
        Some((secret.as_str(), self.words.get(secret)?.as_str()))
    }
}

/// A serial number of digits alone is one only where it is the whole number: counters have many digits too.
fn stands_alone(low: &[u8], at: usize, secret: &str) -> bool {
    if !secret.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let is_digit = |index: usize| low.get(index).is_some_and(u8::is_ascii_digit);
    let before = at.checked_sub(1).is_some_and(is_digit);
    !before && !is_digit(at + secret.len())
}

/// A word of the same shape, so that what reads the recording reads it as before.
fn word(kind: &str, number: u32, secret: &str) -> String {
    match kind {
        "uuid" => format!("00000000-0000-0000-0000-{number:012}"),
        "mac" => {
            let separator = if secret.contains('-') { "-" } else { ":" };
            let last = [number >> 16 & 255, number >> 8 & 255, number & 255];
            let mut bytes = vec!["02".to_owned(), "00".to_owned(), "00".to_owned()];
            bytes.extend(last.map(|byte| format!("{byte:02X}")));
            bytes.join(separator)
        }
        "guid" => format!("0200:0000:{:04x}:{:04x}", number >> 16 & 0xffff, number & 0xffff),
        // RFC 5737, for documentation.
        "ip" => format!("192.0.2.{}", number % 255),
        _ => format!("MASKED-{}-{number}", kind.to_uppercase()),
    }
}

/// Addresses that stand in a text of any name, by their looks.
pub fn secrets_in(text: &str, secrets: &mut BTreeSet<Secret>) {
    for part in text.split(|c: char| c.is_whitespace() || ",;/()[]\"'".contains(c)) {
        if let Some(kind) = shape(part) {
            secrets.insert((kind, part.to_ascii_lowercase()));
        }
    }
}

/// What a text is by its looks alone: `uuid`, `mac`, `guid` (of InfiniBand) or `ip`. Addresses of nobody are none.
pub fn shape(text: &str) -> Option<&'static str> {
    let groups = |separator: char, lengths: &[usize]| {
        let mut parts = text.split(separator);
        let fits = lengths.iter().all(|length| {
            parts.next().is_some_and(|part| {
                part.len() == *length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        });
        fits && parts.next().is_none()
    };
    let kind = if groups('-', &[8, 4, 4, 4, 12]) {
        "uuid"
    } else if groups(':', &[2; 6]) || groups('-', &[2; 6]) || groups(':', &[2; 20]) {
        "mac"
    } else if groups(':', &[4; 4]) {
        "guid"
    } else {
        // An IPv6 address has colons in the plenty; times of day have two and are none.
        return match text.parse::<IpAddr>() {
            Ok(address) if !address.is_loopback() && !address.is_unspecified() => Some("ip"),
            Ok(_) | Err(_) => None,
        };
    };
    let mut digits = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|byte| byte.to_ascii_lowercase());
    let first = digits.next()?;
    let is_nobody = matches!(first, b'0' | b'f') && digits.all(|digit| digit == first);
    (!is_nobody).then_some(kind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn mask(secrets: &[(&'static str, &str)]) -> Mask {
        Mask::of(secrets.iter().map(|(kind, secret)| (*kind, (*secret).to_owned())))
    }

    #[test]
    fn the_same_secret_is_the_same_word_everywhere() {
        let mask = mask(&[
            ("serial", "ABC12345"),
            ("mac", "aa:bb:cc:dd:ee:ff"),
            ("serial", "ABC1234567"),
            ("serial", "1"),
            ("serial", "1234567"),
        ]);
        assert_eq!(mask.text("abc12345\n"), "MASKED-SERIAL-3\n");
        assert_eq!(
            mask.text("a ABC1234567 and abc12345"),
            "a MASKED-SERIAL-4 and MASKED-SERIAL-3"
        );
        assert_eq!(mask.text("AA:BB:CC:DD:EE:FF up"), "02:00:00:00:00:01 up");
        assert_eq!(mask.text("PSU 1"), "PSU 1");
        assert_eq!(mask.text("1"), "MASKED-SERIAL-1");
        assert_eq!(mask.text("91234567 1234567x"), "91234567 MASKED-SERIAL-2x");
        assert_eq!(mask.bytes(b"\0ABC12345\0").unwrap(), b"\0XXXXXXXX\0");
        assert_eq!(mask.bytes(b"nothing"), None);
    }

    #[test]
    fn a_word_that_is_a_secret_here_stands_for_nobody_else() {
        let mask = mask(&[("mac", "02:00:00:00:00:01"), ("mac", "aa:bb:cc:dd:ee:ff")]);
        assert_eq!(mask.text("02:00:00:00:00:01"), "02:00:00:00:00:02");
        assert_eq!(mask.text("aa:bb:cc:dd:ee:ff"), "02:00:00:00:00:03");
    }

    #[test]
    fn addresses_are_known_by_their_looks() {
        let mut found = BTreeSet::new();
        secrets_in(
            "inet 10.1.2.3/24 fe80::1 0002:c903:0033:1111 (38334c44-4735-534a-3035-4e5031303732) \
             00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 127.0.0.1 12:30:05 0000:3b:00.0 1.2.3",
            &mut found,
        );
        let kinds: Vec<&str> = found.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["guid", "ip", "ip", "uuid"]);
    }

    proptest! {
        #[test]
        fn no_secret_is_left(secret in "[a-z]{2}[A-Za-z0-9]{5,12}", before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let mask = Mask::of([("serial", secret.clone())]);
            let clean = mask.text(&format!("{before}{secret}{after}"));
            prop_assert!(!clean.to_ascii_lowercase().contains(&secret.to_ascii_lowercase()), "{}", clean);
        }

        #[test]
        fn any_bytes_can_be_masked(bytes in proptest::collection::vec(any::<u8>(), 0..200), secret in "\\PC{0,9}") {
            let mask = Mask::of([("text", secret)]);
            if let Some(clean) = mask.bytes(&bytes) {
                prop_assert_eq!(clean.len(), bytes.len());
            }
            let _ = mask.text(&String::from_utf8_lossy(&bytes));
        }
    }
}
