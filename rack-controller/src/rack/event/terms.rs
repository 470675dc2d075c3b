//! What claims do to each other: one takes the watts of another, or lends what it leaves unused.

use facts::Power;
use serde::{Deserialize, Serialize};

use crate::claim::{Claim, ClaimId};

/// A claim ended because one of higher priority took its watts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preemption {
    /// The claim that ended.
    pub claim: Claim,
    /// The one that took its watts.
    pub by: ClaimId,
    /// What that one is for.
    pub by_for: String,
    /// That one's priority.
    pub by_priority: u8,
    /// Firm watts that are free meanwhile.
    pub headroom: Power,
    /// The serial numbers of the drives that were claimed with these watts: both or neither, so they are fenced and held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drives: Vec<String>,
}

/// What is lent of a node's firm watts changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LendingChange {
    /// The node.
    pub node: String,
    /// How.
    pub turn: LendingTurn,
}

/// How lending goes on at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "turn")]
pub enum LendingTurn {
    /// So much is lent from now on.
    Lent {
        /// Of its firm watts.
        watts: Power,
        /// What it keeps: its cap from now on.
        keeps: Power,
        /// The most that it drew within the window.
        peak: Power,
    },
    /// All of it is taken back: whoever has it is lowered first.
    Recalled {
        /// What was lent.
        watts: Power,
        /// Why.
        reason: String,
    },
    /// Its cap is as high again as its claims say.
    Returned {
        /// From the recall to its agent's answer, in milliseconds.
        took_millis: u64,
    },
}
