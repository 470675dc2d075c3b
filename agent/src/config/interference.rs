//! `[interference]` of the configuration: whether the loop watches and acts, and what it judges by.

use std::time::Duration;

use agent_api::v1::{Grade, InterferenceMode};
use intent::{Priority, WorkloadId};

use super::proof::duration;
use super::reader::{Faults, Reader};
use crate::interfere::{Allowed, Thresholds};

const KEYS: [&str; 13] = [
    "mode",
    "window",
    "sigmas",
    "outliers",
    "correlation",
    "leave_cpus",
    "leave_cache",
    "leave_bandwidth",
    "grades",
    "priority",
    "workload",
    "act_for",
    "protect_up_to",
];
/// A window has to be long beside the clock ticks of what is read in it, and short beside a day.
const WINDOWS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// An act is at least a few windows of the shortest kind, and nobody is held back for more than an hour unseen.
const ACTS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3_600));
/// The most windows that outliers are counted in.
const MOST_OF: usize = 20;
/// The kernel takes no less than a millisecond of its period of a hundred.
const LEAST_CPUS: f64 = 0.01;
/// More than this would hold nobody back.
const MOST_CPUS: f64 = 64.0;

/// The part of cache and bandwidth that is left to an antagonist.
const PARTS: (f64, f64) = (0.01, 0.9);
/// The most workloads that have grades of their own here: as many as a node keeps.
const MOST_WORKLOADS: usize = 1_000;

/// What the loop may do, and what it judges by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interference {
    /// What it may do.
    pub mode: InterferenceMode,
    /// What it judges by.
    pub thresholds: Thresholds,
    /// Which grades `act` may do, and about whom.
    pub allowed: Allowed,
}

/// Reads the section.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> Interference {
    section.only(&KEYS, faults);
    let mut found = Interference::default();
    if let Some((word, place)) = section.text("mode", faults) {
        match InterferenceMode::ALL.into_iter().find(|mode| mode.word() == word) {
            Some(mode) => found.mode = mode,
            None => {
                let expected = InterferenceMode::ALL.map(InterferenceMode::word).join(" or ");
                faults.add(place, format!("mode = {word:?} is none; expected {expected}"));
            }
        }
    }
    let t = &mut found.thresholds;
    t.window = time(section, "window", WINDOWS, faults).unwrap_or(t.window);
    t.act_for = time(section, "act_for", ACTS, faults).unwrap_or(t.act_for);
    t.sigmas = number(section, "sigmas", (1.0, 10.0), faults).unwrap_or(t.sigmas);
    t.correlation = number(section, "correlation", (0.05, 1.0), faults).unwrap_or(t.correlation);
    if let Some(cpus) = number(section, "leave_cpus", (LEAST_CPUS, MOST_CPUS), faults) {
        // Between 10 and 64000: it fits, and what is below a thousandth is nothing the kernel could keep.
        let millicpus = format!("{:.0}", cpus * 1_000.0).parse();
        t.cap_millicpus = millicpus.unwrap_or(t.cap_millicpus);
    }
    t.cache_thousandths = thousandths(section, "leave_cache", faults).unwrap_or(t.cache_thousandths);
    t.bandwidth_thousandths =
        thousandths(section, "leave_bandwidth", faults).unwrap_or(t.bandwidth_thousandths);
    if let Some((text, place)) = section.text("outliers", faults) {
        match outliers(text) {
            Some((outliers, of)) => (t.outliers, t.of) = (outliers, of),
            None => faults.add(
                place,
                format!(
                    "outliers = {text:?} is no part of some windows; expected K/M with 1 <= K <= M <= {MOST_OF}, as in \"3/5\""
                ),
            ),
        }
    }
    if let Some((text, place)) = section.text("protect_up_to", faults) {
        match text.parse::<Priority>() {
            Ok(priority) => t.protect_up_to = priority,
            Err(error) => faults.add(place, format!("protect_up_to: {error}")),
        }
    }
    allowed(section, &mut found.allowed, faults);
    found
}

/// `grades`, `[interference.priority]` and `[interference.workload]`.
fn allowed(section: &Reader<'_>, allowed: &mut Allowed, faults: &mut Faults<'_>) {
    if section.place("grades", faults).is_some() {
        allowed.grades = grades(section, "grades", faults);
    }
    if let Some(own) = section.section("priority", faults) {
        for key in own.keys() {
            match key.parse::<Priority>() {
                Ok(priority) => {
                    let grades = grades(&own, &key, faults);
                    allowed.by_priority.insert(priority, grades);
                }
                Err(error) => {
                    let place = own.place(&key, faults).unwrap_or_default();
                    faults.add(place, format!("[interference.priority] {key}: {error}"));
                }
            }
        }
    }
    if let Some(own) = section.section("workload", faults) {
        for key in own.keys().into_iter().take(MOST_WORKLOADS) {
            match key.parse::<WorkloadId>() {
                Ok(workload) => {
                    let grades = grades(&own, &key, faults);
                    allowed.by_workload.insert(workload, grades);
                }
                Err(error) => {
                    let place = own.place(&key, faults).unwrap_or_default();
                    faults.add(place, format!("[interference.workload] {key}: {error}"));
                }
            }
        }
    }
}

fn grades(section: &Reader<'_>, key: &str, faults: &mut Faults<'_>) -> Vec<Grade> {
    let mut found = Vec::new();
    for (word, place) in section.texts(key, faults) {
        match Grade::ALL.into_iter().find(|grade| grade.word() == word) {
            Some(grade) => found.push(grade),
            None => {
                let expected = Grade::ALL.map(Grade::word).join(", ");
                faults.add(
                    place,
                    format!("{key}: {word:?} is no grade; expected some of {expected}"),
                );
            }
        }
    }
    found
}

fn thousandths(section: &Reader<'_>, key: &str, faults: &mut Faults<'_>) -> Option<u16> {
    let part = number(section, key, PARTS, faults)?;
    format!("{:.0}", part * 1_000.0).parse().ok()
}

fn outliers(text: &str) -> Option<(usize, usize)> {
    let (outliers, of) = text.split_once('/')?;
    let (outliers, of) = (outliers.parse().ok()?, of.parse().ok()?);
    (1 <= outliers && outliers <= of && of <= MOST_OF).then_some((outliers, of))
}

fn time(
    section: &Reader<'_>,
    key: &str,
    (least, most): (Duration, Duration),
    faults: &mut Faults<'_>,
) -> Option<Duration> {
    let (text, place) = section.text(key, faults)?;
    let found = duration(text).filter(|time| (least..=most).contains(time));
    if found.is_none() {
        let (least, most) = (least.as_secs(), most.as_secs());
        faults.add(
            place,
            format!(
                "{key} = {text:?} is no such time; expected {least}s to {most}s, as in \"60s\" or \"5m\""
            ),
        );
    }
    found
}

fn number(
    section: &Reader<'_>,
    key: &str,
    (least, most): (f64, f64),
    faults: &mut Faults<'_>,
) -> Option<f64> {
    let (number, place) = section.number(key, faults)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    faults.add(
        place,
        format!("{key} = {number} is out of bounds; expected {least} to {most}"),
    );
    None
}
