//! Leases of power as a node holds them: what a rack's grant does to the cap in force, and what time does to it.
//!
//! Pure: no clock, no file, no hardware; time comes as an argument. Every change gives the state that follows, and the keeper
//! installs it once the disk and the hardware have done their part.
//!
//! **Invariant**: what is in force is never above what the last accepted lease grants for its level, and after its end never above
//! level 1. A lease that is old, late or of a journal that lacks something raises nothing.

mod check;
#[cfg(any(test, feature = "fuzz"))]
mod fuzz;
mod grant;
mod refusal;
mod take;
#[cfg(test)]
mod tests;

use agent_api::v1::Head;
use facts::Power;
use serde::{Deserialize, Serialize};

pub use check::{MOST_LEVELS, MOST_VALID_MILLIS, MOST_WATTS};
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use fuzz::fuzz;
pub use grant::Grant;
pub use refusal::Refusal;

/// Where and when a lease is judged.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// This boot of the node.
    pub boot_id: &'a str,
    /// The reading of its clock (`CLOCK_BOOTTIME`), in milliseconds.
    pub now: u64,
    /// The cap that a person has set, where no lease is held.
    pub cap: Option<Power>,
}

/// A lease that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The rack that granted it.
    pub rack: String,
    /// The number of the last lease that was accepted.
    pub sequence: u64,
    /// What that lease granted.
    pub grant: Grant,
    /// What holds instead, where that lease was obeyed for what it lowers only: it came late, or of a journal that lacks something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Grant>,
    /// The reading of this boot's clock at which it ends, in milliseconds.
    pub expires_millis: u64,
    /// Whether it ended before it was renewed.
    #[serde(default)]
    pub expired: bool,
    /// The cap in force.
    pub target: Power,
}

/// How far a rack's journal had come when it was seen last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Whose journal.
    pub rack: String,
    /// The highest head.
    pub head: Head,
}

/// The lease that was ended in order last: one of the same rack that is no later comes too late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The rack.
    pub rack: String,
    /// The number that it was ended with.
    pub sequence: u64,
}

/// All that a node remembers of its leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// The lease in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The journal's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// What was ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What a change does to the caps, those in force and those that are armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// None of them changes.
    Nothing,
    /// None of them rises.
    Down,
    /// At least one of them rises.
    Up,
}

/// The state that follows, and what there is to say of the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The state.
    pub leases: Leases,
    /// What it does to the caps.
    pub moves: Moves,
    /// Events: a kind and a sentence each.
    pub told: Vec<(&'static str, String)>,
}

impl Held {
    /// What holds: the grant, or what is left of it.
    pub fn holds(&self) -> &Grant {
        self.bound.as_ref().unwrap_or(&self.grant)
    }

    /// The same after its end: level 1, or what is in force where that is less.
    fn ended(&self) -> Held {
        Held {
            expired: true,
            target: self.target.min(self.holds().at(1)),
            ..self.clone()
        }
    }
}

impl Leases {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        *self == Leases::default()
    }

    /// Whether somebody should have renewed by now and has not.
    pub fn is_due(&self, now: u64) -> bool {
        let mut held = self.held.iter();
        held.any(|held| !held.expired && now >= held.expires_millis)
    }

    /// What time has made of it; `None` where nothing.
    pub fn expire(&self, now: u64) -> Option<Next> {
        let held = self.held.as_ref().filter(|_| self.is_due(now))?;
        let ended = held.ended();
        let late = now.saturating_sub(held.expires_millis);
        let message = format!(
            "rack {:?} did not renew lease {} in time, it ended {late} ms ago: {} is in force, was {}",
            held.rack, held.sequence, ended.target, held.target
        );
        Some(Next {
            moves: Moves::Down,
            leases: Leases {
                held: Some(ended),
                ..self.clone()
            },
            told: vec![("lease_expired", message)],
        })
    }

    /// After a boot: whatever was granted was granted to the boot before.
    #[must_use]
    pub fn after_boot(&self) -> Leases {
        let held = self.held.as_ref().map(|held| Held {
            expires_millis: 0,
            ..held.ended()
        });
        Leases { held, ..self.clone() }
    }

    /// The same with no more in force than this: what the hardware was found with may be younger than what was written down.
    #[must_use]
    pub fn no_higher_than(&self, found: Power) -> Leases {
        let held = self.held.as_ref().map(|held| Held {
            target: held.target.min(found),
            ..held.clone()
        });
        Leases { held, ..self.clone() }
    }

    /// The later of two that one node remembers of the same boot. Both were true once; where they are as old the other one counts.
    #[must_use]
    pub fn or_later(self, other: Leases) -> Leases {
        let is_later = match (&self.held, &other.held) {
            (_, None) => false,
            (Some(ours), Some(theirs)) => ours.rack == theirs.rack && theirs.sequence >= ours.sequence,
            (None, Some(theirs)) => {
                let mut ended = self.ended.iter();
                !ended.any(|ended| ended.rack == theirs.rack && theirs.sequence <= ended.sequence)
            }
        };
        if is_later { other } else { self }
    }

    /// The cap in force by the lease.
    pub fn target(&self) -> Option<Power> {
        self.held.as_ref().map(|held| held.target)
    }

    /// The highest head that was seen of a rack's journal.
    fn head_of(&self, rack: &str) -> Option<&Head> {
        let seen = self.seen.as_ref().filter(|seen| seen.rack == rack)?;
        Some(&seen.head)
    }
}
