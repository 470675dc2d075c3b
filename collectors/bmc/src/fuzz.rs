//! Every parser of this crate behind one door, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use crate::{ipmi, redfish};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("ipmi_packet", ipmi::fuzz::packet),
    ("ipmi_handshake", ipmi::fuzz::handshake),
    ("ipmi_cipher_suites", ipmi::fuzz::cipher_suites),
    ("ipmi_recording", ipmi::fuzz::recording),
    ("ipmi_mask", ipmi::fuzz::masked),
    ("ipmi_in_band", ipmi::fuzz::in_band),
    ("ipmi_answer", ipmi::observe::fuzz::answer),
    ("sdr", ipmi::observe::fuzz::sdr),
    ("fru", ipmi::observe::fuzz::fru),
    ("redfish_power", redfish::observe::fuzz::power),
    ("redfish_sensors", redfish::observe::fuzz::sensor),
    ("redfish_root", redfish::fuzz::root),
    ("redfish_events", redfish::fuzz::stream),
    ("redfish_document", redfish::fuzz::document),
    ("redfish_words", redfish::fuzz::words),
    ("credentials", redfish::fuzz::credentials),
];

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
