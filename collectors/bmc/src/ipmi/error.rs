//! What can go wrong between us and a BMC over IPMI: each error names the address, what was sent and what came.

use std::time::Duration;

use facts::NoData;
use nix::errno::Errno;

use super::bytes::DecodeError;
use super::command::{Command, completion};

/// Why a BMC could not be read or asked for something over IPMI.
#[derive(Debug, thiserror::Error)]
pub enum IpmiError {
    /// The address, a name or a key cannot be used.
    #[error("{address}: {why}")]
    Unusable {
        /// What was given.
        address: String,
        /// What is wrong, and what was expected.
        why: String,
    },
    /// The system could not send or receive.
    #[error("{address}: {act} could not be sent or its answer received")]
    Unreachable {
        /// The BMC.
        address: String,
        /// What was being sent.
        act: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The kernel's device cannot be used.
    #[error("{path}: {act} failed")]
    Device {
        /// The device.
        path: String,
        /// What was being done or sent.
        act: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// No answer came.
    #[error("{address}: no answer to {act} (sent {sent} times, waited {waited:?} in all{strays})")]
    Silent {
        /// The BMC.
        address: String,
        /// What was sent.
        act: String,
        /// How often it was sent.
        sent: u32,
        /// How long was waited.
        waited: Duration,
        /// What came instead, if anything: begins with a comma.
        strays: String,
    },
    /// The BMC's own list has none of our cipher suites.
    #[error(
        "{address}: offers cipher suites {there}; expected one of {ours} to be enabled there (suite 0 is never used: it proves neither the user nor the BMC)"
    )]
    NoneOfOurs {
        /// The BMC.
        address: String,
        /// What it lists.
        there: String,
        /// What we would have taken.
        ours: String,
    },
    /// None of our cipher suites is spoken there.
    #[error("{address}: refused {offered}, the last with status {status:02X}h ({meaning}); expected one of them to be enabled", meaning = status_meaning(*status))]
    NoSuite {
        /// The BMC.
        address: String,
        /// What we offered.
        offered: String,
        /// The status that came.
        status: u8,
    },
    /// The BMC ended the handshake.
    #[error("{address}: {step} for the user {user:?} was answered with status {status:02X}h ({meaning}); expected a session", meaning = status_meaning(*status))]
    Handshake {
        /// The BMC.
        address: String,
        /// The message that was sent.
        step: &'static str,
        /// Our user name; never the password.
        user: String,
        /// The status that came.
        status: u8,
    },
    /// The BMC does not know our password, or is not the BMC that does.
    #[error(
        "{address}: {step} does not prove the password of the user {user:?} (a wrong password or Kg, or a stranger); nothing more was sent"
    )]
    Unproven {
        /// The BMC.
        address: String,
        /// The message that came.
        step: &'static str,
        /// Our user name; never the password.
        user: String,
    },
    /// A command was answered with something else than success.
    #[error("{address}: {command} was answered with completion code {code:02X}h ({meaning}); expected 00h", meaning = completion(*code))]
    Completion {
        /// The BMC.
        address: String,
        /// What was sent.
        command: Command,
        /// The code that came.
        code: u8,
    },
    /// An answer that cannot be read.
    #[error("{address}: the answer to {act} cannot be read")]
    Malformed {
        /// The BMC.
        address: String,
        /// What was sent.
        act: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The SDR repository changed again and again while it was read, or has no end.
    #[error("{address}: {command} gave no stable repository: {why}")]
    Repository {
        /// The BMC.
        address: String,
        /// What was sent.
        command: Command,
        /// What happened.
        why: String,
    },
    /// We do not do this.
    #[error("{address}: refused: {why}")]
    Refused {
        /// The BMC.
        address: String,
        /// Why, and what would be accepted.
        why: String,
    },
    /// The BMC took a command and shows something else.
    #[error("{address}: {command} was accepted, but {seen} is read back; expected {wanted}")]
    NotTaken {
        /// The BMC.
        address: String,
        /// What was sent.
        command: Command,
        /// What was wanted.
        wanted: String,
        /// What is there.
        seen: String,
    },
}

impl IpmiError {
    /// Whether the BMC did not answer at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            IpmiError::Unreachable { .. } | IpmiError::Device { .. } | IpmiError::Silent { .. }
        )
    }

    /// The reason in one word, for a reading that could not be had.
    pub fn no_data(&self) -> NoData {
        match self {
            IpmiError::Unreachable { .. } | IpmiError::Silent { .. } => NoData::Timeout,
            IpmiError::Device { source, .. } => of_device(source),
            IpmiError::NoneOfOurs { .. }
            | IpmiError::NoSuite { .. }
            | IpmiError::Handshake { .. }
            | IpmiError::Unproven { .. }
            | IpmiError::Refused { .. } => NoData::Refused,
            IpmiError::Completion { code, .. } => match code {
                0xCB => NoData::Absent,
                0xC1 | 0xC2 | 0xCC | 0xCD | 0xD6 => NoData::Unsupported,
                0xD4 => NoData::Refused,
                0xC0 | 0xC3 | 0xCE | 0xD0..=0xD3 => NoData::Timeout,
                0xD5 => NoData::Off,
                _ => NoData::Garbled,
            },
            IpmiError::Unusable { .. }
            | IpmiError::Malformed { .. }
            | IpmiError::Repository { .. }
            | IpmiError::NotTaken { .. } => NoData::Garbled,
        }
    }

    /// The message with all its causes in one line.
    pub fn whole(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words.push_str(": ");
            words.push_str(&error.to_string());
            cause = error.source();
        }
        words
    }
}

/// What an error of the kernel's device means: it is not there or its driver went, we may not, it is no such device.
fn of_device(source: &std::io::Error) -> NoData {
    match source.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => NoData::Absent,
        Some(Errno::EACCES | Errno::EPERM) => NoData::Refused,
        Some(Errno::ENOTTY | Errno::EINVAL) => NoData::Unsupported,
        _ => NoData::Timeout,
    }
}

/// RMCP+ status codes (IPMI 2.0 table 13-15).
fn status_meaning(status: u8) -> &'static str {
    match status {
        0x01 => "no session left",
        0x02 => "invalid session id",
        0x03 => "invalid payload type",
        0x04 => "invalid authentication algorithm",
        0x05 => "invalid integrity algorithm",
        0x06 => "no matching authentication payload",
        0x07 => "no matching integrity payload",
        0x08 => "inactive session id",
        0x09 => "invalid role",
        0x0A => "this user may not have the privilege that was asked for",
        0x0B => "no session left at this privilege",
        0x0C => "invalid length of the name",
        0x0D => "no such user",
        0x0E => "wrong GUID",
        0x0F => "wrong integrity check: the password",
        0x10 => "invalid confidentiality algorithm",
        0x11 => "no such cipher suite",
        0x12 => "invalid parameter",
        _ => "reserved",
    }
}
