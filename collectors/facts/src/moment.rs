//! A point in time, as an argument: nothing here reads a clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since the Unix epoch (UTC). JSON: RFC 3339 with milliseconds, `2026-11-22T01:40:18.123Z`.
///
/// A daemon anchors its wall clock once and adds monotonic time, so that within one process moments never run backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// Why a text is no moment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no moment; expected RFC 3339 after 1970, as in 2026-11-22T01:40:18.123Z")]
pub struct NotAMoment(String);

impl Moment {
    /// The Unix epoch.
    pub const EPOCH: Moment = Moment(0);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Moment {
        Moment(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This moment and a while.
    #[must_use]
    pub fn after(self, while_: Duration) -> Moment {
        Moment(
            self.0
                .saturating_add(u64::try_from(while_.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = i64::try_from(self.0)
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
        match stamp {
            Some(stamp) => write!(f, "{stamp:.3}"),
            None => write!(f, "{}ms-after-1970", self.0),
        }
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Moment, NotAMoment> {
        let not = || NotAMoment(text.to_owned());
        let stamp: jiff::Timestamp = text.parse().map_err(|_| not())?;
        u64::try_from(stamp.as_millisecond())
            .map(Moment)
            .map_err(|_| not())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_moment_reads_what_it_shows() {
        let moment = Moment::from_millis(1_795_311_618_123);
        assert_eq!(moment.to_string().parse::<Moment>().unwrap(), moment);
        assert!(moment.to_string().ends_with(".123Z"), "{moment}");
        assert!("yesterday".parse::<Moment>().is_err());
        assert!("1969-01-01T00:00:00Z".parse::<Moment>().is_err());
    }
}
