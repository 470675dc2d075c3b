//! Bays for drives: emptied by whoever says so, and lit for whoever looks for them, empty ones too.

use rack_api::v1::{DrainAnswer, DrainRequest, Interlock, LocateRequest};

use super::end;
use crate::decide::Refusal;
use crate::decide::drain::LONGEST_LOCATE_SECONDS;
use crate::decide::settle::Course;
use crate::pools::drives::{Drive, DriveId, Ending, Tenancy};
use crate::rack::drives::LeavingBay;
use crate::rack::event::{DriveBayChange, What};
use crate::rack::evolve::SWAP_LIGHT;
use crate::rack::state::Rack;

/// How long a light stays where nobody says more.
const USUAL_LOCATE: std::time::Duration = std::time::Duration::from_secs(600);

/// What a request to drain a bay for a drive is answered, without doing it: who has the drive, and what happens to what is on it. `None`
/// where the place is no bay for a drive.
///
/// # Errors
/// The request contradicts itself or how things are.
pub fn drain_answer(rack: &Rack, request: &DrainRequest) -> Option<Result<DrainAnswer, Refusal>> {
    let (enclosure, bay) = rack.config.drive_bay(&request.place)?;
    let leaving = rack.kept.drives.leaving.contains_key(&bay.place);
    if request.cancel && !leaving {
        let message = format!("{} is not being drained; there is nothing to cancel", bay.place);
        return Some(Err(Refusal::Conflict(message)));
    }
    if request.force && request.reason.as_deref().is_none_or(|why| why.trim().is_empty()) {
        return Some(Err(Refusal::BadRequest(
            "force without a reason; expected why, as in \"smoke\": it is journaled".to_owned(),
        )));
    }
    let drive = rack.kept.drives.in_bay(&bay.place);
    let (answer, sentence) = match (trouble_beside(rack, &bay.place), drive) {
        (Some(trouble), _) => (Interlock::No, format!("no: {trouble}")),
        (None, None) => (Interlock::Yes, format!("yes: {} is empty", bay.place)),
        (None, Some(drive)) if enclosure.has_only_bmc() => {
            let (answer, sentence) = verdict(drive);
            let name = &enclosure.name;
            let unseen = format!("only a BMC speaks for {name}, so nobody here sees whether a host uses it");
            (answer, format!("{sentence}; {unseen}"))
        }
        (None, Some(drive)) => verdict(drive),
    };
    let (answer, sentence) = if request.cancel {
        (Interlock::Yes, format!("yes: {} stays as it is", bay.place))
    } else {
        (answer, sentence)
    };
    let confirmed = answer != Interlock::No || request.force;
    let forced = answer == Interlock::No && confirmed;
    let sentence = if forced {
        format!("{sentence}; forced: it is fenced first, and what is on it is kept")
    } else {
        sentence
    };
    let would_help = match drive.and_then(|drive| drive.tenancy.grant()) {
        Some(grant) if answer == Interlock::No => vec![grant.holder.purpose.clone()],
        Some(_) | None => Vec::new(),
    };
    Some(Ok(DrainAnswer {
        place: bay.place.clone(),
        label: bay.label.clone(),
        feed: None,
        answer,
        sentence,
        begun: confirmed && !request.dry_run && !request.cancel,
        would_help,
        led: None,
    }))
}

/// What is wrong in another bay of the same enclosure: before that is put right, nothing else is pulled there.
fn trouble_beside(rack: &Rack, place: &str) -> Option<String> {
    let (enclosure, _) = place.split_once('/')?;
    let leaving = rack.kept.drives.leaving.iter();
    let mut beside = leaving
        .filter(|(bay, _)| *bay != place && bay.split_once('/').is_some_and(|(of, _)| of == enclosure));
    beside.find_map(|(bay, leaving)| leaving.trouble(bay))
}

/// Whether a drive may be pulled, and what that does.
fn verdict(drive: &Drive) -> (Interlock, String) {
    let id = &drive.id;
    match &drive.tenancy {
        Tenancy::Free { .. } => (Interlock::Yes, format!("yes: {id} is erased, and nobody's")),
        Tenancy::Foreign { .. } => (
            Interlock::Yes,
            format!("yes: {id} is foreign, and nothing here uses it"),
        ),
        Tenancy::Failed { .. } => (
            Interlock::Yes,
            format!("yes: {id} could not be erased; what is on it leaves with it"),
        ),
        Tenancy::Held { holder, .. } => (
            Interlock::Yes,
            format!(
                "yes: {id} is held for \"{}\" and nobody can reach it; what is on it leaves with it",
                holder.purpose
            ),
        ),
        Tenancy::Claimed(grant) => (
            Interlock::No,
            format!(
                "no: {id} is lent to \"{}\" ({}) on {}, which loses it; release that first, or force it with a reason",
                grant.holder.purpose, grant.holder.claim, grant.holder.node
            ),
        ),
        Tenancy::Releasing { grant, .. } => (
            Interlock::No,
            format!(
                "no: the access of {} to {id} ends just now; ask again in a second",
                grant.holder.node
            ),
        ),
        Tenancy::Wiping { .. } => (
            Interlock::No,
            format!("no: {id} is being erased; pulled now, it has to be erased anew"),
        ),
    }
}

/// Drains a bay for a drive, or gives that up. `None` where the place is no bay for a drive.
pub fn drain(next: &mut Course<'_>, request: &DrainRequest) -> Option<Result<(), Refusal>> {
    let answer = match drain_answer(&next.rack, request)? {
        Ok(answer) => answer,
        Err(refusal) => return Some(Err(refusal)),
    };
    if request.cancel {
        if !request.dry_run {
            given_back(next, &request.place);
        }
        return Some(Ok(()));
    }
    if !answer.begun {
        return Some(if request.dry_run {
            Ok(())
        } else {
            Err(Refusal::Interlock(Box::new(answer)))
        });
    }
    let drive = next.rack.kept.drives.in_bay(&request.place).cloned();
    let leaving = LeavingBay {
        drive: drive.as_ref().map(|drive| drive.id.clone()),
        since: next.now,
        wrong: None,
    };
    next.happen(What::DriveBayChanged(Box::new(DriveBayChange {
        place: request.place.clone(),
        leaving: Some(leaving),
        wrong: None,
    })));
    if let Some(drive) = drive {
        // Its holder was not asked: what is on it is kept.
        end(next, &drive, Ending::Pulled);
    }
    Some(Ok(()))
}

fn given_back(next: &mut Course<'_>, place: &str) {
    next.happen(What::DriveBayChanged(Box::new(DriveBayChange {
        place: place.to_owned(),
        leaving: None,
        wrong: None,
    })));
}

/// A bay that somebody drained is empty: its light stays on, so that the next drive goes where the last one was.
pub(super) fn emptied(next: &mut Course<'_>, place: &str) {
    given_back(next, place);
    let until = next.now.after(SWAP_LIGHT);
    crate::decide::drain::light(next, place, until);
}

/// A drive is in a bay again: where it was pulled instead of another one, that other one may be pulled now.
pub(super) fn put_back(next: &mut Course<'_>, drive: &DriveId) {
    let leaving = next.rack.kept.drives.leaving.iter();
    let mut its = leaving.filter(|(_, leaving)| leaving.wrong.as_ref() == Some(drive));
    let Some((place, leaving)) = its
        .next()
        .map(|(place, leaving)| (place.clone(), leaving.clone()))
    else {
        return;
    };
    next.happen(What::DriveBayChanged(Box::new(DriveBayChange {
        place,
        leaving: Some(LeavingBay {
            wrong: None,
            ..leaving
        }),
        wrong: None,
    })));
}

/// Something came into a bay that somebody looked for, or had emptied.
pub(super) fn filled(next: &mut Course<'_>, place: &str) {
    let leaving = next.rack.kept.drives.leaving.get(place);
    if leaving.is_some_and(|leaving| leaving.drive.is_none()) {
        given_back(next, place);
    }
    if next.rack.kept.located.contains_key(place) {
        next.happen(What::LocateEnded {
            place: place.to_owned(),
            label: next.label(place),
        });
    }
}

/// Lights a bay for a drive, or puts that out. `None` where the place is no bay for a drive.
pub fn locate(next: &mut Course<'_>, request: &LocateRequest) -> Option<Result<(), Refusal>> {
    next.rack.config.drive_bay(&request.place)?;
    let seconds = request.for_seconds.map(u64::from);
    if seconds.is_some_and(|seconds| seconds == 0 || seconds > u64::from(LONGEST_LOCATE_SECONDS)) {
        return Some(Err(Refusal::BadRequest(format!(
            "{} seconds; expected 1 to {LONGEST_LOCATE_SECONDS} for a light",
            seconds.unwrap_or_default()
        ))));
    }
    if request.on {
        let length = seconds.map_or(USUAL_LOCATE, std::time::Duration::from_secs);
        let until = next.now.after(length);
        crate::decide::drain::light(next, &request.place, until);
    } else if next.rack.kept.located.contains_key(&request.place) {
        let label = next.label(&request.place);
        let place = request.place.clone();
        next.happen(What::LocateEnded { place, label });
    }
    Some(Ok(()))
}
