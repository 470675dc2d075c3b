//! Numbers of an isolation that have bounds: shares, weights, priorities. A number outside them is refused where it is read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::workload::shortened;

/// Why a number or a text is no such quantity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{given:?} is no {what}; expected {expected}")]
pub struct OutOfBounds {
    what: &'static str,
    given: String,
    expected: &'static str,
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident($number:ty), $least:expr, $most:expr, $what:expr, $expected:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name($number);

        impl $name {
            /// The lowest.
            pub const LEAST: $name = $name($least);
            /// The highest.
            pub const MOST: $name = $name($most);

            /// From a number.
            ///
            /// # Errors
            /// With what was expected, where it is outside the bounds.
            pub fn new(number: u64) -> Result<$name, OutOfBounds> {
                <$number>::try_from(number)
                    .ok()
                    .filter(|number| ($least..=$most).contains(number))
                    .map($name)
                    .ok_or_else(|| $name::not(&number.to_string()))
            }

            /// The number.
            pub const fn get(self) -> $number {
                self.0
            }

            fn not(given: &str) -> OutOfBounds {
                OutOfBounds {
                    what: $what,
                    given: shortened(given),
                    expected: $expected,
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                $name::new(u64::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

bounded!(
    /// A share in parts of a thousand: `Share::new(250)` is a quarter.
    Share(u16),
    1,
    1_000,
    "share",
    "1 to 1000 parts of a thousand, or a percentage as in 25%"
);
bounded!(
    /// How long a workload is kept when something runs short: 1 is kept longest, 9 is shed first.
    Priority(u8),
    1,
    9,
    "priority",
    "1 (kept longest) to 9 (shed first)"
);
bounded!(
    /// `cpu.weight` of cgroup v2; the kernel's own default is 100.
    CpuWeight(u16),
    1,
    10_000,
    "CPU weight",
    "1 to 10000, the kernel's default is 100"
);
bounded!(
    /// `io.weight` of cgroup v2; the kernel's own default is 100.
    IoWeight(u16),
    1,
    10_000,
    "I/O weight",
    "1 to 10000, the kernel's default is 100"
);

impl FromStr for Share {
    type Err = OutOfBounds;

    /// `250` parts of a thousand, or `25%`, `12.5%`.
    fn from_str(text: &str) -> Result<Share, OutOfBounds> {
        let not = || Share::not(text);
        let Some(percent) = text.strip_suffix('%') else {
            return Share::new(text.parse().map_err(|_| not())?).map_err(|_| not());
        };
        let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
        let whole: u64 = whole.parse().map_err(|_| not())?;
        let tenth: u64 = (tenth.len() == 1)
            .then(|| tenth.parse().ok())
            .flatten()
            .ok_or_else(not)?;
        let parts = whole.checked_mul(10).and_then(|parts| parts.checked_add(tenth));
        Share::new(parts.ok_or_else(not)?).map_err(|_| not())
    }
}

impl fmt::Display for Share {
    /// In percent: `25%`, `12.5%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, tenth) => write!(f, "{whole}.{tenth}%"),
        }
    }
}

impl FromStr for Priority {
    type Err = OutOfBounds;

    fn from_str(text: &str) -> Result<Priority, OutOfBounds> {
        let not = || Priority::not(text);
        Priority::new(text.parse().map_err(|_| not())?).map_err(|_| not())
    }
}

impl Default for Priority {
    /// In the middle: neither the first nor the last to be shed.
    fn default() -> Priority {
        Priority(5)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_read_percent_and_parts_and_nothing_else() {
        assert_eq!("25%".parse::<Share>().unwrap().get(), 250);
        assert_eq!("12.5%".parse::<Share>().unwrap().to_string(), "12.5%");
        assert_eq!("1000".parse::<Share>().unwrap(), Share::MOST);
        let long = "9".repeat(65_536);
        for bad in [
            "", "0", "0%", "1001", "100.1%", "-1", "1.25%", "1e3", "NaN", &long,
        ] {
            let refused = bad.parse::<Share>().unwrap_err().to_string();
            assert!(refused.len() < 300, "{refused}");
        }
    }

    #[test]
    fn numbers_outside_their_bounds_are_refused_where_they_are_read() {
        for bad in ["0", "10", "1000000000000000000", "-1", "1.5", "\"5\""] {
            assert!(serde_json::from_str::<Priority>(bad).is_err(), "{bad} was taken");
        }
        assert_eq!(serde_json::from_str::<Priority>("9").unwrap(), Priority::MOST);
        assert!(serde_json::from_str::<CpuWeight>("10001").is_err());
    }
}
