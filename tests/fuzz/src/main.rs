//! One fuzzer for all parsers: `BUSBAR_FUZZ=sdr` says which, `BUSBAR_FUZZ=list` names them.
//!
//! Each crate lists its own in its `fuzz` module; a parser that is not listed there is not fuzzed.
#![no_main]

use std::sync::LazyLock;

type Target = (&'static str, fn(&[u8]));

const VARIABLE: &str = "BUSBAR_FUZZ";

/// Exit code where no parser has the name that was given.
const UNKNOWN: i32 = 2;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let all: Vec<Target> = [
        facts::fuzz::TARGETS,
        bmc::fuzz::TARGETS,
        collectors::fuzz::TARGETS,
        agent::fuzz::TARGETS,
        rack_controller::fuzz::TARGETS,
    ]
    .concat();
    match all.iter().find(|(name, _)| *name == wanted) {
        Some((_, target)) => *target,
        None => {
            for (name, _) in &all {
                println!("{name}");
            }
            std::process::exit(if wanted == "list" { 0 } else { UNKNOWN });
        }
    }
});

libfuzzer_sys::fuzz_target!(
    init: {
        LazyLock::force(&TARGET);
    },
    |data: &[u8]| (TARGET)(data)
);
