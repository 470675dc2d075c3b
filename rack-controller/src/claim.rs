//! A claim: watts that are promised to a purpose, firm, until they are released.

use facts::{Moment, Power};
use rack_api::v1::{PowerAsk, Taken};
use serde::{Deserialize, Serialize};

/// The priority of an ask that names none: the middle of 1 (kept longest) and 9 (shed first).
pub const USUAL_PRIORITY: u8 = 5;
/// The lowest number, kept longest.
pub const FIRST_PRIORITY: u8 = 1;
/// The highest number, shed first.
pub const LAST_PRIORITY: u8 = 9;
/// The longest name of a claim: it must fit a line of a table.
pub const LONGEST_NAME: usize = 64;
/// The longest idempotency key; a UUID has 36 characters.
pub const LONGEST_KEY: usize = 128;

/// A claim's id: `c17`. Ids are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimId(pub u64);

impl std::fmt::Display for ClaimId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl ClaimId {
    /// Reads `c17`; `None` for anything else.
    pub fn read(text: &str) -> Option<ClaimId> {
        let digits = text.strip_prefix('c')?;
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok().map(ClaimId)).flatten()
    }
}

/// The shortest time to live, and the shortest reservation: whoever renews must have a chance to.
pub const SHORTEST_TTL: u32 = 5;
/// The longest of both, 30 days: what shall stand longer has no end.
pub const LONGEST_TTL: u32 = 2_592_000;

/// One claim in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// What for; also its name, unique among the claims in force.
    #[serde(rename = "for")]
    pub purpose: String,
    /// Firm watts.
    pub watts: Power,
    /// Revocable watts that it asks for beside them; whether it has them is [`Kept::granted`](crate::rack::state::Kept::granted).
    #[serde(default)]
    pub revocable: Power,
    /// The domain.
    pub domain: String,
    /// The node that may draw them; `None` for a reservation, which grants no cap.
    pub node: Option<String>,
    /// 1 (kept longest) to 9 (shed first).
    pub priority: u8,
    /// Whose quota it counts in.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Whether it only keeps watts free until it is applied.
    #[serde(default)]
    pub reserved: bool,
    /// For how many seconds it stands from each renewal.
    #[serde(default)]
    pub ttl_seconds: Option<u32>,
    /// When it was admitted.
    pub since: Moment,
    /// When it ends unless it is renewed, or applied where it is reserved.
    #[serde(default)]
    pub until: Option<Moment>,
    /// Claims whose watts it took when it was admitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<Taken>,
    /// Whether what its node leaves unused of its firm watts may be lent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lendable: bool,
}

impl Claim {
    /// The node that may draw its watts: none while it is only reserved.
    pub fn draws_on(&self) -> Option<&str> {
        self.node.as_deref().filter(|_| !self.reserved)
    }

    /// Who is served first, and shed last: priority, then age.
    pub const fn rank(&self) -> (u8, Moment, ClaimId) {
        (self.priority, self.since, self.id)
    }

    /// What is told of it to who took its watts.
    pub fn taken(&self) -> Taken {
        Taken {
            id: self.id.to_string(),
            purpose: self.purpose.clone(),
            watts: self.watts,
            node: self.node.clone(),
            priority: self.priority,
        }
    }
}

/// An answered ask, kept so that the same idempotency key gets the same answer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The ask.
    pub ask: PowerAsk,
    /// The claim as it was admitted, also where it was released since.
    pub claim: Claim,
}

/// What is wrong with a claim's name, and what was expected; `None` where it is one.
pub fn wrong_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("the claim has no name; expected what it is for, as in \"web\"".to_owned());
    }
    if name.chars().count() > LONGEST_NAME {
        return Some(format!(
            "the claim's name is longer than {LONGEST_NAME} characters; expected a short one, as in \"web\""
        ));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Some(format!(
            "{name:?} is no name for a claim; expected text without control characters and without spaces at its ends"
        ));
    }
    ClaimId::read(name)
        .map(|_| format!("{name:?} would look like a claim's id; expected another name, as in \"web\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_cannot_tell_apart_are_refused() {
        for good in ["web", "c", "cache", "c3po", "Web front 1"] {
            assert_eq!(wrong_name(good), None, "{good}");
        }
        for bad in ["", "  ", "c17", " web", "a\nb", &"x".repeat(65)] {
            assert!(wrong_name(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn ids_read_what_they_show() {
        assert_eq!(ClaimId::read(&ClaimId(17).to_string()), Some(ClaimId(17)));
        for bad in ["17", "c", "c-1", "c99999999999999999999"] {
            assert_eq!(ClaimId::read(bad), None, "{bad}");
        }
    }
}
