//! Pooled drives: `busbar drives`, and what `claim`, `release`, `show` and `why` say of drives.

mod by_name;
mod claim;
mod draw;
mod size;
mod swap;
mod why;

pub use by_name::{DRIVES_HELP, DriveVerb, drives};
pub use claim::{CLAIM_DRIVES_HELP, ClaimDrives, claim, release, renew};
pub use draw::{claims, pool};
pub use size::decimal;
pub use swap::{bay, swap};
pub use why::{of_bay, of_claim, of_drive};

use rack_api::client::{ClientError, RackClient};
use rack_api::v1::DrivesView;

/// The pool, where the controller has one: one that is older, or has no enclosures, answers `not_found`.
///
/// # Errors
/// As of every call.
pub async fn of_rack(rack: &RackClient) -> Result<Option<DrivesView>, ClientError> {
    match rack.drives().await {
        Ok(view) => Ok(Some(view)),
        Err(error) if error.detail().is_some_and(|detail| detail.code == "not_found") => Ok(None),
        Err(error) => Err(error),
    }
}
