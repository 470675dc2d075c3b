//! What an agent tells of drives: who came and went, who can reach what, how an erasure ended.

use std::sync::Arc;

use agent_api::v1::{DrivesView, EraseMethod, Erasure, ErasureState};
use facts::Moment;

use super::news::{Finding, finding, findings};
use super::{change, restart};
use crate::decide::settle::Course;
use crate::pools::drives::plan;
use crate::pools::drives::{Denied, Drive, DriveId, Proof, Tenancy, Wear};
use crate::rack::drives::{DrivesSight, LeavingBay, NodeDrives};
use crate::rack::event::{DriveBayChange, DriveCause, DrivesSeen, What};
use crate::rack::state::Rack;

pub(super) fn what(rack: &Rack, node: &str, view: &Arc<DrivesView>, now: Moment) -> What {
    let before = rack.sight.drives.nodes.get(node);
    let is_same_boot = |before: &&Arc<NodeDrives>| {
        let view_before = before.view.as_ref();
        view_before.is_some_and(|before| before.boot_id == view.boot_id)
    };
    let boot_since = before.filter(is_same_boot).and_then(|before| before.boot_since);
    let seen = NodeDrives {
        view: Some(Arc::clone(view)),
        at: Some(now),
        boot_since: boot_since.or(Some(now)),
        silent_since: None,
        reason: None,
    };
    What::DrivesSeen(DrivesSeen {
        node: node.to_owned(),
        seen: Arc::new(seen),
    })
}

pub(super) fn seen(next: &mut Course<'_>, node: &str, view: &Arc<DrivesView>) {
    if !next.rack.config.tells_of_drives(node) {
        return;
    }
    let before = next.rack.sight.drives.clone();
    let what = what(&next.rack, node, view, next.now);
    next.happen(what);
    // A drive may have gone from one enclosure to another, so all of them are held against what the journal says.
    let found = findings(next);
    for (id, seats) in found {
        let last = counter(next, &before, &id);
        came_and_went(next, &id, &seats, last);
    }
    attached(next, node, view);
}

pub(super) fn silent(next: &mut Course<'_>, node: &str, reason: &str) {
    if !next.rack.config.tells_of_drives(node) {
        return;
    }
    let before = next
        .rack
        .sight
        .drives
        .nodes
        .get(node)
        .cloned()
        .unwrap_or_default();
    let seen = NodeDrives {
        silent_since: before.silent_since.or(Some(next.now)),
        reason: Some(reason.to_owned()),
        ..(*before).clone()
    };
    next.happen(What::DrivesSeen(DrivesSeen {
        node: node.to_owned(),
        seen: Arc::new(seen),
    }));
}

/// What a drive's counter was when it was read last: one that is gone is known by that when it comes back.
fn counter(next: &Course<'_>, before: &DrivesSight, id: &DriveId) -> Option<u64> {
    let told = plan::told_in(&next.rack.config, before, id);
    told.one().and_then(|one| one.drive.written)
}

/// What is told of one drive is held against what the journal says once more, because time went by.
pub(super) fn look_again(next: &mut Course<'_>, id: &DriveId) {
    let rack = &next.rack;
    let told = plan::told(rack, id);
    let found: Vec<Finding> = told.all().iter().map(|one| finding(rack, one)).collect();
    came_and_went(next, id, &found, None);
}

fn came_and_went(next: &mut Course<'_>, id: &DriveId, found: &[Finding], last: Option<u64>) {
    let known = next.rack.kept.drives.get(id).cloned();
    let (one, known) = match (found, known) {
        ([one], known) => (one, known),
        ([], Some(known)) => return gone(next, &known.counted(last)),
        // In two bays at once: whatever is done to one of them could be done to the other. Nothing is.
        (_, _) => return,
    };
    let Some(mut drive) = known else {
        let found = Drive::found(id.clone(), one.told.size, one.seat.clone(), next.now);
        let wear = wear(one);
        let boot = one.boot.clone();
        let found = Drive { wear, boot, ..found }.counted(one.told.written);
        change(next, DriveCause::Found, found);
        return super::bays::filled(next, &one.seat.place);
    };
    if restart::is_one(&drive, one) {
        match restart::restarted(next, &drive.counted(last), one) {
            Some(after) => drive = after,
            None => return,
        }
    } else if drive.seat.as_ref() != Some(&one.seat) {
        // It was pulled and put in between two looks, here or elsewhere.
        if drive.seat.is_some() {
            pull(next, &drive.counted(last));
        }
        let Some(out) = next.rack.kept.drives.get(id) else {
            return;
        };
        let boot = one.boot.clone();
        let back = out.returned(one.seat.clone(), one.told.written, next.now);
        drive = Drive { boot, ..back };
        change(next, DriveCause::Returned, drive.clone());
        super::bays::put_back(next, id);
        super::bays::filled(next, &one.seat.place);
    }
    told(next, drive, one);
}

/// A drive that nobody tells of: gone from its bay, where that can be seen. One in an enclosure that does not answer is not gone.
fn gone(next: &mut Course<'_>, drive: &Drive) {
    let Some(seat) = &drive.seat else { return };
    let config = &next.rack.config;
    let is_seen = config.drive_bay(&seat.place).is_some_and(|(enclosure, _)| {
        let agent = next.rack.sight.drives.nodes.get(&enclosure.agent);
        // A node that has just started may not have found it yet.
        agent.is_some_and(|agent| restart::has_looked(drive, agent, next.now))
    });
    if is_seen {
        pull(next, drive);
    }
}

fn pull(next: &mut Course<'_>, drive: &Drive) {
    let Some(seat) = drive.seat.clone() else { return };
    let place = seat.place;
    let wrong = wrong_one(next, drive, &place);
    change(
        next,
        DriveCause::Pulled { place: place.clone() },
        drive.pulled(next.now),
    );
    if let Some((bay, wrong)) = wrong {
        let leaving = next.rack.kept.drives.leaving.get(&bay).cloned();
        let leaving = leaving.map(|leaving| LeavingBay {
            wrong: Some(drive.id.clone()),
            ..leaving
        });
        let changed = DriveBayChange {
            place: bay,
            leaving,
            wrong: Some(wrong),
        };
        next.happen(What::DriveBayChanged(Box::new(changed)));
    } else if next.rack.kept.drives.leaving.contains_key(&place) {
        super::bays::emptied(next, &place);
    }
}

/// Whether somebody was to pull another drive of the same enclosure, and pulled this one.
fn wrong_one(next: &Course<'_>, drive: &Drive, place: &str) -> Option<(String, String)> {
    let leaving = &next.rack.kept.drives.leaving;
    let (enclosure, _) = place.split_once('/')?;
    if leaving.contains_key(place) {
        return None;
    }
    let (bay, meant) = leaving
        .iter()
        .find(|(bay, _)| bay.split_once('/').is_some_and(|(of, _)| of == enclosure))?;
    let meant = meant.drive.as_ref()?;
    let sentence = format!(
        "{bay} was to lose {}, and {} was pulled out of {place}: put it back",
        meant.serial(),
        drive.id.serial()
    );
    Some((bay.clone(), sentence))
}

const fn wear(found: &Finding) -> Wear {
    Wear {
        percent_used: found.told.percent_used,
        predicts_failure: found.told.predicts_failure,
    }
}

/// What is told of a drive in its bay.
fn told(next: &mut Course<'_>, drive: Drive, found: &Finding) {
    let mut drive = drive;
    if found.told.is_hung {
        // What is said of it otherwise is from before.
        return;
    }
    if drive.size != found.told.size {
        drive = drive.resized(found.told.size, next.now);
        change(next, DriveCause::Resized, drive.clone());
    }
    let wear = wear(found);
    if drive.wear != wear {
        let cause = match (drive.wear.predicts_failure, wear.predicts_failure) {
            (false, true) => DriveCause::WillFail,
            (true, false) => DriveCause::WillNotFail,
            (_, _) => DriveCause::Worn,
        };
        drive = Drive { wear, ..drive };
        change(next, cause, drive.clone());
    }
    let seen = &found.access;
    let counted = drive.counted(seen.written);
    if let Ok(admitted) = counted.admitted(seen, next.now) {
        change(next, DriveCause::Admitted, admitted);
    } else if let Ok(fenced) = counted.shut(seen, next.now) {
        change(next, DriveCause::Fenced, fenced);
    } else if let Some(erasure) = &found.told.erasure {
        erased(next, &drive, erasure);
    }
}

/// How an erasure ended, where it is the one of this very try.
fn erased(next: &mut Course<'_>, drive: &Drive, erasure: &Erasure) {
    let Tenancy::Wiping { asked_by, .. } = &drive.tenancy else {
        return;
    };
    if erasure.generation != drive.generation {
        return;
    }
    let failed = match &erasure.state {
        ErasureState::Running { .. } => return,
        ErasureState::Failed { why } => why.clone(),
        // A BMC cannot read back what it erased, and erasing it again would show no more.
        ErasureState::Done {
            samples: 0, log_page, ..
        } if erasure.method == EraseMethod::Redfish => return unread(next, drive, log_page.as_deref()),
        ErasureState::Done { .. } => match proof(drive, erasure, asked_by) {
            Ok(proof) => match drive.erased(proof, next.now) {
                Ok(free) => return change(next, DriveCause::Erased, free),
                Err(Denied::Unproven { lacks, .. }) => lacks.to_string(),
                // It is in no bay, or was asked for anew: nothing is known of it.
                Err(_) => return,
            },
            Err(why) => why,
        },
    };
    if let Ok(after) = drive.not_erased(&failed, next.now) {
        change(next, DriveCause::NotErased { reason: failed }, after);
    }
}

/// Erased by a BMC's word: that is evidence and no proof.
fn unread(next: &mut Course<'_>, drive: &Drive, evidence: Option<&str>) {
    let evidence = evidence.unwrap_or("a BMC, without more words");
    let reason = format!("{evidence}, and nobody read back whether it is so: there is no proof");
    if let Ok(after) = drive.stays_out(&reason, next.now) {
        change(next, DriveCause::NotErased { reason }, after);
    }
}

fn proof(drive: &Drive, erasure: &Erasure, asked_by: &str) -> Result<Proof, String> {
    let ErasureState::Done {
        ended,
        identity,
        log_page,
        samples,
        dirty,
        written,
    } = &erasure.state
    else {
        return Err("it is not done".to_owned());
    };
    let proof = Proof {
        drive: DriveId::of(identity).map_err(|error| error.to_string())?,
        method: erasure.method,
        began: erasure.began,
        ended: *ended,
        log_page: log_page.clone(),
        samples: *samples,
        dirty: *dirty,
        written: *written,
        asked_by: asked_by.to_owned(),
    };
    Ok(proof.on_our_clock(drive.since))
}

/// What a node has attached: a grant is in use where it has seen the very drive.
fn attached(next: &mut Course<'_>, node: &str, view: &DrivesView) {
    let mut news: Vec<Drive> = Vec::new();
    for drive in next.rack.kept.drives.all() {
        let Tenancy::Claimed(grant) = &drive.tenancy else {
            continue;
        };
        if grant.holder.node != node || grant.stage != crate::pools::drives::Stage::Admitted {
            continue;
        }
        let Some(place) = drive
            .seat
            .as_ref()
            .and_then(|seat| next.rack.config.drive_bay(&seat.place))
        else {
            continue;
        };
        let Some(target) = next.rack.sight.drives.slot(&place.0.agent, &place.1.slot) else {
            continue;
        };
        let ours = view
            .attached
            .iter()
            .find(|attached| plan::is_of(attached, grant, target));
        let Some(identity) = ours
            .filter(|attached| attached.device.is_some())
            .and_then(|attached| attached.identity.as_ref())
        else {
            continue;
        };
        // One that does not say who it is is not the one that was lent.
        let sees = DriveId::of(identity).ok();
        let after = match &sees {
            Some(sees) => drive.attached(sees, grant.generation, next.now),
            None => drive.end(crate::pools::drives::Ending::WrongDrive, next.now),
        };
        news.extend(after);
    }
    for drive in news {
        let cause = if matches!(drive.tenancy, Tenancy::Claimed(_)) {
            DriveCause::Attached
        } else {
            DriveCause::Ending
        };
        change(next, cause, drive);
    }
}
