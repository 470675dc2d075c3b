//! How slowly a domain's nodes lend what they leave unused.

use std::time::Duration;

use super::PPM;
use super::section::Section;

/// How long a node's draw is watched before anything of it is lent.
const USUAL_WINDOW: Duration = Duration::from_secs(600);
/// The shortest and the longest window: what is shorter is no habit, and what is longer is kept in no memory.
const WINDOWS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3_600));
/// What a lender keeps above the most that it drew, and the least of that: 10 %. With less, the error of its meter would call its watts back.
const USUAL_MARGIN_PPM: u32 = 100_000;

/// What is lent of unused firm watts, and how late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LendConfig {
    /// How long a node's draw is watched before what it leaves unused of lendable claims is lent.
    pub window: Duration,
    /// What such a node keeps above the most that it drew within that time, in parts per million of that.
    pub margin_ppm: u32,
}

/// `lend_window` and `lend_margin` of a `[[domain]]`.
pub(super) fn lend(section: &Section<'_>) -> LendConfig {
    let (shortest, longest) = WINDOWS;
    let window = section.duration("lend_window", shortest);
    if window.is_some_and(|window| window > longest) {
        let expected = format!(
            "lend_window in [[domain]]: expected at most {} s",
            longest.as_secs()
        );
        section.errors.at_line(section.line, expected);
    }
    LendConfig {
        window: window.unwrap_or(USUAL_WINDOW),
        margin_ppm: section
            .ratio(
                "lend_margin",
                USUAL_MARGIN_PPM..PPM,
                "a share from 0.1 to below 1, as in 0.1",
            )
            .unwrap_or(USUAL_MARGIN_PPM),
    }
}
