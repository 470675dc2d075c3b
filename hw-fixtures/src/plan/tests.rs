//! Good and bad rack files, and what is said about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]
use super::*;

const DEMO: &str = include_str!("../../racks/demo.toml");

fn complaint(text: &str) -> String {
    Plan::parse(text, Path::new("rack.toml")).unwrap_err().to_string()
}

/// The line of the demo that holds `needle`, as messages count lines.
fn line_of(text: &str, needle: &str) -> usize {
    text.lines().position(|line| line.contains(needle)).unwrap() + 1
}

#[test]
fn the_demo_is_six_supplies_on_two_feeds_and_four_nodes() {
    let plan = Plan::parse(DEMO, Path::new("racks/demo.toml")).unwrap();
    let feeds: Vec<&str> = plan
        .shelf
        .supplies
        .iter()
        .map(|s| s.feed.get_ref().as_str())
        .collect();
    assert_eq!(feeds, ["A", "A", "A", "B", "B", "B"]);
    assert!(plan.shelf.supplies.iter().all(|s| s.rated.0 == 3_000_000));
    assert_eq!(plan.nodes.len(), 4);
    assert!(
        plan.nodes
            .iter()
            .all(|n| n.max_draw.0 == 4_000_000 && n.idle.0 == 400_000)
    );
}

#[test]
fn an_unknown_key_names_its_line_and_the_known_ones() {
    let text = DEMO.replacen("rated =", "ratet =", 1);
    let said = complaint(&text);
    assert!(
        said.starts_with(&format!("rack.toml:{}: ", line_of(&text, "ratet ="))),
        "{said}"
    );
    assert!(
        said.contains("ratet") && said.contains("expected one of") && said.contains("rated"),
        "{said}"
    );
}

#[test]
fn a_wrong_unit_and_a_wrong_type_say_what_was_expected() {
    let text = DEMO.replacen("rated = \"3 kW\"", "rated = \"3 kV\"", 1);
    let said = complaint(&text);
    assert!(
        said.starts_with(&format!("rack.toml:{}: ", line_of(&text, "3 kV"))),
        "{said}"
    );
    assert!(said.contains("kV") && said.contains("3 kW"), "{said}");
    let said = complaint(&DEMO.replacen("rated = \"3 kW\"", "rated = 3000", 1));
    assert!(
        said.contains("3000") && said.contains("a power such as \"3 kW\""),
        "{said}"
    );
    let said = complaint(&DEMO.replacen("seed = ", "seed = \"x\" # ", 1));
    assert!(said.contains("expected u64"), "{said}");
}

#[test]
fn two_bays_with_one_name_and_an_unknown_feed_are_refused_with_their_line() {
    let text = DEMO.replacen("bay = \"psu-3\"", "bay = \"psu-2\" # twice", 1);
    let said = complaint(&text);
    assert!(
        said.starts_with(&format!("rack.toml:{}: ", line_of(&text, "# twice"))),
        "{said}"
    );
    assert!(said.contains("two bays are named \"psu-2\""), "{said}");
    let text = DEMO.replacen("feed = \"B\"", "feed = \"C\"", 1);
    let said = complaint(&text);
    assert!(
        said.starts_with(&format!("rack.toml:{}: ", line_of(&text, "feed = \"C\""))),
        "{said}"
    );
    assert!(
        said.contains("feed \"C\"") && said.contains("expected one of: A, B"),
        "{said}"
    );
}

#[test]
fn a_missing_file_names_its_path() {
    let said = Plan::read(Path::new("/nowhere/rack.toml"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("/nowhere/rack.toml"), "{said}");
}
