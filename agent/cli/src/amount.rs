//! Times as they are typed.

use agent_api::v1::{LONGEST_GRACE, LONGEST_WATCH, SHORTEST_WATCH};

/// A grace in milliseconds, as in 10s.
pub fn parse_grace(text: &str) -> Result<u32, String> {
    let milliseconds = parse_duration(text)?.checked_mul(1_000);
    milliseconds
        .filter(|grace| *grace <= LONGEST_GRACE)
        .ok_or_else(|| format!("{text:?} is too long a grace; expected at most 10m"))
}

/// A time to watch in milliseconds, as in 500ms or 5s.
pub fn parse_watch(text: &str) -> Result<u32, String> {
    let expected =
        || format!("{text:?} is no time to watch; expected {SHORTEST_WATCH}ms to 1m, as in 500ms, 5s or 1m");
    let milliseconds = match text.strip_suffix("ms") {
        Some(digits) => digits.parse().map_err(|_| expected())?,
        None => parse_duration(text)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000))
            .ok_or_else(expected)?,
    };
    if (SHORTEST_WATCH..=LONGEST_WATCH).contains(&milliseconds) {
        Ok(milliseconds)
    } else {
        Err(expected())
    }
}

/// A duration in seconds, as in 30s.
pub fn parse_duration(text: &str) -> Result<u32, String> {
    let expected = || format!("{text:?} is no duration; expected one as in 30s, 10m or 1h");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u32 = digits.parse().map_err(|_| expected())?;
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(expected()),
    };
    number.checked_mul(each).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_to_watch_is_bounded() {
        assert_eq!(parse_watch("500ms"), Ok(500));
        assert_eq!(parse_watch("1m"), Ok(60_000));
        for bad in ["", "0s", "99ms", "61s", "2m", "5", "-1s", "ms", "99999999999s"] {
            assert!(parse_watch(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("10m").unwrap(), 600);
        for bad in ["", "10", "m", "10d", "-1s", "99999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad} was taken");
        }
    }
}
