//! What is typed, and what that means.
#![allow(clippy::unwrap_used)]
use clap::CommandFactory;

use super::*;

#[test]
fn the_grammar_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn run_alone_means_what_run_means_among_all_verbs() {
    let words = [
        "busbar",
        "run",
        "--quiet",
        "--cpus",
        "2",
        "--exclusive",
        "--agent",
        "/run/a.sock",
        "-o",
        "json",
        "--",
        "make",
        "-j",
    ];
    let whole: Cli = Cli::try_parse_from(words).unwrap();
    let alone = Words::<RunAlone>::try_parse_from(words).unwrap().whole();
    assert_eq!(format!("{alone:?}"), format!("{whole:?}"));
    // What it does not know is left to the grammar of all verbs, which has the words for it.
    for words in [["busbar", "run"], ["busbar", "stop"], ["busbar", "--version"]] {
        assert!(Words::<RunAlone>::try_parse_from(words).is_err());
    }
}

#[test]
fn a_cap_is_set_or_released_and_never_both_or_neither() {
    let taken = |words: &str| Cli::try_parse_from(words.split_whitespace()).is_ok();
    assert!(taken("busbar cap --watts 300") && taken("busbar cap --release"));
    assert!(!taken("busbar cap") && !taken("busbar cap --watts 300 --release"));
    assert!(taken("busbar drain") && taken("busbar undrain") && taken("busbar drain shelf/psu-3 --exposed"));
    assert!(!taken("busbar drain --exposed") && !taken("busbar drain --force --reason smoke"));
    assert!(taken("busbar freeze web") && !taken("busbar freeze ../web"));
}
