//! What follows for drives from the time and from what happened: holds that end, claims that end, nodes that are lost, drives that hang.

use std::time::Duration;

use facts::Moment;
use rack_api::v1::DriveClaimAsk;

use super::spares::Spares;
use super::{ask, change, change_claim, end, restart};
use crate::claim::ClaimId;
use crate::decide::settle::Course;
use crate::pools::drives::{Drive, DriveId, Ending, Grant, Tenancy};
use crate::rack::event::{DriveCause, DriveClaimTurn};
use crate::rack::state::Rack;

/// A drive that has not answered for this long is lost to its holder (drives.md, 5).
pub const HUNG: Duration = Duration::from_secs(75);
/// How long the agent of a node may be silent before its drives are taken from it, where no enclosure says more.
const LOST_AFTER: Duration = Duration::from_secs(300);
/// How long a holder keeps a drive that says that it will fail, where no enclosure says more.
const NOTICE: Duration = Duration::from_secs(86_400);

pub fn pass_time(next: &mut Course<'_>) {
    if next.rack.kept.drives.drives.is_empty() && next.rack.kept.drives.claims.is_empty() {
        return;
    }
    restart::pass_time(next);
    claims_that_end(next);
    let moving: Vec<(Drive, Option<Ending>)> = next
        .rack
        .kept
        .drives
        .all()
        .filter_map(|drive| match &drive.tenancy {
            Tenancy::Claimed(grant) => {
                let ending = ends(&next.rack, drive, grant, next.now)?;
                Some((drive.clone(), Some(ending)))
            }
            Tenancy::Held { .. } => drive.pass_time(next.now).map(|wiping| (wiping, None)),
            Tenancy::Foreign { .. }
            | Tenancy::Free { .. }
            | Tenancy::Releasing { .. }
            | Tenancy::Wiping { .. }
            | Tenancy::Failed { .. } => None,
        })
        .collect();
    for (drive, ending) in moving {
        match ending {
            Some(ending) => end(next, &drive, ending),
            None => change(next, DriveCause::HoldOver, drive),
        }
    }
    warnings(next);
    replacements(next);
}

fn claims_that_end(next: &mut Course<'_>) {
    let claims = next.rack.kept.drives.claims.values();
    let over = claims.filter(|claim| claim.until.is_some_and(|until| until <= next.now));
    let over: Vec<_> = over.cloned().collect();
    for claim in over {
        change_claim(next, DriveClaimTurn::Expired, claim);
    }
}

/// Why a drive leaves its holder now; `None` where it stays.
fn ends(rack: &Rack, drive: &Drive, grant: &Grant, now: Moment) -> Option<Ending> {
    let kept = &rack.kept.drives;
    let Some(claim) = kept.claims.get(&grant.holder.claim) else {
        // Whatever ended its claim: nobody said that what is on it may go.
        let mut preempted = rack.kept.preempted.iter();
        let is_preempted = preempted.any(|lost| lost.claim.id == grant.holder.claim);
        return Some(if is_preempted {
            Ending::Preempted
        } else {
            Ending::Expired
        });
    };
    let is_over = |(failing, until): &(DriveId, Moment)| *failing == drive.id && *until <= now;
    let hangs = rack.sight.drives.hung.get(&drive.id);
    let hangs = hangs.is_some_and(|since| now.since(*since) >= HUNG);
    if hangs || claim.failing.iter().any(is_over) {
        return Some(Ending::Failing);
    }
    let silent = rack.sight.drives.nodes.get(&grant.holder.node)?.silent_since?;
    (now.since(silent) >= lost_after(rack, drive)).then_some(Ending::NodeLost)
}

fn enclosure<'a>(rack: &'a Rack, drive: &Drive) -> Option<&'a crate::config::EnclosureConfig> {
    let place = &drive.seat.as_ref()?.place;
    rack.config.drive_bay(place).map(|(enclosure, _)| enclosure)
}

fn lost_after(rack: &Rack, drive: &Drive) -> Duration {
    enclosure(rack, drive).map_or(LOST_AFTER, |enclosure| enclosure.lost_after)
}

/// Holders of drives that will fail are told, once, and how long they have them.
fn warnings(next: &mut Course<'_>) {
    let mut told: Vec<(ClaimId, DriveId, Moment)> = Vec::new();
    for drive in next
        .rack
        .kept
        .drives
        .all()
        .filter(|drive| drive.wear.predicts_failure)
    {
        let Tenancy::Claimed(grant) = &drive.tenancy else {
            continue;
        };
        let claim = next.rack.kept.drives.claims.get(&grant.holder.claim);
        let is_known = claim.is_none_or(|claim| claim.failing.iter().any(|(known, _)| *known == drive.id));
        if !is_known {
            let notice = enclosure(&next.rack, drive).map_or(NOTICE, |enclosure| enclosure.notice);
            told.push((grant.holder.claim, drive.id.clone(), next.now.after(notice)));
        }
    }
    for (id, drive, until) in told {
        if let Some(mut claim) = next.rack.kept.drives.claims.get(&id).cloned() {
            let serial = drive.serial().to_owned();
            claim.failing.push((drive, until));
            change_claim(next, DriveClaimTurn::Warned { serial }, claim);
        }
    }
}

/// A claim that asks for it has another drive for each that it lost, or that will fail, as soon as one is there.
fn replacements(next: &mut Course<'_>) {
    let claims = next.rack.kept.drives.claims.values();
    let claims: Vec<_> = claims.filter(|claim| claim.ask.replace).cloned().collect();
    for claim in claims {
        let kept = &next.rack.kept.drives;
        let has = kept.of_claim(claim.id).filter(|drive| {
            let is_failing = |(failing, _): &(DriveId, Moment)| *failing == drive.id;
            !claim.failing.iter().any(is_failing)
        });
        let missing = usize::try_from(claim.ask.count)
            .unwrap_or(usize::MAX)
            .saturating_sub(has.count());
        if missing == 0 {
            continue;
        }
        let gone = claim.lost.last().map(|lost| lost.drive.serial().to_owned());
        let failing = claim.failing.first().map(|(drive, _)| drive.serial().to_owned());
        let replaces = failing.or(gone);
        // What is kept for it was taken from it: it is not what stands in for itself.
        let fresh = DriveClaimAsk {
            purpose: String::new(),
            ..claim.ask.clone()
        };
        let lent: Vec<Drive> = match ask::choose(&next.rack, &fresh, 1, Spares::Used, next.now) {
            Ok(taken) => taken
                .into_iter()
                .filter_map(|drive| drive.lend(ask::holder(&claim.ask, claim.id), next.now).ok())
                .collect(),
            Err(_) => Vec::new(),
        };
        for drive in lent {
            let replaces = replaces.clone();
            let kept = false;
            change(next, DriveCause::Lent { kept, replaces }, drive);
        }
    }
}
