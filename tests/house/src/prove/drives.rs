//! `cargo prove drives`: what the pool of drives promises, as far as it is there to be measured. What no part of it measures yet is not
//! printed, and docs/pooled-drives.md says so.

use std::collections::BTreeMap;

use super::figure::Figure;
use super::power::{self, Judged, Said};
use crate::Wrong;
use crate::lab;
use crate::place::Place;
use crate::progress::Screen;

/// The program that measures, and its parts.
const EXAMPLE: &str = "prove_drives";
const PARTS: [&str; 2] = ["decide", "journal"];

/// Key, what it is, unit, judged how: drives.md of the design (Targets) and issue 6.
const FIGURES: [(&str, &str, &str, Judged); 3] = [
    (
        "drives.decide.admitted",
        "decision of a claim of drives, 256 drives, 64 nodes, half lent: admitted, p99",
        "ms",
        Judged::AtMost(1.0),
    ),
    (
        "drives.decide.refused",
        "the same: refused with what would fit, p99",
        "ms",
        Judged::AtMost(1.0),
    ),
    (
        "drives.journal.acknowledged",
        "the same: decided, written and synced, p99",
        "ms",
        Judged::AtMost(10.0),
    ),
];

/// The story of the lab in which a rack's orders go to the real agent on a real kernel.
const STORY: &str = "pooled";
/// What it measures, once each: how its line begins, what it is, and the most it may be in milliseconds.
const MEASURED: [(&str, &str, f64); 3] = [
    (
        "from the order to attach to a block device whose serial number was checked: ",
        "order to attach → block device whose serial number was checked, once, in an emulated machine",
        1_000.0,
    ),
    (
        "from the order to shut to its answer, read back, under load: ",
        "order to shut → removed at the target and read back, under load, once, in an emulated machine",
        1_000.0,
    ),
    (
        "from the kernel's uevent to nothing being offered, under load: ",
        "drive pulled: the kernel's uevent → nothing is offered, under load, once, in an emulated machine",
        5_000.0,
    ),
];

/// The random days of the pure core, what they print, and how many operations a run is to have.
const DAYS: [&str; 7] = [
    "test",
    "--release",
    "--package",
    "rack-controller",
    "--lib",
    "drives::tests::days",
    "--",
];
const PASSED: &str = "test result: ok";
const RUN: &str = "random days of drives: ";
const OPERATIONS: u64 = 100_000;

/// Builds what measures.
pub fn build(place: &Place, screen: &Screen) -> Result<(), Wrong> {
    power::program(place, screen, "house-tests", EXAMPLE)?;
    lab::build(place, screen, false)
}

/// Measures part after part; `add` takes the figures of each.
pub fn pool(place: &Place, screen: &Screen, mut add: impl FnMut(Vec<Figure>)) -> Result<(), Wrong> {
    for part in PARTS {
        screen.line(&format!("measuring: {part}"));
        add(figures(&power::measured(place, EXAMPLE, part)?));
    }
    screen.line("measuring: random days");
    add(vec![days(place)?]);
    add(attached(&lab::measured(place, screen, STORY)));
    Ok(())
}

fn figures(said: &BTreeMap<String, Said>) -> Vec<Figure> {
    let known = FIGURES.iter();
    known
        .filter_map(|(key, what, unit, judged)| Some(power::one(what, unit, judged, said.get(*key)?)))
        .collect()
}

/// One drive, one tenant, whatever comes late: the pure core's random days.
fn days(place: &Place) -> Result<Figure, Wrong> {
    let output = place
        .cargo(&DAYS)
        .arg("--nocapture")
        .output()
        .map_err(|error| Wrong::Failed(format!("cargo test drives::tests::days: {error}")))?;
    let log = place.log("prove-drives-days");
    std::fs::write(&log, [&output.stdout[..], &output.stderr[..]].concat())
        .map_err(|error| Wrong::Failed(format!("{}: {error}", log.display())))?;
    Ok(of_days(
        output.status.success(),
        &String::from_utf8_lossy(&output.stdout),
    ))
}

fn of_days(succeeded: bool, text: &str) -> Figure {
    let passed = succeeded && text.lines().any(|line| line.starts_with(PASSED));
    let done: u64 = text
        .lines()
        .filter_map(|line| line.split_once(RUN)?.1.split(' ').next()?.parse::<u64>().ok())
        .sum();
    let value = if passed {
        format!("{done} operations, no drive had two tenants")
    } else {
        "a promise was broken: see prove-drives-days.log".to_owned()
    };
    Figure {
        what: "random days of drives, on the pure core".to_owned(),
        value,
        target: format!("no promise broken in {OPERATIONS} operations"),
        verdict: Some(passed && done >= OPERATIONS),
    }
}

/// What the story measured; where it could not run, why.
fn attached(came: &Result<lab::Checks, String>) -> Vec<Figure> {
    MEASURED
        .iter()
        .map(|(begins, what, most)| {
            let checks = match came {
                Ok(checks) => checks,
                Err(why) => return Figure::told(what, format!("not measured: {why}")),
            };
            let line = checks
                .measured
                .iter()
                .find_map(|line| Some(line.split_once(begins)?.1));
            let millis = line.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
            let held = checks.failed == 0;
            let broken = checks
                .broken
                .first()
                .map_or("it measured nothing", String::as_str);
            Figure {
                what: (*what).to_owned(),
                value: match millis {
                    Some(millis) if held => format!("{millis:.0} ms"),
                    Some(millis) => format!("{millis:.0} ms, and a check did not hold: {broken}"),
                    None => broken.to_owned(),
                },
                target: format!("≤ {most:.0} ms"),
                verdict: Some(held && millis.is_some_and(|millis| millis <= *most)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn checks(measured: &[&str]) -> Result<lab::Checks, String> {
        Ok(lab::Checks {
            measured: measured.iter().map(|line| (*line).to_owned()).collect(),
            ..lab::Checks::default()
        })
    }

    #[test]
    fn a_story_is_judged_by_what_it_measured_and_by_its_checks() {
        let attach = "from the order to attach to a block device whose serial number was checked: 610 ms";
        let fence = "from the order to shut to its answer, read back, under load: 1001 ms";
        let figures = attached(&checks(&[attach, fence]));
        let verdicts: Vec<Option<bool>> = figures.iter().map(|figure| figure.verdict).collect();
        assert_eq!(verdicts, [Some(true), Some(false), Some(false)]);
        // A story in which a check did not hold has measured nothing that counts.
        let mut broken = checks(&[attach]).unwrap();
        broken.failed = 1;
        broken.broken = vec!["after the fence it has written nothing".to_owned()];
        let figures = attached(&Ok(broken));
        assert_eq!(figures[0].verdict, Some(false));
        assert!(
            figures[0].value.contains("written nothing"),
            "{}",
            figures[0].value
        );
        let absent = attached(&Err("no emulator".to_owned()));
        assert_eq!((absent[0].verdict, absent.len()), (None, 3));
    }

    #[test]
    fn random_days_count_only_where_they_passed_and_are_enough() {
        let whole = "random days of drives: 102400 operations\ntest result: ok. 2 passed\n";
        assert_eq!(of_days(true, whole).verdict, Some(true));
        assert_eq!(of_days(false, whole).verdict, Some(false));
        let few = "random days of drives: 400 operations\ntest result: ok. 2 passed\n";
        assert_eq!(of_days(true, few).verdict, Some(false));
        assert_eq!(of_days(true, "test result: ok. 0 passed\n").verdict, Some(false));
    }
}
