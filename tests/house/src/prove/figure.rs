//! One figure: what was measured, what came out, what was promised.

use std::fs;
use std::time::Duration;

use crate::place::Place;

/// From a clean clone with warm caches, on two cores (the house's promise).
const VERIFY_WITHIN_SECONDS: f64 = 1500.0;

/// One line of the table.
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub value: String,
    /// What was promised; empty for a figure that is only told.
    pub target: String,
    /// Whether it holds; `None` where there is nothing to hold.
    pub verdict: Option<bool>,
}

impl Figure {
    /// A duration that may not be longer than its target.
    pub fn at_most(what: &str, took: Duration, target: Duration, note: &str) -> Figure {
        Figure {
            what: what.to_owned(),
            value: format!("{}{note}", millis(took)),
            target: format!("≤ {}", millis(target)),
            verdict: Some(took <= target),
        }
    }

    /// Ours against a peer's in the same run: at most this share of it.
    pub fn ratio(what: &str, unit: &str, ours: f64, theirs: f64, most: f64) -> Figure {
        let ratio = ours / theirs;
        Figure {
            what: what.to_owned(),
            value: format!("{ours:.2} {unit} beside {theirs:.2} {unit}: {ratio:.3} of it"),
            target: format!("≤ {most:.2} of it"),
            verdict: Some(ratio <= most),
        }
    }

    /// A figure without a target: a peer's, or one to compare with.
    pub fn told(what: &str, value: String) -> Figure {
        Figure {
            what: what.to_owned(),
            value,
            target: String::new(),
            verdict: None,
        }
    }

    /// Whether it misses nothing.
    pub fn holds(&self) -> bool {
        self.verdict != Some(false)
    }

    /// The verdict in one word.
    pub fn word(&self) -> &'static str {
        match self.verdict {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "-",
        }
    }

    /// The line as it is printed.
    pub fn line(&self) -> String {
        let target = if self.target.is_empty() { "-" } else { &self.target };
        format!("{} | {} | {target} | {}", self.what, self.value, self.word())
    }
}

/// How long the last full `cargo verify` took, and that nothing failed in it.
pub fn verify(place: &Place) -> Figure {
    let what = "cargo verify, its last full run";
    let record = fs::read_to_string(place.records.join("verify.json")).unwrap_or_default();
    let number = |name: &str| number_in(&record, name);
    let (Some(seconds), Some(passed), Some(failed)) = (number("seconds"), number("passed"), number("failed"))
    else {
        return Figure::told(what, "no record; run cargo verify first".to_owned());
    };
    Figure {
        what: what.to_owned(),
        value: format!("{seconds:.0} s, {passed:.0} passed, {failed:.0} failed"),
        target: format!("≤ {VERIFY_WITHIN_SECONDS:.0} s, 0 failed"),
        verdict: Some(seconds <= VERIFY_WITHIN_SECONDS && failed == 0.0),
    }
}

/// The number behind `"name":` in a flat JSON object of our own.
fn number_in(json: &str, name: &str) -> Option<f64> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    let number: String = rest
        .trim_start()
        .chars()
        .take_while(|seen| seen.is_ascii_digit() || *seen == '.')
        .collect();
    number.parse().ok()
}

/// Milliseconds with one decimal.
pub fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// The middle one.
pub fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// The load average as the kernel tells it.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_kept_or_missed() {
        let ms = Duration::from_millis;
        let kept = Figure::at_most("facts", ms(12), ms(300), "");
        assert_eq!(kept.line(), "facts | 12.0 ms | ≤ 300.0 ms | pass");
        assert!(!Figure::at_most("facts", ms(301), ms(300), "").holds());
        assert!(Figure::told("lstopo", "9 ms".to_owned()).holds());
    }

    #[test]
    fn the_record_of_verify_is_read() {
        let record = "{\"seconds\": 812.3, \"passed\": 400, \"failed\": 0}";
        assert_eq!(number_in(record, "seconds"), Some(812.3));
        assert_eq!(number_in(record, "failed"), Some(0.0));
        assert_eq!(number_in(record, "none"), None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let ms = Duration::from_millis;
        assert_eq!(median(vec![ms(9), ms(1), ms(5)]), ms(5));
        assert_eq!(median(vec![]), ms(0));
    }
}
