//! Tidy: the house rules that no compiler checks, read from the tree as it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod edges;
mod functions;
mod links;
mod names;
mod rosters;
mod scan;
mod text;
mod tree;

use tree::Tree;

/// Fails with every offender on a line of its own.
fn clean(rule: &str, offenders: &[String]) {
    assert!(
        offenders.is_empty(),
        "{rule}: {} offence(s)\n  {}",
        offenders.len(),
        offenders.join("\n  ")
    );
}

#[test]
fn files_are_short_enough_to_read_at_once() {
    clean("a file has at most 400 lines", &text::long_files(&Tree::house()));
}

#[test]
fn functions_are_short_enough_to_read_at_once() {
    clean(
        "a function has at most 70 lines",
        &functions::long_functions(&Tree::house()),
    );
}

#[test]
fn every_file_begins_with_its_caption() {
    clean(
        "the first line of a .rs file is a `//!` sentence",
        &text::without_caption(&Tree::house()),
    );
}

#[test]
fn no_path_has_a_name_that_says_nothing() {
    clean("names say what is inside", &names::empty_names(&Tree::house()));
}

#[test]
fn the_top_floor_holds_only_what_belongs_there() {
    clean("allowed names at the top", &names::strange_top(&Tree::house()));
}

#[test]
fn crates_import_only_what_the_house_plan_allows() {
    clean(
        "allowed crate edges (docs/architecture.md)",
        &edges::forbidden(&Tree::house()),
    );
}

#[test]
fn every_crate_obeys_the_lints_of_the_house() {
    clean(
        "[lints] workspace = true; pure crates keep their clippy.toml",
        &edges::without_lints(&Tree::house()),
    );
}

#[test]
fn every_folder_of_a_wing_stands_in_its_roster_once() {
    clean("folder and roster agree", &rosters::disagreements(&Tree::house()));
}

#[test]
fn unsafe_stands_only_where_it_is_needed() {
    clean(
        "unsafe code, each block with its SAFETY line",
        &text::unsafe_code(&Tree::house()),
    );
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    clean("no stubs, no ignored tests", &text::unfinished(&Tree::house()));
}

#[test]
fn the_gate_stands_in_two_places_only() {
    clean(
        "only apply.rs and act.rs ask whether they may act",
        &text::gates(&Tree::house()),
    );
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    clean(
        "no machine paths, tools or registry hosts",
        &text::traces(&Tree::house()),
    );
}

#[test]
fn links_in_the_pages_lead_somewhere() {
    clean("relative links in *.md", &links::broken(&Tree::house()));
}

#[test]
fn the_pages_that_every_house_has_are_there() {
    clean(
        "README, LICENSE, CHANGELOG, architecture, words",
        &names::missing_pages(&Tree::house()),
    );
}
