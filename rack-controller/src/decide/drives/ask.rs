//! Claims of drives: asked, with watts or without, renewed, given back. All of it or nothing, in one turn.

use std::time::Duration;

use facts::{Bytes, Moment};
use rack_api::v1::{DriveClaimAsk, DriveShort, PowerAsk};

use super::check::{LONGEST_HOLD, check, check_hold, check_quota, check_room, is_replayed};
use super::spares::{Spares, kept_back};
use super::{change, change_claim, end};
use crate::claim::ClaimId;
use crate::decide::Refusal;
use crate::decide::ask as watts;
use crate::decide::settle::Course;
use crate::pools::drives::plan;
use crate::pools::drives::{Drive, DriveAsk, Ending, Holder, Tenancy, pick};
use crate::rack::drives::DriveClaim;
use crate::rack::event::{DriveCause, DriveClaimTurn, What};
use crate::rack::state::Rack;

/// Ways to make an ask fit that are named; more would not be read.
const MOST_WAYS: usize = 5;

pub(super) fn claim(next: &mut Course<'_>, ask: &DriveClaimAsk, key: Option<&str>) -> Result<(), Refusal> {
    if let Some(key) = key
        && is_replayed(&next.rack, ask, key)?
    {
        return Ok(());
    }
    let id = ClaimId(next.rack.kept.next_claim);
    let drives = picked(&next.rack, ask, id, next.now)?;
    // Nothing has happened yet: what is refused here leaves nothing behind.
    if let Some(power) = power(ask) {
        watts::claim(next, &power, None)?;
    }
    let is_kept = |drive: &&Drive| matches!(&drive.tenancy, Tenancy::Held { .. });
    let claim = DriveClaim {
        id,
        ask: ask.clone(),
        since: next.now,
        until: ask.ttl_seconds.map(|seconds| after(next.now, seconds)),
        kept: drives
            .iter()
            .map(|(before, _)| before)
            .filter(is_kept)
            .map(|drive| drive.id.clone())
            .collect(),
        lost: Vec::new(),
        failing: Vec::new(),
    };
    let key = key.map(str::to_owned);
    change_claim(next, DriveClaimTurn::Admitted { key }, claim);
    for (before, lent) in drives {
        let kept = is_kept(&&before);
        let replaces = None;
        change(next, DriveCause::Lent { kept, replaces }, lent);
    }
    Ok(())
}

fn after(now: Moment, seconds: u32) -> Moment {
    now.after(Duration::from_secs(u64::from(seconds)))
}

/// The watts of an ask; `None` where it asks for none.
fn power(ask: &DriveClaimAsk) -> Option<PowerAsk> {
    (!ask.watts.is_zero()).then(|| PowerAsk {
        watts: ask.watts,
        purpose: ask.purpose.clone(),
        node: Some(ask.node.clone()),
        priority: ask.priority,
        tenant: ask.tenant.clone(),
        ttl_seconds: ask.ttl_seconds,
        ..PowerAsk::default()
    })
}

/// The drives that an ask would get, as they are now. Changes nothing, holds nothing.
///
/// # Errors
/// What is wrong with the ask, or what is missing.
pub fn preview(rack: &Rack, ask: &DriveClaimAsk, now: Moment) -> Result<Vec<Drive>, Refusal> {
    let id = ClaimId(rack.kept.next_claim);
    let drives = picked(rack, ask, id, now)?;
    if let Some(power) = power(ask) {
        watts::preview(rack, &power, now)?;
    }
    Ok(drives.into_iter().map(|(_, lent)| lent).collect())
}

/// The drives that an ask gets, as they are and as they are lent.
fn picked(
    rack: &Rack,
    ask: &DriveClaimAsk,
    claim: ClaimId,
    now: Moment,
) -> Result<Vec<(Drive, Drive)>, Refusal> {
    check(rack, ask)?;
    check_room(rack, ask)?;
    plan::host_of(rack, &ask.node).map_err(Refusal::Conflict)?;
    if rack.is_node_paused(&ask.node, now) {
        return Err(Refusal::Conflict(format!(
            "{} is paused; resume it first",
            ask.node
        )));
    }
    let count = usize::try_from(ask.count).unwrap_or(usize::MAX);
    let taken = choose(rack, ask, count, Spares::KeptBack, now).map_err(|short| refused(ask, *short))?;
    check_quota(rack, ask, &taken)?;
    let holder = holder(ask, claim);
    let lent = taken.into_iter().map(|drive| {
        let lent = drive.lend(holder.clone(), now);
        lent.map(|lent| (drive.clone(), lent))
            .map_err(|error| super::people::denied(&error))
    });
    lent.collect()
}

pub(super) fn holder(ask: &DriveClaimAsk, claim: ClaimId) -> Holder {
    Holder {
        claim,
        purpose: ask.purpose.clone(),
        tenant: ask.tenant.clone(),
        node: ask.node.clone(),
    }
}

/// So many drives for an ask, of those that are seen and believed.
pub(super) fn choose<'a>(
    rack: &'a Rack,
    ask: &DriveClaimAsk,
    count: usize,
    spares: Spares,
    now: Moment,
) -> Result<Vec<&'a Drive>, Box<DriveShort>> {
    let wanted = DriveAsk {
        count,
        at_least: ask.at_least_bytes,
        model: ask.model.clone(),
        most_worn: ask.most_worn_percent,
        spread: ask.spread,
        purpose: ask.purpose.clone(),
        tenant: ask.tenant.clone(),
    };
    let mut unfit: std::collections::BTreeMap<&'static str, usize> = std::collections::BTreeMap::new();
    let mut stock: Vec<&Drive> = rack
        .kept
        .drives
        .all()
        .filter(|drive| match plan::gone_unfit(rack, drive, now) {
            Some(why) => {
                *unfit.entry(why).or_default() += 1;
                false
            }
            None => true,
        })
        .collect();
    if spares == Spares::KeptBack {
        let back = kept_back(rack, &stock);
        stock.retain(|drive| !back.contains(&drive.id));
        if !back.is_empty() {
            unfit.insert("kept as spares", back.len());
        }
    }
    pick(stock.into_iter(), &wanted).map_err(|short| {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let unfit = unfit.iter().map(|(why, count)| format!("{count} {why}"));
        Box::new(DriveShort {
            asked: number(short.asked),
            fit: number(short.fit),
            lacking: short.why.into_iter().chain(unfit).collect(),
            would_fit: would_fit(rack, ask),
        })
    })
}

/// What somebody could do, so that more drives are there.
fn would_fit(rack: &Rack, ask: &DriveClaimAsk) -> Vec<String> {
    let is_large = |drive: &&Drive| {
        drive.seat.is_some() && drive.size >= ask.at_least_bytes && drive.size != Bytes::ZERO
    };
    let ways = rack.kept.drives.all().filter(is_large).filter_map(|drive| {
        let serial = drive.id.serial();
        match &drive.tenancy {
            Tenancy::Foreign { .. } => Some(format!("enrol {serial}, which is foreign: what is on it goes")),
            Tenancy::Held { holder, .. } if drive.unsealed.is_some() && holder.purpose == ask.purpose => {
                Some(format!("vouch for what is on {serial}"))
            }
            Tenancy::Held { holder, .. } => Some(format!(
                "erase {serial}, which is held for \"{}\": what is on it goes",
                holder.purpose
            )),
            Tenancy::Wiping { .. } => Some(format!("wait for {serial}, which is being erased")),
            Tenancy::Free { .. }
            | Tenancy::Claimed(_)
            | Tenancy::Releasing { .. }
            | Tenancy::Failed { .. } => None,
        }
    });
    ways.take(MOST_WAYS).collect()
}

fn refused(ask: &DriveClaimAsk, short: DriveShort) -> Refusal {
    let mut message = format!(
        "{} drives are asked for \"{}\" and {} fit",
        short.asked, ask.purpose, short.fit
    );
    for why in &short.lacking {
        message.push_str(&format!("; {why}"));
    }
    let short = Box::new(short);
    Refusal::DriveShort { short, message }
}

fn in_force(rack: &Rack, id_or_name: &str) -> Result<DriveClaim, Refusal> {
    rack.kept.drives.claim(id_or_name).cloned().ok_or_else(|| {
        Refusal::NotFound(format!(
            "no claim of drives \"{id_or_name}\" is in force; expected the id or the name of one, as `busbar show drives` lists them"
        ))
    })
}

/// Somebody gives a claim of drives back, and the watts that were claimed with it.
pub fn release_asked(
    next: &mut Course<'_>,
    id_or_name: &str,
    erase_after_seconds: Option<u32>,
) -> Result<(), Refusal> {
    check_hold(erase_after_seconds)?;
    let claim = in_force(&next.rack, id_or_name)?;
    let watts = next.rack.kept.claims.get(&claim.id).cloned();
    given_back(next, claim, erase_after_seconds);
    if let Some(claim) = watts {
        let headroom = watts::headroom_without(&next.rack, &claim);
        next.happen(What::ClaimReleased { claim, headroom });
    }
    Ok(())
}

/// The watts of a claim were given back: so are the drives that were claimed with them.
pub fn release(next: &mut Course<'_>, id: ClaimId) {
    if let Some(claim) = next.rack.kept.drives.claims.get(&id).cloned() {
        given_back(next, claim, None);
    }
}

/// The serial numbers of the drives that a claim of watts has beside them.
pub fn of_watts(rack: &Rack, id: ClaimId) -> Vec<String> {
    let drives = rack.kept.drives.of_claim(id);
    drives.map(|drive| drive.id.serial().to_owned()).collect()
}

fn given_back(next: &mut Course<'_>, claim: DriveClaim, erase_after_seconds: Option<u32>) {
    let seconds = erase_after_seconds.or(claim.ask.erase_after_seconds);
    let drives: Vec<Drive> = next.rack.kept.drives.of_claim(claim.id).cloned().collect();
    change_claim(next, DriveClaimTurn::Released, claim);
    for drive in drives {
        let erase_after = match seconds {
            Some(seconds) => Duration::from_secs(u64::from(seconds)),
            None => usual_hold(&next.rack, &drive),
        };
        end(next, &drive, Ending::Released { erase_after });
    }
}

/// How long a drive is held that was given back, where nobody says more: as its enclosure is configured.
fn usual_hold(rack: &Rack, drive: &Drive) -> Duration {
    let place = drive.seat.as_ref().map(|seat| seat.place.as_str());
    let enclosure = place.and_then(|place| rack.config.drive_bay(place));
    // One whose enclosure is configured no more is held for the longest: nobody said less.
    enclosure.map_or(Duration::from_secs(u64::from(LONGEST_HOLD)), |(enclosure, _)| {
        enclosure.erase_after
    })
}

/// A claim whose asker was not told of it ends: what is on its drives may be theirs from before, and nothing of it is erased.
pub fn withdraw(next: &mut Course<'_>, id: ClaimId) {
    if let Some(claim) = next.rack.kept.drives.claims.get(&id).cloned() {
        change_claim(next, DriveClaimTurn::Withdrawn, claim);
    }
}

/// A claim of drives stands for its time again, from now.
///
/// # Errors
/// It has no time to live.
pub fn renew(next: &mut Course<'_>, id_or_name: &str) -> Result<(), Refusal> {
    let mut claim = in_force(&next.rack, id_or_name)?;
    let Some(seconds) = claim.ask.ttl_seconds else {
        return Err(Refusal::Conflict(format!(
            "\"{}\" has no time to live: it stands until it is released",
            claim.ask.purpose
        )));
    };
    claim.until = Some(after(next.now, seconds));
    change_claim(next, DriveClaimTurn::Renewed, claim);
    Ok(())
}
