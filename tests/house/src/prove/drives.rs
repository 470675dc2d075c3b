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

/// What a story of the lab measures, and what is promised of it.
struct Measured {
    /// The story.
    story: &'static str,
    /// How its line begins; then come the samples.
    begins: &'static str,
    /// What it is, for people.
    what: &'static str,
    /// What the samples are: `ms`, or nothing for a count.
    unit: &'static str,
    /// The most that the 99th of a hundred may be.
    most: f64,
    /// How many samples there must be, at least.
    least: usize,
}

/// Three guests as a rack with the controller on the host; a rack's orders to one guest's agent.
const RACK: &str = "rack-of-drives";
const POOLED: &str = "pooled";
const MEASURED: [Measured; 5] = [
    Measured {
        story: RACK,
        begins: "claim to block device whose serial number was checked, each in ms: ",
        what: "claim → block device whose serial number was checked, three emulated machines, the command included",
        unit: "ms",
        most: 1_000.0,
        least: 20,
    },
    Measured {
        story: RACK,
        begins: "release to removed at the target and read back, each in ms: ",
        what: "release → removed at the target and read back, the same, the commands included",
        unit: "ms",
        most: 1_000.0,
        least: 20,
    },
    Measured {
        story: RACK,
        begins: "writes taken of who never stops, after its drive was held, each time: ",
        what: "writes of a writer that never stops, taken after its drive was held, its node cut off or deaf",
        unit: "",
        most: 0.0,
        least: 3,
    },
    Measured {
        story: POOLED,
        begins: "from the order to shut to its answer, read back, under load: ",
        what: "order to shut → removed at the target and read back, under load, one emulated machine",
        unit: "ms",
        most: 1_000.0,
        least: 1,
    },
    Measured {
        story: POOLED,
        begins: "from the kernel's uevent to nothing being offered, under load: ",
        what: "drive pulled: the kernel's uevent → nothing is offered, under load, one emulated machine",
        unit: "ms",
        most: 5_000.0,
        least: 1,
    },
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
    for story in [RACK, POOLED] {
        screen.line(&format!("measuring: the lab's story {story}"));
        add(attached(story, &lab::measured(place, screen, story)));
    }
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

/// What a story measured; where it could not run, why.
fn attached(story: &str, came: &Result<lab::Checks, String>) -> Vec<Figure> {
    let asked = MEASURED.iter().filter(|asked| asked.story == story);
    asked
        .map(|asked| match came {
            Ok(checks) => judged(asked, checks),
            Err(why) => Figure::told(asked.what, format!("not measured: {why}")),
        })
        .collect()
}

/// The samples of one line, judged by the 99th of a hundred: of fewer than a hundred, the largest. They count only where every check of
/// their story held.
fn judged(asked: &Measured, checks: &lab::Checks) -> Figure {
    let mut lines = checks.measured.iter();
    let samples = lines.find_map(|line| Some(line.split_once(asked.begins)?.1));
    let words = samples.unwrap_or_default().split_whitespace();
    let mut samples: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
    samples.sort_by(f64::total_cmp);
    let rank = |percent: usize| (samples.len() * percent).div_ceil(100).saturating_sub(1);
    let at = |percent| samples.get(rank(percent)).copied();
    let unit = asked.unit;
    let told = match (at(50), at(99)) {
        (Some(_), Some(only)) if samples.len() == 1 => format!("{only:.0} {unit}, once"),
        (Some(half), Some(most)) => {
            format!(
                "p50 {half:.0} {unit}, p99 {most:.0} {unit}, of {} samples",
                samples.len()
            )
        }
        _ => "it measured nothing".to_owned(),
    };
    let held = checks.failed == 0;
    let broken = checks.broken.first().map_or("its story failed", String::as_str);
    let enough = samples.len() >= asked.least;
    let value = match (held, enough) {
        (true, true) => told,
        (true, false) => format!("{told}; {} samples are asked for", asked.least),
        (false, _) => format!("{told}, and a check did not hold: {broken}"),
    };
    Figure {
        what: asked.what.to_owned(),
        value,
        target: format!("≤ {:.0} {unit}", asked.most).trim_end().to_owned(),
        verdict: Some(held && enough && at(99).is_some_and(|most| most <= asked.most)),
    }
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
        let few = "claim to block device whose serial number was checked, each in ms: 300 200";
        let many = format!("{few}{}", " 210".repeat(18));
        let fence = format!(
            "release to removed at the target and read back, each in ms: 1001{}",
            " 310".repeat(19)
        );
        let after = "writes taken of who never stops, after its drive was held, each time: 0 0 0";
        let figures = attached(RACK, &checks(&[&many, &fence, after]));
        let verdicts: Vec<Option<bool>> = figures.iter().map(|figure| figure.verdict).collect();
        assert_eq!(verdicts, [Some(true), Some(false), Some(true)]);
        assert_eq!(figures[0].value, "p50 210 ms, p99 300 ms, of 20 samples");
        assert!(figures[1].value.contains("p99 1001 ms"), "{}", figures[1].value);
        // Too few samples prove nothing, nor does one write too many.
        let figures = attached(RACK, &checks(&[few, &after.replace("0 0 0", "0 1 0")]));
        let verdicts: Vec<Option<bool>> = figures.iter().map(|figure| figure.verdict).collect();
        assert_eq!(verdicts, [Some(false), Some(false), Some(false)]);
        assert!(
            figures[0].value.contains("20 samples are asked for"),
            "{}",
            figures[0].value
        );
        assert_eq!(figures[1].value, "it measured nothing; 20 samples are asked for");
        // A story in which a check did not hold has measured nothing that counts.
        let mut broken = checks(&[&many]).unwrap();
        broken.failed = 1;
        broken.broken = vec!["after the fence it has written nothing".to_owned()];
        let figures = attached(RACK, &Ok(broken));
        assert_eq!(figures[0].verdict, Some(false));
        assert!(
            figures[0].value.contains("written nothing"),
            "{}",
            figures[0].value
        );
        let pull = "from the kernel's uevent to nothing being offered, under load: 2500 ms";
        let figures = attached(POOLED, &checks(&[pull]));
        assert_eq!(
            (figures[1].verdict, figures[1].value.as_str()),
            (Some(true), "2500 ms, once")
        );
        let absent = attached(POOLED, &Err("no emulator".to_owned()));
        assert_eq!((absent[0].verdict, absent.len()), (None, 2));
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
