//! One fuzzer for all parsers: `BUSBAR_FUZZ=sdr` says which, `BUSBAR_FUZZ=list` names them.
//!
//! Each crate lists its own in its `fuzz` module; a parser that is not listed there is not fuzzed. Only what `busbar top` reads
//! stands here: a program has no module that another crate could ask.
#![no_main]

#[allow(dead_code)] // The fuzzer reads pages and draws none.
#[path = "../../../agent/cli/src/top/page.rs"]
mod page;

use std::sync::LazyLock;

type Target = (&'static str, fn(&[u8]));

const VARIABLE: &str = "BUSBAR_FUZZ";

/// A page of metrics as `busbar top` reads it. It belongs to a program, which no other crate can name.
const OF_PROGRAMS: &[Target] = &[("metrics_page", |data| {
    let read = page::Page::parse(&String::from_utf8_lossy(data));
    assert!(read.broken <= data.len().saturating_add(1));
})];

/// Exit code where no parser has the name that was given.
const UNKNOWN: i32 = 2;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let all: Vec<Target> = [
        facts::fuzz::TARGETS,
        bmc::fuzz::TARGETS,
        collectors::fuzz::TARGETS,
        isolators::fuzz::TARGETS,
        agent_api::fuzz::TARGETS,
        agent::fuzz::TARGETS,
        rack_api::fuzz::TARGETS,
        rack_controller::fuzz::TARGETS,
        hw_fixtures::fuzz::TARGETS,
        OF_PROGRAMS,
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
