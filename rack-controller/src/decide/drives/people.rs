//! What people ask of one drive: that it is erased, that what is on it is believed. The serial number is typed again.

use rack_api::v1::{EraseDrive, VouchDrive};

use super::change;
use crate::decide::Refusal;
use crate::decide::settle::Course;
use crate::pools::drives::plan::{self, Place};
use crate::pools::drives::{Denied, Drive, Tenancy};
use crate::rack::event::DriveCause;
use crate::rack::state::Rack;

/// The one drive of a serial number, and of a model where that is said.
///
/// # Errors
/// There is none, or there are two.
pub fn find<'a>(rack: &'a Rack, serial: &str, model: Option<&str>) -> Result<&'a Drive, Refusal> {
    let drives = rack.kept.drives.of_serial(serial);
    let mut drives = drives.filter(|drive| model.is_none() || drive.id.model() == model);
    let Some(first) = drives.next() else {
        return Err(Refusal::NotFound(format!(
            "there is no drive {serial:?}; expected a serial number as `busbar show drives` lists them"
        )));
    };
    match drives.next() {
        None => Ok(first),
        Some(other) => Err(Refusal::Conflict(format!(
            "{} and {} have one serial number; expected the model too",
            first.id, other.id
        ))),
    }
}

/// A step that was refused, for whoever asked for it.
pub(super) fn denied(denied: &Denied) -> Refusal {
    match denied {
        Denied::Mistyped { .. } => Refusal::BadRequest(denied.to_string()),
        Denied::NotNow { .. }
        | Denied::Late { .. }
        | Denied::OtherStay(_)
        | Denied::StillReached { .. }
        | Denied::Absent(_)
        | Denied::Unsealed { .. }
        | Denied::WillFail(_)
        | Denied::Others { .. }
        | Denied::Unproven { .. }
        | Denied::InUse { .. } => Refusal::Conflict(denied.to_string()),
    }
}

/// What speaks against erasing a drive, as its enclosure's agent says now.
fn obstacles(rack: &Rack, drive: &Drive) -> Result<Vec<String>, Refusal> {
    match plan::told(rack, &drive.id) {
        Place::One(one) if one.drive.is_hung => Err(Refusal::Conflict(format!(
            "{} does not answer, so nobody knows what is on it: nothing is erased",
            drive.id
        ))),
        Place::One(one) => Ok(one.drive.obstacles.clone()),
        Place::Many(_) => Err(Refusal::Conflict(format!(
            "two drives say that they are {}: nothing is erased before one of them is out",
            drive.id
        ))),
        Place::Nowhere => Err(Refusal::Conflict(format!(
            "{} cannot be seen now, so nobody knows what is on it: nothing is erased",
            drive.id
        ))),
    }
}

/// Who asks, for the proof.
fn by(next: &Course<'_>) -> String {
    let by = next.asked.as_ref().and_then(|asked| asked.by.clone());
    by.unwrap_or_else(|| "somebody who did not say who they are".to_owned())
}

pub(super) fn enrol(next: &mut Course<'_>, serial: &str, request: &EraseDrive) -> Result<(), Refusal> {
    let drive = find(&next.rack, serial, request.model.as_deref())?;
    let obstacles = obstacles(&next.rack, drive)?;
    let erased = drive.enrol(&request.serial, &obstacles, &by(next), next.now);
    let erased = erased.map_err(|error| denied(&error))?;
    change(next, DriveCause::Enrolled, erased);
    Ok(())
}

pub(super) fn give_up(next: &mut Course<'_>, serial: &str, request: &EraseDrive) -> Result<(), Refusal> {
    let drive = find(&next.rack, serial, request.model.as_deref())?;
    if matches!(drive.tenancy, Tenancy::Failed { .. }) {
        return enrol(next, serial, request);
    }
    // What its holder left on it is what shall go; whether somebody uses it in its enclosure, that one's agent asks.
    let erased = drive.give_up(&request.serial, &by(next), next.now);
    let erased = erased.map_err(|error| denied(&error))?;
    change(next, DriveCause::GivenUp, erased);
    Ok(())
}

pub(super) fn vouch(next: &mut Course<'_>, serial: &str, request: &VouchDrive) -> Result<(), Refusal> {
    let drive = find(&next.rack, serial, request.model.as_deref())?;
    if request.serial != drive.id.serial() {
        let typed = request.serial.chars().take(64).collect();
        let drive = drive.id.clone();
        return Err(denied(&Denied::Mistyped { drive, typed }));
    }
    let vouched = drive.vouched().map_err(|error| denied(&error))?;
    change(next, DriveCause::Vouched, vouched);
    Ok(())
}
