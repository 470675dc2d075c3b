//! `cargo prove power`: what a rack of real agents promises, measured by the example `prove_power` of the house tests.

use std::collections::BTreeMap;
use std::process::Stdio;

use super::figure::Figure;
use crate::Wrong;
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps;

/// The program that measures, and its parts.
const EXAMPLE: &str = "prove_power";
const PARTS: [&str; 5] = ["yield", "decide", "rack", "many", "journal"];
/// How a figure begins in what it prints.
const FIGURE: &str = "figure ";
/// The random days, and how their test ends.
const DAYS: [&str; 7] = [
    "test",
    "--release",
    "--package",
    "house-tests",
    "--test",
    "power_days",
    "--",
];
const PASSED: &str = "test result: ok";
/// As many as a night shall make, all kinds of racks together.
const OPERATIONS: u64 = 1_000_000;

/// How a figure is judged.
pub(super) enum Judged {
    /// At most so many of its unit.
    AtMost(f64),
    /// Only told.
    Told,
}
use Judged::{AtMost, Told};

/// Key, what it is, unit, judged how: power.md of the design (Time, Scale) and issue 5.
const FIGURES: [(&str, &str, &str, Judged); 23] = [
    (
        "decide.admitted",
        "decision of a claim, 64 nodes, 512 claims: admitted, p99",
        "ms",
        AtMost(1.0),
    ),
    ("decide.refused", "the same: refused, p99", "ms", AtMost(1.0)),
    (
        "rack.agents_up_seconds",
        "64 agents started one after another",
        "s",
        Told,
    ),
    (
        "claim.node_in_a_burst",
        "claims on nodes that change caps, one right after the other → acknowledged, p99",
        "ms",
        Told,
    ),
    (
        "claim.node",
        "the same, 20 a second at most, p99",
        "ms",
        AtMost(10.0),
    ),
    (
        "idle.controller_percent_of_a_core",
        "controller of 64 agents, nothing but renewals",
        "% of a core",
        Told,
    ),
    (
        "idle.agent_percent_of_a_core",
        "one agent that holds a lease, renewed each second",
        "% of a core",
        Told,
    ),
    (
        "idle.agent_own_mib",
        "memory of one agent that no other process shares",
        "MiB",
        Told,
    ),
    ("idle.controller_own_mib", "memory of the controller", "MiB", Told),
    (
        "claim.acknowledged",
        "claim over HTTP → journaled and acknowledged, p99",
        "ms",
        AtMost(10.0),
    ),
    (
        "claim.refused",
        "claim over HTTP → refused with what would fit, p99",
        "ms",
        Told,
    ),
    (
        "interlock",
        "drain --dry-run over HTTP → answer, p99",
        "ms",
        AtMost(50.0),
    ),
    (
        "loss.seen",
        "supply pulled → seen by the controller, p99",
        "ms",
        Told,
    ),
    (
        "loss.first_agent",
        "loss seen → first agent has applied and read back, p99",
        "ms",
        Told,
    ),
    (
        "loss.last_agent",
        "loss seen → last of 64 agents has applied and read back, p99",
        "ms",
        AtMost(250.0),
    ),
    (
        "loss.ridden",
        "supply pulled → rack power ≤ surviving, p99",
        "ms",
        AtMost(800.0),
    ),
    (
        "loss.ridden_longest",
        "the same, longest (overload time)",
        "ms",
        AtMost(999.0),
    ),
    (
        "restart",
        "controller: kill -9, start → all leases renewed, same decisions as before, p99",
        "ms",
        AtMost(2_000.0),
    ),
    (
        "many.all_held",
        "controller of 1,000 agents: start → all leases in force",
        "ms",
        Told,
    ),
    (
        "many.cores",
        "1,000 agents renewed each second: controller",
        "cores",
        AtMost(1.0),
    ),
    (
        "many.renewals_per_second",
        "the same: renewals a second",
        "",
        Told,
    ),
    (
        "journal.written_seconds",
        "1,000,000 events written, 20,000 a transaction",
        "s",
        Told,
    ),
    (
        "journal.replayed",
        "journal of 1,000,000 events: opened, verified, replayed",
        "ms",
        AtMost(5_000.0),
    ),
];

/// What six supplies of 3 kW sell: key, what it is, firm and all, in tenths of a percent (power.md, worked example).
const YIELDS: [(&str, &str, &str, &str); 4] = [
    (
        "yield.6.n+1.0",
        "6 × 3 kW, n+1, margin 0: firm, in all",
        "83.3",
        "100.0",
    ),
    (
        "yield.6.n+1.0.03",
        "6 × 3 kW, n+1, margin 3 %: firm, in all",
        "80.8",
        "97.0",
    ),
    (
        "yield.4.n+1.0",
        "4 × 3 kW, n+1, margin 0: firm, in all",
        "75.0",
        "90.0",
    ),
    (
        "yield.6.n+n.0",
        "6 × 3 kW, n+n, margin 0: firm, in all",
        "50.0",
        "60.0",
    ),
];

/// A figure as the program says it.
pub(super) struct Said {
    number: f64,
    note: String,
}

/// Builds the program.
pub fn build(place: &Place, screen: &Screen) -> Result<(), Wrong> {
    program(place, screen, "house-tests", EXAMPLE)
}

/// Builds an example of a package, optimised.
pub(super) fn program(place: &Place, screen: &Screen, package: &str, example: &str) -> Result<(), Wrong> {
    let words = ["build", "--release", "--package", package, "--example", example];
    let log = place.log(&format!("build-{}", example.replace('_', "-")));
    let done = steps::cargo_step(screen, "build", place.cargo(&words), &log, None);
    match done.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail | Verdict::Skip => Err(Wrong::Failed("the build failed".to_owned())),
    }
}

/// Measures part after part; `add` takes the figures of each.
pub fn rack(place: &Place, screen: &Screen, mut add: impl FnMut(Vec<Figure>)) -> Result<(), Wrong> {
    for part in PARTS {
        screen.line(&format!("measuring: {part}"));
        add(figures(&measured(place, EXAMPLE, part)?));
    }
    screen.line("measuring: random days");
    add(vec![days(place)?]);
    Ok(())
}

/// What one part of a program that measures says.
pub(super) fn measured(place: &Place, example: &str, part: &str) -> Result<BTreeMap<String, Said>, Wrong> {
    let program = place.binaries(true).join("examples").join(example);
    let output = place
        .command(&program)
        .arg(part)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Wrong::Failed(format!("cannot start {}: {error}", program.display())))?;
    let log = place.log(&format!("{}-{part}", example.replace('_', "-")));
    std::fs::write(&log, [&output.stdout[..], &output.stderr[..]].concat())
        .map_err(|error| Wrong::Failed(format!("{}: {error}", log.display())))?;
    if !output.status.success() {
        let last = steps::tail(&log).join("\n");
        return Err(Wrong::Failed(format!("{example} {part} failed:\n{last}")));
    }
    Ok(said(&String::from_utf8_lossy(&output.stdout)))
}

fn said(text: &str) -> BTreeMap<String, Said> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(FIGURE));
    lines
        .filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let (key, number) = (words.next()?, words.next()?.parse().ok()?);
            let note = words.next().unwrap_or_default().to_owned();
            Some((key.to_owned(), Said { number, note }))
        })
        .collect()
}

/// In the order of the tables. A figure that was measured and is in none of them is not lost silently: it is told as it is.
fn figures(said: &BTreeMap<String, Said>) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (key, what, firm, total) in YIELDS {
        if let Some(said) = said.get(key) {
            let value = format!("{:.1} %, {} %", said.number, said.note);
            let target = format!("{firm} %, {total} %");
            let verdict = Some(value == target);
            figures.push(Figure {
                what: what.to_owned(),
                value,
                target,
                verdict,
            });
        }
    }
    for (key, what, unit, judged) in FIGURES {
        if let Some(said) = said.get(key) {
            figures.push(one(what, unit, &judged, said));
        }
    }
    figures
}

/// A figure as it is judged.
pub(super) fn one(what: &str, unit: &str, judged: &Judged, said: &Said) -> Figure {
    let shown = |number: f64| {
        let digits = if number < 10.0 { 2 } else { 1 };
        format!("{number:.digits$} {unit}").trim().to_owned()
    };
    let note = if said.note.is_empty() {
        String::new()
    } else {
        format!(" ({})", said.note)
    };
    let (target, verdict) = match judged {
        Told => (String::new(), None),
        AtMost(most) => (format!("≤ {}", shown(*most)), Some(said.number <= *most)),
    };
    Figure {
        what: what.to_owned(),
        value: format!("{}{note}", shown(said.number)),
        target,
        verdict,
    }
}

/// All promises on random days, by the simulator's default seeds.
fn days(place: &Place) -> Result<Figure, Wrong> {
    let mut cargo = place.cargo(&DAYS);
    let output = cargo
        .arg("--nocapture")
        .env("BUSBAR_OPERATIONS", OPERATIONS.to_string())
        .output()
        .map_err(|error| Wrong::Failed(format!("cargo test power_days: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let log = place.log("prove-power-days");
    std::fs::write(&log, [&output.stdout[..], &output.stderr[..]].concat())
        .map_err(|error| Wrong::Failed(format!("{}: {error}", log.display())))?;
    let passed = output.status.success() && text.lines().any(|line| line.starts_with(PASSED));
    let done = operations(&text);
    let value = if passed {
        format!("{done} operations, none broke a promise")
    } else {
        let again = text
            .lines()
            .find_map(|line| line.strip_prefix("this day again: "));
        format!(
            "a promise was broken: {}",
            again.unwrap_or("see prove-power-days.log")
        )
    };
    Ok(Figure {
        what: "random days (power_days), all seeds".to_owned(),
        value,
        target: format!("no promise broken in {OPERATIONS} operations"),
        verdict: Some(passed && done >= OPERATIONS),
    })
}

/// Everything that was done on these days, from what each kind of rack says: `NAME: 33987 operations (…`.
fn operations(text: &str) -> u64 {
    let each = text.lines().filter_map(|line| {
        let (before, _) = line.split_once(" operations (")?;
        let (_, number) = before.rsplit_once(": ")?;
        number.parse::<u64>().ok()
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_read_and_judged() {
        let said = said(
            "noise\nfigure interlock 50.001 of 300: p50 1.0\nfigure yield.6.n+1.0 83.333 100.0\nfigure broken x\n",
        );
        let figures = figures(&said);
        let lines: Vec<String> = figures.iter().map(Figure::line).collect();
        assert_eq!(
            lines,
            [
                "6 × 3 kW, n+1, margin 0: firm, in all | 83.3 %, 100.0 % | 83.3 %, 100.0 % | pass",
                "drain --dry-run over HTTP → answer, p99 | 50.0 ms (of 300: p50 1.0) | ≤ 50.0 ms | FAIL",
            ]
        );
    }

    #[test]
    fn what_was_done_on_random_days_is_counted() {
        let text = "x\na_shelf: 12 operations (3 happenings, 9 messages) on 1 days in 0.1 s\n{\"claimed\": 5}\nfeeds: 8 operations (8 happenings\n";
        assert_eq!(operations(text), 20);
    }
}
