//! Every parser of this crate behind one door, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use crate::drive::{Eui64, Nguid, Wwn};
use crate::mask::{Mask, secrets_in};
use crate::{Bytes, CpuSet, Inventory, Moment, PciAddress, Power};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("cpuset", |data| {
        let text = String::from_utf8_lossy(data);
        if let Ok(set) = text.parse::<CpuSet>() {
            // What is read is written so that it reads the same.
            assert_eq!(set.to_string().parse::<CpuSet>().ok(), Some(set));
        }
    }),
    ("pci_address", |data| {
        let text = String::from_utf8_lossy(data);
        if let Ok(address) = text.parse::<PciAddress>() {
            assert_eq!(address.to_string().parse::<PciAddress>().ok(), Some(address));
        }
    }),
    ("quantity", |data| {
        let text = String::from_utf8_lossy(data);
        let _ = text.parse::<Bytes>();
        let _ = serde_json::from_str::<Power>(&text);
        let _ = serde_json::from_str::<Moment>(&text);
    }),
    ("archive", |data| {
        let _ = crate::archive::files(data);
    }),
    ("inventory", |data| {
        let _ = serde_json::from_slice::<Inventory>(data);
    }),
    ("drive_name", |data| {
        let text = String::from_utf8_lossy(data);
        reads_again::<Eui64>(&text);
        reads_again::<Nguid>(&text);
        reads_again::<Wwn>(&text);
    }),
    ("mask", |data| {
        let text = String::from_utf8_lossy(data);
        let mut secrets = BTreeSet::new();
        secrets_in(&text, &mut secrets);
        let mask = Mask::of(secrets);
        let _ = mask.text(&text);
        let _ = mask.bytes(data);
    }),
];

/// What is read is written so that it reads the same.
fn reads_again<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(name) = text.parse::<T>() {
        assert!(
            name.to_string().parse::<T>().is_ok_and(|again| again == name),
            "{text:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }
}
