//! Every parser of this crate behind one door, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use std::path::Path;

use agent_api::v1::{Ask, BatchRequest, DefragRequest, RunRequest};

use crate::config::{Config, Overrides};
use crate::doctor::kernel;
use crate::ledger::Ledger;
use crate::metrics::Format;
use crate::record;

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("agent_config", |data| {
        let text = String::from_utf8_lossy(data);
        if let Err(faults) = Config::parse("agent.toml", &text, Overrides::default()) {
            assert!(
                faults.to_string().contains("agent.toml"),
                "a refusal that names no file: {faults}"
            );
        }
    }),
    ("ledger", |data| {
        if let Err(error) = Ledger::parse(Path::new("ledger.json"), data) {
            assert!(
                error.to_string().contains("ledger.json"),
                "a refusal that names no file: {error}"
            );
        }
    }),
    ("proof", |data| crate::proof::fuzz(&String::from_utf8_lossy(data))),
    ("interference", |data| {
        crate::interfere::fuzz(&String::from_utf8_lossy(data));
    }),
    ("interference_history", crate::interfere::past::fuzz),
    ("interference_trace", |data| {
        crate::interfere::trace::fuzz(&String::from_utf8_lossy(data));
    }),
    ("accept_header", |data| {
        let _ = Format::wanted(std::str::from_utf8(data).ok());
    }),
    ("ask_body", |data| {
        // What is taken is written so that it reads the same: the ledger keeps it.
        if let Ok(ask) = serde_json::from_slice::<Ask>(data) {
            let text = serde_json::to_vec(&ask).unwrap_or_default();
            assert_eq!(serde_json::from_slice::<Ask>(&text).ok(), Some(ask));
        }
        let _ = serde_json::from_slice::<RunRequest>(data);
        let _ = serde_json::from_slice::<BatchRequest>(data);
        let _ = serde_json::from_slice::<DefragRequest>(data);
    }),
    ("kernel_options", |data| {
        let _ = kernel::parse(&String::from_utf8_lossy(data));
    }),
    ("record_masks", record::fuzz),
    ("lease", crate::lease::fuzz),
    ("qmp", crate::vm::fuzz),
    ("nri", crate::nri::fuzz),
    ("adopt", |data| crate::adopt::fuzz(&String::from_utf8_lossy(data))),
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
