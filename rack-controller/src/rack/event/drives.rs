//! What happens to pooled drives and to claims of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::pools::drives::Drive;
use crate::rack::drives::{DriveClaim, LeavingBay, NodeDrives};

/// One drive's life went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveChange {
    /// Why.
    pub cause: DriveCause,
    /// The drive as it is now.
    pub drive: Drive,
}

/// Why a drive's life went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum DriveCause {
    /// Seen for the first time: foreign.
    Found,
    /// It is in a bay again.
    Returned,
    /// It is where it was, and its enclosure's node started anew meanwhile.
    Restarted,
    /// It is in no bay any more.
    Pulled {
        /// Where it was.
        place: String,
    },
    /// Somebody has it erased, so that it joins the pool.
    Enrolled,
    /// Somebody gives up what is on it.
    GivenUp,
    /// Its hold is over: it is erased.
    HoldOver,
    /// It is lent.
    Lent {
        /// Whether it goes back to whom it is kept for, with what is on it.
        kept: bool,
        /// The drive that it stands in for, where that says that it will fail.
        replaces: Option<String>,
    },
    /// Its enclosure was read to let in its holder's node, and nobody else.
    Admitted,
    /// Its holder's node has seen the very drive.
    Attached,
    /// It leaves its holder.
    Ending,
    /// Its enclosure was read: nobody can reach it, and what is on it is kept.
    Fenced,
    /// It is erased, with a proof.
    Erased,
    /// An erasure failed.
    NotErased {
        /// Why.
        reason: String,
    },
    /// Somebody says that what is on it is what its holder left.
    Vouched,
    /// It says that it will fail.
    WillFail,
    /// It does not say any more that it will fail.
    WillNotFail,
    /// It told another size than before.
    Resized,
    /// It tells more of its wear.
    Worn,
}

/// A claim of drives went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveClaimChange {
    /// How.
    pub turn: DriveClaimTurn,
    /// The claim: as it is now, or as it was where it ended.
    pub claim: DriveClaim,
}

/// How a claim of drives goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "turn")]
pub enum DriveClaimTurn {
    /// It has its drives.
    Admitted {
        /// The ask's idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// It stands for longer.
    Renewed,
    /// It was given back.
    Released,
    /// Its time was over.
    Expired,
    /// It was taken back before its asker had it: the journal could not be written in time.
    Withdrawn,
    /// Its holder was told that a drive will fail, and when it is taken from it.
    Warned {
        /// The drive's serial number.
        serial: String,
    },
}

impl DriveClaimTurn {
    /// Whether it is in force afterwards.
    pub const fn stands(&self) -> bool {
        match self {
            DriveClaimTurn::Admitted { .. } | DriveClaimTurn::Renewed | DriveClaimTurn::Warned { .. } => true,
            DriveClaimTurn::Released | DriveClaimTurn::Expired | DriveClaimTurn::Withdrawn => false,
        }
    }
}

/// Somebody empties a bay for a drive, or that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveBayChange {
    /// The bay.
    pub place: String,
    /// How it is emptied; `None` where that is over.
    pub leaving: Option<LeavingBay>,
    /// What is wrong where another drive was pulled than the one that was to be; nothing else may be pulled there meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// What a node's agent said of drives.
#[derive(Clone, Debug, PartialEq)]
pub struct DrivesSeen {
    /// The node.
    pub node: String,
    /// What.
    pub seen: Arc<NodeDrives>,
}
