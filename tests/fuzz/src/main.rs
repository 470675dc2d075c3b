//! One fuzzer for all parsers: `BUSBAR_FUZZ=sdr` says which, `BUSBAR_FUZZ=list` names them.
//!
//! Each crate lists its own in its `fuzz` module; a parser that is not listed there is not fuzzed. Only what the program `busbar`
//! reads stands here: a program has no module that another crate could ask.
#![no_main]

#[allow(dead_code)] // The fuzzer finds no bundles, it makes them up.
#[path = "../../../agent/cli/src/oci/bundle.rs"]
mod bundle;
#[path = "../../../agent/cli/src/place/list.rs"]
mod list;
#[path = "../../../agent/cli/src/place/words.rs"]
mod words;

#[allow(dead_code)] // The fuzzer reads pages and draws none.
#[path = "../../../agent/cli/src/top/page.rs"]
mod page;

use std::sync::LazyLock;

type Target = (&'static str, fn(&[u8]));

const VARIABLE: &str = "BUSBAR_FUZZ";

/// What the program `busbar` reads. It belongs to a program, which no other crate can name.
const OF_PROGRAMS: &[Target] = &[
    ("metrics_page", |data| {
        let read = page::Page::parse(&String::from_utf8_lossy(data));
        assert!(read.broken <= data.len().saturating_add(1));
    }),
    ("oci_bundle", |data| match bundle::Bundle::parse("/bundle".into(), data) {
        Ok(read) => grant(&read),
        Err(error) => assert!(
            error.to_string().contains("/bundle/config.json"),
            "a refusal that names no file: {error}"
        ),
    }),
    ("ask_list", |data| match list::parse("asks.toml", data) {
        // What is taken goes over the wire and is read there again.
        Ok(asks) => {
            let text = serde_json::to_vec(&asks).unwrap_or_default();
            assert_eq!(serde_json::from_slice::<Vec<agent_api::v1::Ask>>(&text).ok(), Some(asks));
        }
        Err(error) => assert!(
            error.to_string().contains("asks.toml"),
            "a refusal that names no file: {error}"
        ),
    }),
];

/// A workload as an agent tells of it, with CPUs of its own or without.
const WORKLOAD: [&str; 2] = [
    r#"{"id":"w","command":"c","uid":0,"pid":7,"cpus":"2-3","numa_nodes":"1","exclusive":true,"memory_bytes":1048576,
        "since":"2026-11-22T03:29:21.041Z","cgroups":[],"exclusivity":"partition","steps":[]}"#,
    r#"{"id":"w","command":"c","uid":0,"pid":7,"cpus":"0-1","numa_nodes":"","exclusive":false,"memory_bytes":null,
        "since":"2026-11-22T03:29:21.041Z","cgroups":[],"exclusivity":"none","steps":[]}"#,
];

/// A bundle with a grant in it is one again, of the same command, and the same grant changes nothing in it any more.
fn grant(read: &bundle::Bundle) {
    for text in WORKLOAD {
        let workload = serde_json::from_str(text).expect("the workload above");
        let granted = read.granted(&workload, "/busbar/w/container");
        let text = serde_json::to_vec(&granted.config).expect("what was read can be written");
        let again = bundle::Bundle::parse("/bundle".into(), &text).expect("it is a bundle still");
        assert_eq!(again.command(), read.command());
        assert_eq!(again.granted(&workload, "/busbar/w/container").config, granted.config);
    }
}

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
