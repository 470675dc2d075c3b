//! rack.toml: the example is good, every kind of error has its line and says what was expected, any text is met calmly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod drives;
mod power;

use std::path::Path;

use facts::Power;
use proptest::prelude::*;
use rack_controller::config::{DomainSource, RackConfig, Redundancy, check_config_report};

const EXAMPLE: &str = include_str!("../../deploy/rack.toml");

fn read(text: &str) -> Result<RackConfig, String> {
    RackConfig::from_text(text, Path::new("rack.toml")).map_err(|errors| errors.to_string())
}

fn errors(text: &str) -> String {
    read(text).expect_err("this must be refused")
}

/// A small rack, with one line changed or added.
fn changed(from: &str, to: &str) -> String {
    let small = "[rack]\nname = \"r1\"\n\n[[feed]]\nname = \"A\"\nvolts = 230\nbreaker_amperes = 32\n\n\
[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"n+1\"\n\n\
[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n\n\
[[bay]]\nplace = \"shelf/psu-0\"\nlabel = \"PSU 1\"\nfeed = \"A\"\n\n\
[[bay]]\nplace = \"shelf/psu-1\"\nlabel = \"PSU 2\"\n\n\
[[node]]\nname = \"n01\"\ndomain = \"shelf\"\nmax_draw_watts = 1100\n";
    assert!(small.contains(from), "{from}");
    small.replacen(from, to, 1)
}

#[test]
fn the_example_is_a_configuration() {
    let config = read(EXAMPLE).unwrap();
    assert_eq!(config.name, "r12");
    assert_eq!(config.listen_address.port(), 9712);
    assert_eq!(config.bays.len(), 6);
    let shelf = config.domain("shelf").unwrap();
    assert_eq!(shelf.redundancy, Redundancy::Plus(1));
    assert_eq!(shelf.margin_ppm, 30_000);
    assert_eq!(shelf.bmc.as_deref(), Some("shelf"));
    assert_eq!(config.bay("shelf/psu-3").unwrap().supply, "psu-3");
    assert_eq!(
        config.feed("A").unwrap().capacity(),
        Power::from_watts(17_664).unwrap()
    );
    assert_eq!(config.bmc("n01").unwrap().url, "https://192.0.2.17");
    assert_eq!(config.node("n01").unwrap().bmc.as_deref(), Some("n01"));
    let DomainSource::Budget(watts) = &config.domain("contract").unwrap().source else {
        panic!("no budget");
    };
    assert_eq!(*watts, Power::from_watts(16_000).unwrap());
}

#[test]
fn everything_else_has_its_safe_value() {
    let config = read(&changed("", "")).unwrap();
    assert_eq!(config.actuators.mode, intent::Mode::Observe);
    assert!(config.listen_address.ip().is_loopback());
    assert!(!config.simulated);
    let domain = config.domain("shelf").unwrap();
    assert_eq!(
        (domain.settle.as_millis(), domain.probation.as_millis()),
        (1_000, 4_000)
    );
    assert!(!domain.sell_revocable);
    assert_eq!(config.bmcs[0].poll_interval.as_secs(), 5);
}

/// What is changed, into what, and what the error must say.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "name = \"r1\"",
        "nam = \"r1\"",
        "rack.toml:2: unknown key \"nam\" in [rack]; expected name?",
    ),
    (
        "name = \"r1\"",
        "nam = \"r1\"",
        "rack.toml:1: [rack] has no name; expected",
    ),
    (
        "[rack]",
        "[rak]",
        "rack.toml:1: unknown key \"rak\" in the file; expected rack?",
    ),
    (
        "name = \"r1\"",
        "name = \"r1\"\nmode = \"enforced\"",
        "rack.toml:3: mode in [rack]: \"enforced\" is no mode",
    ),
    (
        "name = \"r1\"",
        "name = 7",
        "rack.toml:2: name in [rack]: found 7; expected the rack's name",
    ),
    (
        "name = \"r1\"",
        "name = \"r1\"\nlisten_address = \"0.0.0.0:9712\"",
        "rack.toml:3: listen_address in [rack]: 0.0.0.0:9712 reaches beyond loopback without",
    ),
    (
        "name = \"r1\"",
        "name = \"r1\"\nlisten_address = \"here\"",
        "expected an address and a port",
    ),
    (
        "name = \"r1\"",
        "name = \"r1\"\ncontroller_host = \"n09\"",
        "rack.toml:3: controller_host in [rack]: there is no",
    ),
    (
        "name = \"r1\"\n",
        "name = \"r1\"\n[actuators]\nled = \"enforce\"\n",
        "rack.toml:4: actuator led is set to enforce, laxer than the mode observe",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"2n\"",
        "rack.toml:12: redundancy in [[domain]]: \"2n\" is no redundancy",
    ),
    (
        "redundancy = \"n+1\"\n",
        "",
        "[[domain]] has no redundancy; expected \"n\"",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+n\"",
        "bay \"shelf/psu-1\" has no feed; expected one",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nsettle = \"5 seconds\"",
        "rack.toml:13: settle in [[domain]]: found \"5 seconds\"; expected a while as in \"5s\", \"250ms\"",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nsettle = 5",
        "found 5; expected a while as in \"5s\"",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nmargin = 1.5",
        "rack.toml:13: margin in [[domain]]: found 1.5; expected a share from 0 to below 1, as in 0.03",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nmargin = -0.1",
        "found -0.1; expected a share",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nwithin = \"roof\"",
        "unknown domain \"roof\"",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nwithin = \"shelf\"",
        "domain \"shelf\" is within itself",
    ),
    (
        "redundancy = \"n+1\"",
        "redundancy = \"n+1\"\nbudget_watts = 5",
        "expected it only with source \"budget\"",
    ),
    (
        "source = \"shelf\"",
        "source = \"shelve\"",
        "rack.toml:11: source in [[domain]]: found \"shelve\"; expected",
    ),
    (
        "source = \"shelf\"",
        "source = \"budget\"",
        "has no budget_watts; expected its watts",
    ),
    (
        "breaker_amperes = 32",
        "breaker_amperes = 32\nderating = 80",
        "expected a share above 0 and up to 1",
    ),
    (
        "breaker_amperes = 32",
        "breaker_ampere = 32",
        "expected breaker_amperes?",
    ),
    (
        "volts = 230",
        "volts = \"230V\"",
        "rack.toml:6: volts in [[feed]]: found \"230V\"; expected volts",
    ),
    (
        "url = \"https://192.0.2.5\"",
        "url = \"192.0.2.5\"",
        "expected https://HOST",
    ),
    (
        "url = \"https://192.0.2.5\"",
        "url = \"http://192.0.2.5\"",
        "not encrypted and not on loopback",
    ),
    (
        "url = \"https://192.0.2.5\"",
        "url = \"https://192.0.2.5\"\npoll_interval = \"1ms\"",
        "expected a while of at least 50 ms",
    ),
    (
        "url = \"https://192.0.2.5\"",
        "url = \"https://192.0.2.5\"\nfingerprint = \"sha1:00\"",
        "expected \"sha256:\" and 64 hexadecimal digits",
    ),
    (
        "url = \"https://192.0.2.5\"",
        "url = \"https://192.0.2.5\"\ninsecure = true\nca_file = \"a\"",
        "more than one of ca_file, fingerprint and insecure",
    ),
    (
        "[[bmc]]\nname = \"shelf\"",
        "[[bmc]]\nname = \"other\"",
        "unknown BMC \"shelf\"; expected one of: other",
    ),
    (
        "feed = \"A\"",
        "feed = \"C\"",
        "rack.toml:21: unknown feed \"C\"; expected one of: A",
    ),
    (
        "label = \"PSU 2\"",
        "label = \"PSU 1\"",
        "bay label \"shelf: PSU 1\" stands twice, first in line 20",
    ),
    (
        "shelf/psu-1",
        "shelf/psu-0",
        "rack.toml:24: bay place \"shelf/psu-0\" stands twice, first in line 19",
    ),
    (
        "label = \"PSU 2\"",
        "label = \"PSU 2\"\nsupply = \"psu-0\"",
        "supply \"psu-0 of shelf\" stands twice",
    ),
    (
        "shelf/psu-1",
        "rack2/psu-1",
        "unknown domain \"rack2\"; expected one of: shelf",
    ),
    ("shelf/psu-1", "psu-1", "expected DOMAIN/BAY"),
    (
        "label = \"PSU 2\"",
        "label = \"PSU 2\"\nbmc = \"nobody\"",
        "unknown BMC \"nobody\"; expected one of: shelf",
    ),
    (
        "label = \"PSU 2\"",
        "label = \"PSU 2\"\nrated_watts = 0",
        "expected a number of watts from 1",
    ),
    (
        "label = \"PSU 2\"",
        "label = \"PSU 2\"\nrated_watts = 1e300",
        "expected a number of watts from 1",
    ),
    (
        "max_draw_watts = 1100",
        "max_draw_watts = \"1.1 kW\"",
        "found \"1.1 kW\"; expected a number of watts",
    ),
    (
        "max_draw_watts = 1100",
        "",
        "[[node]] has no max_draw_watts; expected",
    ),
    (
        "max_draw_watts = 1100",
        "max_draw_watts = 1100\nfloor_watts = 2000",
        "expected at most max_draw_watts",
    ),
    (
        "max_draw_watts = 1100",
        "max_draw_watts = 1100\nbmc = \"https://\"",
        "names no host",
    ),
    (
        "max_draw_watts = 1100",
        "max_draw_watts = 1100\n[[node]]\nname = \"n01\"\ndomain = \"shelf\"\nmax_draw_watts = 1",
        "node \"n01\" stands twice",
    ),
    ("[[feed]]", "[feed]", "expected [[feed]], once for each"),
    ("[[feed]]", "[[feed]]\nname = \"A\"", "rack.toml:6: "),
];

#[test]
fn every_error_has_its_line_and_what_was_expected() {
    for (from, to, expected) in WRONG {
        let said = errors(&changed(from, to));
        assert!(said.contains(expected), "{to:?}:\n{said}\nhas no {expected:?}");
        assert!(said.contains("expected"), "{said}");
        assert!(said.lines().all(|line| line.starts_with("rack.toml:")), "{said}");
    }
}

#[test]
fn many_errors_are_told_at_once_and_in_order() {
    let text = changed("name = \"r1\"", "naem = \"r1\"\nmode = \"x\"")
        .replace("volts = 230", "volts = 0")
        .replace("n+1", "n-1")
        .replace("max_draw_watts = 1100", "max_draw_watts = -1");
    let said = errors(&text);
    assert!(said.lines().count() >= 6, "{said}");
    let lines: Vec<u32> = said
        .lines()
        .filter_map(|line| line.split(':').nth(1)?.trim().parse().ok())
        .collect();
    assert!(lines.is_sorted(), "{said}");
}

#[test]
fn broken_toml_has_its_line() {
    let said = errors("[rack]\nname = \"r1\"\nmode = \n");
    assert!(said.contains("rack.toml:3: "), "{said}");
    let twice = errors("[rack]\nname = \"r1\"\nname = \"r2\"\n");
    assert!(twice.contains("rack.toml:3: "), "{twice}");
    let missing = RackConfig::load(Path::new("/nowhere/rack.toml")).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/rack.toml"), "{missing}");
}

#[test]
fn the_sums_are_printed() {
    let report = check_config_report(&read(EXAMPLE).unwrap());
    for line in [
        "installed 18.0 kW, surviving 15.0 kW, firm 14.6 kW (80.8 %)",
        "at most 17.5 kW (97 %)",
        "feed A: 230 V × 32 A × 3 phases × 0.8 = 17664 W",
        "capacity: installed 16.0 kW, surviving 16.0 kW, firm 16.0 kW (100 %)",
        "nodes whose caps no agent holds: 2.2 kW, all that they can draw",
    ] {
        assert!(report.contains(line), "{report}\nhas no {line:?}");
    }
    let unknown = check_config_report(&read(&changed("", "")).unwrap());
    assert!(
        unknown.contains("rated: unknown until seen (PSU 1, PSU 2)"),
        "{unknown}"
    );
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_errors(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn any_change_of_the_example_is_met_calmly(at in 0..EXAMPLE.len(), with in "[\"\\[\\]=\\n#a-z0-9.é-]{0,6}", cut in 0_usize..40) {
        let start = (0..=at).rev().find(|byte| EXAMPLE.is_char_boundary(*byte)).unwrap_or(0);
        let end = (at + cut..=EXAMPLE.len()).find(|byte| EXAMPLE.is_char_boundary(*byte)).unwrap_or(EXAMPLE.len());
        let text = format!("{}{with}{}", &EXAMPLE[..start], &EXAMPLE[end.max(start)..]);
        match read(&text) {
            Ok(config) => {
                let _ = check_config_report(&config);
            }
            Err(said) => prop_assert!(said.contains("expected"), "{}", said),
        }
    }
}
