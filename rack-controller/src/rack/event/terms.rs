//! What claims do to each other: one takes the watts of another.

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
}
