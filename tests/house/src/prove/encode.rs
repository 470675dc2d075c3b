//! How fast a page is written: the criterion bench of 5,000 series with four labels, and what it says.

use std::time::Duration;

use super::figure::Figure;
use crate::Wrong;
use crate::place::Place;
use crate::steps;

/// A page of 5,000 series takes this at most (metrics.md of the design, target 4). That nothing is allocated meanwhile is a
/// test's business: agent/tests/allocations.rs.
const WITHIN: Duration = Duration::from_micros(250);

/// What is run, and its lines.
const BENCH: [&str; 6] = ["bench", "--package", "house-tests", "--bench", "encode", "--"];
const GROUP: &str = "encode 5000 series";

/// Both formats.
pub fn page(place: &Place) -> Result<Vec<Figure>, Wrong> {
    let mut cargo = place.cargo(&BENCH);
    cargo.args(["--noplot", "--quiet", GROUP]);
    let output = cargo
        .output()
        .map_err(|err| Wrong::Failed(format!("cargo bench: {err}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let log = place.log("bench-encode");
    std::fs::write(&log, [&output.stdout[..], &output.stderr[..]].concat())
        .map_err(|err| Wrong::Failed(format!("{}: {err}", log.display())))?;
    if !output.status.success() {
        let last = steps::tail(&log).join("\n");
        return Err(Wrong::Failed(format!(
            "cargo bench --bench encode failed:\n{last}"
        )));
    }
    let took = |name: &str| {
        estimate(&text, &format!("{GROUP}/{name}"))
            .ok_or_else(|| Wrong::Failed(format!("no time of {name} in {}", log.display())))
    };
    let judged = |name: &str| -> Result<Figure, Wrong> {
        let what = format!("encode 5,000 series as {name}");
        Ok(micros(&what, took(name)?, Some(WITHIN)))
    };
    Ok(vec![
        judged("text")?,
        judged("OpenMetrics")?,
        micros("gzip of that page", took("gzip of it")?, None),
        micros(
            "gzip of that page by zlib-rs, level 1",
            took("gzip of it by zlib-rs")?,
            None,
        ),
    ])
}

/// Microseconds, which are the unit here.
fn micros(what: &str, took: Duration, target: Option<Duration>) -> Figure {
    let shown = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
    Figure {
        what: what.to_owned(),
        value: shown(took),
        target: target.map_or_else(String::new, |most| format!("≤ {}", shown(most))),
        verdict: target.map(|most| took <= most),
    }
}

/// The middle of `time: [low middle high]` below the line of a benchmark, as criterion prints it.
fn estimate(text: &str, name: &str) -> Option<Duration> {
    // The whole name: another may begin with it.
    let is_line = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with("time:"))
    };
    let begin = text.lines().find(is_line)?;
    let (_, after) = text.split_once(begin)?;
    let after = if begin.contains("time:") { begin } else { after };
    let (_, after) = after.split_once("time:")?;
    let (_, after) = after.split_once('[')?;
    let mut words = after.split_once(']')?.0.split_whitespace().skip(2);
    let (number, unit) = (words.next()?.parse::<f64>().ok()?, words.next()?);
    let seconds = match unit {
        "ns" => number * 1e-9,
        "µs" | "us" => number * 1e-6,
        "ms" => number * 1e-3,
        "s" => number,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterion_s_middle_estimate_is_read() {
        let text = "encode 5000 series/text time:   [170.11 µs 171.92 µs 174.02 µs]\n\
                    encode 5000 series/gzip of it\n                        time:   [1.40 ms 1.45 ms 1.5 ms]\n";
        let of = |name| estimate(text, &format!("encode 5000 series/{name}"));
        assert_eq!(of("text"), Some(Duration::from_nanos(171_920)));
        assert_eq!(of("gzip of it"), Some(Duration::from_micros(1_450)));
        assert_eq!(of("nothing"), None);
        assert_eq!(estimate("a time: [x]", "a"), None);
    }
}
