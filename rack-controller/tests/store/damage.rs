//! A journal that was cut short or changed anywhere, in its file or in its log.

use std::sync::OnceLock;

use proptest::prelude::*;
use rack_controller::journal::{self, FILE, Journal};
use rack_controller::rack::{Rack, evolve};

use super::events::{config, event, quiet};

type Files = Vec<(&'static str, Vec<u8>)>;

/// The files of a journal of 30 events: closed in order, or with all of it in SQLite's log, as after a kill.
fn files(in_log: bool) -> &'static Files {
    static CLOSED: OnceLock<Files> = OnceLock::new();
    static KILLED: OnceLock<Files> = OnceLock::new();
    let all = if in_log { &KILLED } else { &CLOSED };
    all.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        for number in 1..=30 {
            journal.append(&[event(number)]).unwrap();
        }
        let running = in_log.then_some(journal);
        let read = |name| Some((name, std::fs::read(directory.path().join(name)).ok()?));
        let files = [FILE, "rack.sqlite-wal", "rack.head"]
            .into_iter()
            .filter_map(read)
            .collect();
        drop(running);
        files
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// A cut or a flip anywhere in the file or in its log: a start has every event, or is refused, and then the advice says so.
    #[test]
    fn damage_anywhere_is_found_or_harmless(place in 0.0..1.0_f64, bit in 0..8_u32, cut: bool, in_log: bool) {
        let _quiet = quiet();
        let config = config("");
        let copy = tempfile::tempdir().unwrap();
        let spoilt = if in_log { "rack.sqlite-wal" } else { FILE };
        for (name, bytes) in files(in_log) {
            let mut bytes = bytes.clone();
            if *name == spoilt {
                let at = ((bytes.len() as f64) * place) as usize;
                if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            }
            std::fs::write(copy.path().join(name), &bytes).unwrap();
        }
        let mut expected = Rack::new(&config);
        (1..=30).for_each(|number| evolve(&mut expected, &event(number)));
        match journal::recall(copy.path(), &config) {
            Ok(recalled) => prop_assert_eq!(recalled.rack.kept, expected.kept),
            Err(_) => if let Ok(advice) = journal::advice(copy.path(), &[]) {
                prop_assert!(advice.is_needed(), "refused, and nothing to recover: {advice}");
            },
        }
    }
}
