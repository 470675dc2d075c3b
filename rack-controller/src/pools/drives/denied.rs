//! Why a step of a drive's tenancy is not taken.

use super::DriveId;
use super::proof::ProofLacks;

/// Why a step is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The drive is not where this step begins.
    #[error("{drive} is {is}; expected one that is {expected}")]
    NotNow {
        /// The drive.
        drive: DriveId,
        /// How it is.
        is: &'static str,
        /// How it would have to be.
        expected: &'static str,
    },
    /// The answer is about an earlier grant.
    #[error("this is about grant {found} of {drive}, and grant {expected} stands")]
    Late {
        /// The drive.
        drive: DriveId,
        /// The grant that it is about.
        found: u64,
        /// The grant that stands.
        expected: u64,
    },
    /// The answer is about an earlier stay in a bay.
    #[error("this is about an earlier stay of {0} in its bay")]
    OtherStay(DriveId),
    /// Others can still reach it.
    #[error("{} can still reach {drive}", .nodes.join(", "))]
    StillReached {
        /// The drive.
        drive: DriveId,
        /// Who.
        nodes: Vec<String>,
    },
    /// It is in no bay.
    #[error("{0} is in no bay; put it back first")]
    Absent(DriveId),
    /// It was away, and nobody knows what was done to it there.
    #[error("{drive}: {why}; expected somebody who knows where it was to vouch for it, or to have it erased")]
    Unsealed {
        /// The drive.
        drive: DriveId,
        /// Why.
        why: String,
    },
    /// It is about to fail.
    #[error("{0} says of itself that it will fail; it is lent to nobody")]
    WillFail(DriveId),
    /// Its data is somebody else's.
    #[error("{drive} keeps what \"{purpose}\" wrote; only the same tenant has it back, for the same purpose")]
    Others {
        /// The drive.
        drive: DriveId,
        /// Whose it is.
        purpose: String,
    },
    /// The proof shows nothing.
    #[error("no proof that {drive} was erased: {lacks}")]
    Unproven {
        /// The drive.
        drive: DriveId,
        /// What the proof lacks.
        lacks: Box<ProofLacks>,
    },
    /// Something speaks against it.
    #[error("{drive} is not erased: {}", .obstacles.join("; "))]
    InUse {
        /// The drive.
        drive: DriveId,
        /// What was found on it.
        obstacles: Vec<String>,
    },
    /// The serial number was not typed as it is.
    #[error("{typed:?} is not the serial number of {drive}: nothing is erased")]
    Mistyped {
        /// The drive.
        drive: DriveId,
        /// What was typed.
        typed: String,
    },
}
