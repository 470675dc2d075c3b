//! How long a decision about a place takes: 256 CPUs, 200 workloads, any ask, offers and refusals alike.

use std::time::Duration;

use super::super::figure::Figure;
use crate::Wrong;
use crate::place::Place;
use crate::steps;

/// Issue 4: 99 of 100 decisions take this at most.
const WITHIN: Duration = Duration::from_micros(100);
/// The program that times them, by the CPU time of its thread: what else runs on this machine is no part of a decision.
const PROGRAM: [&str; 6] = [
    "run",
    "--release",
    "--package",
    "agent",
    "--example",
    "prove_place",
];
/// The start of its line, and of the number in it.
const LINE: &str = "decision: ";
const P99: &str = "p99 ";
const MICROSECONDS: &str = " us";

/// The figure, and what else that program says beside it.
pub fn figures(place: &Place) -> Result<Vec<Figure>, Wrong> {
    let output = place
        .cargo(&PROGRAM)
        .output()
        .map_err(|error| Wrong::Failed(format!("cargo run --example prove_place: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let log = place.log("prove-place");
    std::fs::write(&log, [&output.stdout[..], &output.stderr[..]].concat())
        .map_err(|error| Wrong::Failed(format!("{}: {error}", log.display())))?;
    if !output.status.success() {
        let last = steps::tail(&log).join("\n");
        return Err(Wrong::Failed(format!("prove_place failed:\n{last}")));
    }
    let took = p99(&text)
        .ok_or_else(|| Wrong::Failed(format!("no line {LINE:?} with {P99:?} in {}", log.display())))?;
    let whole = text
        .lines()
        .find_map(|line| line.strip_prefix(LINE))
        .unwrap_or_default();
    Ok(vec![Figure {
        what: "decision about a place p99, 256 CPUs and 200 workloads".to_owned(),
        value: format!("{} ({whole}; CPU time)", micros(took)),
        target: format!("≤ {}", micros(WITHIN)),
        verdict: Some(took <= WITHIN),
    }])
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

/// The number behind `p99 ` in the line of decisions.
fn p99(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix(LINE))?;
    let (_, rest) = line.split_once(P99)?;
    let (number, _) = rest.split_once(MICROSECONDS)?;
    let micros: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(micros / 1e6).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_decisions_own() {
        let text = "256 CPUs, 200 workloads; CPU time\noffer: 3 times, p50 1.0 us, p99 2.0 us, longest 3.0 us\n\
                    decision: 20000 times, p50 22.0 us, p99 62.5 us, longest 146.0 us\n\
                    decision by the wall clock: 1 times, p50 1.0 us, p99 9.0 us, longest 9.0 us\n";
        assert_eq!(p99(text), Some(Duration::from_nanos(62_500)));
        for wrong in [
            "",
            "decision: no",
            "decision: p99 x us",
            "decision: p99 -1 us",
            "decision: p99 NaN us",
        ] {
            assert_eq!(p99(wrong), None, "{wrong}");
        }
    }
}
