//! Redundancy policies: which losses promises must survive.

use std::fmt;
use std::str::FromStr;

/// The most covered units; a shelf holds fewer supplies than this.
const MOST_COVERED: u32 = 64;

/// Which losses promises must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Redundancy {
    /// None: `n`.
    N,
    /// The k largest supplies: `n+1`, `n+2` …
    Plus(u32),
    /// Either feed: `n+n`.
    Feeds,
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no redundancy; expected \"n\", \"n+1\" (or another number of supplies up to 64) or \"n+n\""
)]
pub struct NotAPolicy(String);

impl Redundancy {
    /// How many losses it covers: supplies, or feeds for `n+n`.
    pub const fn covers(self) -> u32 {
        match self {
            Redundancy::N => 0,
            Redundancy::Plus(supplies) => supplies,
            Redundancy::Feeds => 1,
        }
    }
}

impl fmt::Display for Redundancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Redundancy::N => f.write_str("n"),
            Redundancy::Plus(supplies) => write!(f, "n+{supplies}"),
            Redundancy::Feeds => f.write_str("n+n"),
        }
    }
}

impl FromStr for Redundancy {
    type Err = NotAPolicy;

    fn from_str(text: &str) -> Result<Redundancy, NotAPolicy> {
        let not = || NotAPolicy(text.to_owned());
        match text {
            "n" => Ok(Redundancy::N),
            "n+n" => Ok(Redundancy::Feeds),
            _ => {
                let digits = text.strip_prefix("n+").ok_or_else(not)?;
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                let supplies: u32 = digits.parse().map_err(|_| not())?;
                if !plain || supplies == 0 || supplies > MOST_COVERED {
                    return Err(not());
                }
                Ok(Redundancy::Plus(supplies))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn policies_read_what_they_show() {
        for text in ["n", "n+1", "n+2", "n+64", "n+n"] {
            assert_eq!(text.parse::<Redundancy>().unwrap().to_string(), text);
        }
        for bad in ["", "N+1", "n+0", "n+65", "n+-1", "n++1", "2n", "n+1 "] {
            assert!(bad.parse::<Redundancy>().is_err(), "{bad}");
        }
    }
}
