//! Erasing a drive for good, with a proof: the one thing in the house that cannot be undone.
//!
//! What it may be done to is asked twice, the second time of the drive itself, immediately before the first command that destroys. What is
//! under way is on disk before that command, so that whoever comes after a loss of power goes on, or begins anew. What a drive says of its
//! own erasure is evidence and no proof: samples are read back. The order of things is decided in `machine`, which is pure; the hand that
//! touches a drive is [`mod@crate::apply`]'s.

mod asked;
mod ata;
mod eraser;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod machine;
mod nvme;
mod obstacle;
mod record;
mod sample;
mod signature;

use std::io;
use std::path::PathBuf;

use facts::Moment;
use intent::Mode;
use serde::{Deserialize, Serialize};

use crate::fabric::DriveIdentity;
use crate::isolator::IsolateError;

pub use eraser::Eraser;
pub use obstacle::obstacles;

/// How a drive is erased. What stands first is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// NVMe Sanitize, crypto erase (NVM Express Base 2.0, 5.24, SANACT 100b).
    SanitizeCrypto,
    /// NVMe Sanitize, block erase (SANACT 010b).
    SanitizeBlock,
    /// NVMe Format NVM, cryptographic erase (5.14, SES 010b).
    FormatCrypto,
    /// NVMe Format NVM, user data erase (SES 001b).
    FormatBlock,
    /// ATA SECURITY ERASE UNIT, enhanced (ACS-4, 7.38).
    AtaEnhanced,
    /// ATA SECURITY ERASE UNIT.
    Ata,
    /// Zeros to every block. The last resort: blocks that the drive has set aside keep what they hold.
    Overwrite,
}

impl Method {
    /// As people say it.
    pub const fn words(self) -> &'static str {
        match self {
            Method::SanitizeCrypto => "sanitize (crypto erase)",
            Method::SanitizeBlock => "sanitize (block erase)",
            Method::FormatCrypto => "format (cryptographic erase)",
            Method::FormatBlock => "format (user data erase)",
            Method::AtaEnhanced => "enhanced security erase",
            Method::Ata => "security erase",
            Method::Overwrite => "overwriting every block",
        }
    }
}

/// What whoever asks for an erasure says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Every block may be written where nothing better is there.
    pub overwrite: bool,
    /// The drive was lent, and its tenant gave it back: what lies on it is that tenant's and is what shall go. Otherwise a drive with a
    /// partition table, a member of something or a sealed one is refused.
    pub was_lent: bool,
}

/// An erasure: how far it is, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasing {
    /// What is done, or was done last.
    pub method: Method,
    /// When this erasure began: before its first command that destroys.
    pub began: Moment,
    /// Methods that did not do, and why: a sentence each.
    pub refused: Vec<String>,
    /// How it stands.
    pub state: State,
}

/// How an erasure stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", deny_unknown_fields)]
pub enum State {
    /// It runs.
    Running {
        /// How far it is, as the device says, in thousandths; `None` where it does not.
        permille: Option<u16>,
    },
    /// The device says that it is done, and it was read back. Whether that is a proof is for whoever reads the samples.
    Done {
        /// When the device said that it was done.
        ended: Moment,
        /// The drive, as it told who it is afterwards.
        drive: DriveIdentity,
        /// Log page 81h in hexadecimal, as far as its bytes have a meaning (32); `None` for a method that has none.
        log_page: Option<String>,
        /// Samples that were read back.
        samples: u32,
        /// How many of them still held something.
        dirty: u32,
        /// `Data Units Written` afterwards, where the device counts.
        written: Option<u64>,
    },
    /// It failed.
    Failed {
        /// What happened, and what was expected.
        why: String,
    },
}

/// Why no erasure was begun. Nothing was written to the drive.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The mode of the actuator `drives` forbids it.
    #[error("{device} would be erased; in mode {mode} nothing is done")]
    Mode {
        /// The drive.
        device: String,
        /// The mode.
        mode: Mode,
    },
    /// The host does not show what it should, or has no such drive.
    #[error(transparent)]
    Host(#[from] IsolateError),
    /// Somebody has it.
    #[error("{device} is not erased: {}", .obstacles.join("; "))]
    InUse {
        /// The drive.
        device: String,
        /// What speaks against it.
        obstacles: Vec<String>,
    },
    /// It is another drive.
    #[error("{device} says that it is {found}; expected {expected}: nothing is erased")]
    OtherDrive {
        /// What the OS calls it.
        device: String,
        /// Who it is to be.
        expected: DriveIdentity,
        /// Who it says it is.
        found: String,
    },
    /// It does not answer as a drive does.
    #[error("{device}: {what}")]
    Device {
        /// The drive.
        device: String,
        /// What was asked, what came, what was expected.
        what: String,
    },
    /// There is no method for it.
    #[error("{device} cannot be erased: {}", .why.join("; "))]
    NoMethod {
        /// The drive.
        device: String,
        /// Why each method is none: a sentence each.
        why: Vec<String>,
    },
    /// What is under way cannot be kept on disk.
    #[error("cannot keep on disk what is done to {device}, in {}", .path.display())]
    Journal {
        /// The drive.
        device: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}
