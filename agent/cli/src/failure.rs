//! What went wrong, as an exit code: 2 usage, 3 refused, 4 unreachable, 1 anything else.

use agent_api::client::ClientError as AgentError;
use rack_api::client::ClientError as RackError;

use crate::oci::OciError;
use crate::place::PlaceError;
use crate::vm::VmError;

/// Wrong usage, or an ask that cannot be right.
pub const USAGE: u8 = 2;
/// The rack or the agent said no.
pub const REFUSED: u8 = 3;
/// Nobody answered.
pub const UNREACHABLE: u8 = 4;

/// The exit code for an error of a verb.
pub fn code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<RackError>() {
        return match error {
            RackError::Unreachable { .. } => UNREACHABLE,
            RackError::Refused { error, .. } => of_word(&error.code),
            RackError::Address { .. } | RackError::File { .. } => USAGE,
            RackError::Garbled { .. } | RackError::Setup { .. } => 1,
        };
    }
    if let Some(error) = error.downcast_ref::<AgentError>() {
        return match error.code() {
            Some(word) => of_word(word),
            None if error.is_unreachable() => UNREACHABLE,
            None => 1,
        };
    }
    if error.is::<PlaceError>() {
        return USAGE;
    }
    if let Some(error) = error.downcast_ref::<VmError>() {
        return if error.is_usage() { USAGE } else { REFUSED };
    }
    if let Some(error) = error.downcast_ref::<OciError>() {
        return if error.is_refusal() { REFUSED } else { USAGE };
    }
    1
}

/// The exit code for an error code of the APIs.
fn of_word(code: &str) -> u8 {
    match code {
        "bad_request" | "not_found" => USAGE,
        "refused" | "shortfall" | "conflict" | "unauthorized" | "busy" => REFUSED,
        _ => 1,
    }
}
