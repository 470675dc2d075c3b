//! Whose a drive is, as steps that are refused where they would break a promise.
//!
//! The order is always the same. Access ends first and is read back at the target; only then is a drive held, and only what its holder gave
//! back, or an operator named, is erased; only a proof makes it free; only a free drive is lent. Whoever left without a word (a claim that ran
//! out, a node that was lost) leaves its data behind: that drive is held without an end.

use std::time::Duration;

use facts::Moment;
use serde::{Deserialize, Serialize};

use super::Proof;
use crate::claim::ClaimId;

/// Who holds a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// By which claim.
    pub claim: ClaimId,
    /// What that is for: who asks again for the same gets the same drives.
    pub purpose: String,
    /// Whose it is.
    pub tenant: Option<String>,
    /// On which node.
    pub node: String,
}

impl Holder {
    /// Whether another one may have the data of this one: the same tenant, for the same purpose.
    pub fn may_pass_to(&self, other: &Holder) -> bool {
        self.tenant == other.tenant && self.purpose == other.purpose
    }
}

/// How far a grant has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The target is told to let the node in.
    Admitting,
    /// The target was read back: this node and no other may connect.
    Admitted,
    /// The node has seen the very drive: it may be used.
    Attached,
}

/// A drive that is lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To whom.
    pub holder: Holder,
    /// The how-manieth time.
    pub generation: u64,
    /// In which stay of the drive in a bay.
    pub arrival: u64,
    /// How far it has come.
    pub stage: Stage,
}

/// Why a drive leaves its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its holder or an operator gave it back: it may be erased after a while.
    Released {
        /// How long it waits for second thoughts.
        erase_after: Duration,
    },
    /// Its claim ran out.
    Expired,
    /// Its node is lost, or silent for too long.
    NodeLost,
    /// It was pulled out of its bay.
    Pulled,
    /// The node saw another drive than the one that was lent.
    WrongDrive,
    /// It is about to fail, or hangs.
    Failing,
    /// Another claim took the watts that were claimed with it.
    Preempted,
}

/// Whose a drive is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Tenancy {
    /// Nobody's business: it never joined the pool, or came back with something on it.
    Foreign {
        /// Why, where it was ours once.
        why: Option<String>,
    },
    /// Erased with proof, and nobody's.
    Free {
        /// The proof.
        proof: Box<Proof>,
    },
    /// Lent.
    Claimed(Grant),
    /// Its access ends; it is nobody else's before that was read back.
    Releasing {
        /// What ends.
        grant: Grant,
        /// Why.
        ending: Ending,
    },
    /// Nobody can reach it, and what is on it is kept.
    Held {
        /// Whose data that is.
        holder: Holder,
        /// When it is erased; `None`: not before somebody says so.
        until: Option<Moment>,
        /// Why it left its holder.
        ending: Ending,
    },
    /// On its way to be free.
    Wiping {
        /// Erasures that failed.
        tries: u32,
        /// Who asked for it.
        asked_by: String,
        /// Why the last one failed.
        why: Option<String>,
    },
    /// It could not be erased, so it stays out.
    Failed {
        /// Why.
        why: String,
    },
}

impl Tenancy {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Tenancy::Foreign { .. } => "foreign",
            Tenancy::Free { .. } => "free",
            Tenancy::Claimed(_) => "claimed",
            Tenancy::Releasing { .. } => "releasing",
            Tenancy::Held { .. } => "held",
            Tenancy::Wiping { .. } => "wiping",
            Tenancy::Failed { .. } => "failed",
        }
    }

    /// The grant that stands or ends.
    pub const fn grant(&self) -> Option<&Grant> {
        match self {
            Tenancy::Claimed(grant) | Tenancy::Releasing { grant, .. } => Some(grant),
            Tenancy::Foreign { .. }
            | Tenancy::Free { .. }
            | Tenancy::Held { .. }
            | Tenancy::Wiping { .. }
            | Tenancy::Failed { .. } => None,
        }
    }

    /// Whose data is on it, or may be.
    pub const fn holder(&self) -> Option<&Holder> {
        match self {
            Tenancy::Held { holder, .. } => Some(holder),
            Tenancy::Claimed(grant) | Tenancy::Releasing { grant, .. } => Some(&grant.holder),
            Tenancy::Foreign { .. }
            | Tenancy::Free { .. }
            | Tenancy::Wiping { .. }
            | Tenancy::Failed { .. } => None,
        }
    }
}
