//! The proof that a drive was erased: what was done, what the device itself says of it, and what was read back.

pub use agent_api::v1::EraseMethod;
use facts::Moment;
use serde::{Deserialize, Serialize};

use super::DriveId;

/// Samples that are read back at least: the first and the last block, and some between them.
pub const FEWEST_SAMPLES: u32 = 16;

/// What shows that a drive was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The drive, as it told who it is after the erasure.
    pub drive: DriveId,
    /// What was done.
    pub method: EraseMethod,
    /// When it began.
    pub began: Moment,
    /// When the device said that it was done.
    pub ended: Moment,
    /// What the device itself says of it: for Sanitize its log page 81h, in hexadecimal; `None` for a method that has no such page.
    pub log_page: Option<String>,
    /// Samples that were read back.
    pub samples: u32,
    /// How many of them still held something.
    pub dirty: u32,
    /// Everything that was ever written to it, in the device's own units, when it was done (NVMe SMART log, `Data Units Written`).
    pub written: Option<u64>,
    /// Who asked for it.
    pub asked_by: String,
}

/// What a proof lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofLacks {
    /// It is of another drive.
    #[error("{found} was erased where {expected} was to be; nothing is known of {expected}")]
    OtherDrive {
        /// The drive that was to be erased.
        expected: DriveId,
        /// The one that was.
        found: DriveId,
    },
    /// Something is still there.
    #[error("{dirty} of {samples} samples still hold something after it was erased")]
    Dirty {
        /// Samples that hold something.
        dirty: u32,
        /// All.
        samples: u32,
    },
    /// Too little was read back.
    #[error("{samples} samples were read back; expected at least {FEWEST_SAMPLES}")]
    TooFewSamples {
        /// How many were.
        samples: u32,
    },
    /// The device says nothing of a sanitize that it is to have done.
    #[error("it shows no log of its own of the sanitize; expected log page 81h")]
    NoLog,
    /// It began before it was asked for, or before the drive was put back.
    #[error("it began at {began}, and the drive waits to be erased since {since}")]
    Early {
        /// Its beginning.
        began: Moment,
        /// Since when it waits.
        since: Moment,
    },
    /// It ended before it began, by its own words.
    #[error("it ended at {ended}, before it began at {began}")]
    Backwards {
        /// Its beginning.
        began: Moment,
        /// Its end.
        ended: Moment,
    },
}

impl Proof {
    /// What is missing of it; `None` where it shows that this drive was erased since that moment.
    pub fn lacks(&self, drive: &DriveId, since: Moment) -> Option<ProofLacks> {
        let sanitized = matches!(
            self.method,
            EraseMethod::SanitizeCrypto | EraseMethod::SanitizeBlock
        );
        if self.drive != *drive {
            return Some(ProofLacks::OtherDrive {
                expected: drive.clone(),
                found: self.drive.clone(),
            });
        }
        if self.dirty > 0 {
            return Some(ProofLacks::Dirty {
                dirty: self.dirty,
                samples: self.samples,
            });
        }
        if self.samples < FEWEST_SAMPLES {
            return Some(ProofLacks::TooFewSamples {
                samples: self.samples,
            });
        }
        if sanitized && self.log_page.as_deref().is_none_or(str::is_empty) {
            return Some(ProofLacks::NoLog);
        }
        if self.began < since {
            return Some(ProofLacks::Early {
                began: self.began,
                since,
            });
        }
        (self.ended < self.began).then_some(ProofLacks::Backwards {
            began: self.began,
            ended: self.ended,
        })
    }
}
