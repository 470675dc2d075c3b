//! Every parser of this crate behind one door, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use std::path::Path;

use rack_api::v1::{DrainRequest, LocateRequest, PowerAsk};

use crate::config::RackConfig;
use crate::rack::Event;
use crate::{http, init, inspect, journal};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("rack_config", |data| {
        let text = String::from_utf8_lossy(data);
        if let Err(faults) = RackConfig::from_text(&text, Path::new("rack.toml")) {
            assert!(!faults.to_string().is_empty(), "a refusal without a word");
        }
    }),
    ("journal_event", |data| {
        let Ok(event) = serde_json::from_slice::<Event>(data) else {
            return;
        };
        // What is read is written so that it reads the same.
        let text = serde_json::to_string(&event).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Event>(&text).ok(), Some(event));
    }),
    ("journal_files", journal::fuzz),
    ("rack_bodies", |data| {
        let _ = serde_json::from_slice::<PowerAsk>(data);
        let _ = serde_json::from_slice::<DrainRequest>(data);
        let _ = serde_json::from_slice::<LocateRequest>(data);
    }),
    ("guard", http::fuzz_guard),
    ("bmc_list", init::fuzz_list),
    ("inspect_mask", inspect::mask::fuzz),
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
