//! `[proof]` of the configuration: whether exclusive CPUs are proven by the clock.

use std::time::Duration;

use super::reader::{Faults, Reader};

const KEYS: [&str; 1] = ["every"];
/// The shortest and the longest period: a proof watches each workload for a second.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads the section; `None` where nothing is proven by the clock.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> Option<Duration> {
    section.only(&KEYS, faults);
    let (text, place) = section.text("every", faults)?;
    let every = duration(text).filter(|every| (SHORTEST..=LONGEST).contains(every));
    if every.is_none() {
        let expected = "expected 10s to 24h, as in \"60s\", \"10m\" or \"1h\"; leave the key out for never";
        faults.add(
            place,
            format!("every = {text:?} is no period of proofs; {expected}"),
        );
    }
    every
}

/// `60s`, `10m` or `1h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(digits_end);
    let each: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Duration::from_secs(
        digits.parse::<u64>().ok()?.checked_mul(each)?,
    ))
}
