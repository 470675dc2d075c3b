//! What events about drives change of a rack.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{DrivesView, PooledDrive};
use facts::Moment;

use super::MOST_ANSWERED;
use crate::pools::drives::{Drive, DriveId, Tenancy};
use crate::rack::drives::{AnsweredDrives, Lost, Proven, Spot};
use crate::rack::event::{
    Action, DriveBayChange, DriveCause, DriveChange, DriveClaimChange, DriveClaimTurn, DrivesSeen, Outcome,
};
use crate::rack::sight::Attempt;
use crate::rack::state::Rack;

/// For so long it is remembered that a node did not let go of a drive: what it has not got any more is not asked of it again.
const REMEMBERED: Duration = Duration::from_secs(600);

pub(super) fn changed(rack: &mut Rack, change: &DriveChange, at: Moment) {
    let drive = &change.drive;
    let kept = &mut rack.kept.drives;
    match (&change.cause, &drive.tenancy) {
        (DriveCause::Erased, Tenancy::Free { proof }) => {
            let proven = Proven {
                proof: (**proof).clone(),
                sequence: rack.kept.sequence,
                at,
                lent_since: false,
            };
            Arc::make_mut(&mut kept.proven).insert(drive.id.clone(), Arc::new(proven));
        }
        (DriveCause::Lent { .. }, _) => {
            if let Some(proven) = Arc::make_mut(&mut kept.proven).get_mut(&drive.id) {
                Arc::make_mut(proven).lent_since = true;
            }
        }
        (_, Tenancy::Releasing { grant, ending }) => {
            let before = kept.get(&drive.id);
            let is_new = before.is_some_and(|before| matches!(before.tenancy, Tenancy::Claimed(_)));
            // A claim that ends itself has lost nothing.
            if is_new && let Some(claim) = Arc::make_mut(&mut kept.claims).get_mut(&grant.holder.claim) {
                claim.lost.push(Lost {
                    drive: drive.id.clone(),
                    at,
                    ending: *ending,
                });
                claim.failing.retain(|(failing, _)| *failing != drive.id);
            }
        }
        (_, _) => {}
    }
    Arc::make_mut(&mut kept.drives).insert(drive.id.clone(), Arc::new(drive.clone()));
}

pub(super) fn claim_changed(rack: &mut Rack, change: &DriveClaimChange) {
    let claim = &change.claim;
    let next = claim.id.0.saturating_add(1);
    rack.kept.next_claim = rack.kept.next_claim.max(next);
    let kept = &mut rack.kept.drives;
    if change.turn.stands() {
        Arc::make_mut(&mut kept.claims).insert(claim.id, claim.clone());
    } else {
        Arc::make_mut(&mut kept.claims).remove(&claim.id);
    }
    match &change.turn {
        DriveClaimTurn::Admitted { key: Some(key) } => {
            let answered = Arc::make_mut(&mut kept.answered);
            answered.push_back(AnsweredDrives {
                key: key.clone(),
                ask: claim.ask.clone(),
                claim: claim.id,
            });
            while answered.len() > MOST_ANSWERED {
                answered.pop_front();
            }
        }
        // Who asks again with the same key asks anew: they were told that nothing was promised.
        DriveClaimTurn::Withdrawn => {
            Arc::make_mut(&mut kept.answered).retain(|answered| answered.claim != claim.id);
        }
        DriveClaimTurn::Admitted { key: None }
        | DriveClaimTurn::Renewed
        | DriveClaimTurn::Released
        | DriveClaimTurn::Expired
        | DriveClaimTurn::Warned { .. } => {}
    }
}

pub(super) fn bay_changed(rack: &mut Rack, change: &DriveBayChange) {
    let leaving = &mut rack.kept.drives.leaving;
    match &change.leaving {
        Some(bay) => drop(leaving.insert(change.place.clone(), bay.clone())),
        None => drop(leaving.remove(&change.place)),
    }
}

pub(super) fn seen(rack: &mut Rack, seen: &DrivesSeen, at: Moment) {
    let sight = &mut rack.sight.drives;
    let before = Arc::make_mut(&mut sight.nodes).insert(seen.node.clone(), Arc::clone(&seen.seen));
    let before = before.as_ref().and_then(|before| before.view.as_deref());
    let Some(view) = seen.seen.now() else { return };
    if !are_same_places(before, view) {
        find(rack, &seen.node, view);
    }
    lights_seen(rack, &seen.node, view);
    let sight = &mut rack.sight.drives;
    for told in &view.drives {
        // Nearly always nothing hangs, and nothing did.
        if !told.is_hung && sight.hung.is_empty() {
            continue;
        }
        let Ok(id) = DriveId::of(&told.identity) else {
            continue;
        };
        match (told.is_hung, sight.hung.contains_key(&id)) {
            (true, false) => drop(Arc::make_mut(&mut sight.hung).insert(id, at)),
            (false, true) => drop(Arc::make_mut(&mut sight.hung).remove(&id)),
            (_, _) => {}
        }
    }
}

/// Whether two views of one agent tell of the same drives in the same slots, in the same order.
fn are_same_places(before: Option<&DrivesView>, view: &DrivesView) -> bool {
    let Some(before) = before else { return false };
    let is_same =
        |(one, other): (&PooledDrive, &PooledDrive)| one.slot == other.slot && one.identity == other.identity;
    before.drives.len() == view.drives.len() && before.drives.iter().zip(&view.drives).all(is_same)
}

/// Finds the drives of one agent's view by their names.
fn find(rack: &mut Rack, node: &str, view: &DrivesView) {
    let enclosures = &rack.config.enclosures;
    let spots = Arc::make_mut(&mut rack.sight.drives.spots);
    let is_its = |number: usize| {
        enclosures
            .get(number)
            .is_some_and(|enclosure| enclosure.agent == node)
    };
    spots.retain(|_, spots| {
        spots.retain(|spot| !is_its(spot.enclosure));
        !spots.is_empty()
    });
    let its = enclosures.iter().enumerate();
    for (enclosure, config) in its.filter(|(_, enclosure)| enclosure.agent == node) {
        let bays = config.bays.iter().enumerate();
        let bays: BTreeMap<&str, usize> = bays.map(|(number, bay)| (bay.slot.as_str(), number)).collect();
        for (drive, told) in view.drives.iter().enumerate() {
            let bay = bays.get(told.slot.as_str()).copied();
            if let (Some(bay), Ok(id)) = (bay, DriveId::of(&told.identity)) {
                let spots = spots.entry(id).or_default();
                spots.push(Spot {
                    enclosure,
                    bay,
                    drive,
                });
                spots.sort();
            }
        }
    }
}

/// An agent puts LEDs out by itself, and one that somebody else put out is not lit: what it reads counts, not what was ordered.
fn lights_seen(rack: &mut Rack, node: &str, view: &agent_api::v1::DrivesView) {
    let Some(told) = &view.leds else { return };
    let enclosures = rack.config.enclosures.iter();
    let bays = enclosures.flat_map(|enclosure| enclosure.bays.iter().map(move |bay| (enclosure, bay)));
    for (enclosure, bay) in bays {
        let (lighter, slot) = enclosure.lighter(bay);
        if lighter != node {
            continue;
        }
        let was = rack.sight.drives.leds.get(&bay.place).copied();
        let led = told.iter().find(|led| led.slot == slot);
        let is = led.map_or(was.map(|_| false), |led| led.lit.or(was));
        if let Some(is) = is.filter(|is| was != Some(*is)) {
            Arc::make_mut(&mut rack.sight.drives.leds).insert(bay.place.clone(), is);
        }
    }
}

/// What came of an order. Where it was done, what it did is looked at before it is wanted again.
pub(super) fn tried(rack: &mut Rack, action: &Action, outcome: &Outcome, at: Moment) {
    let before = rack.sight.attempts.get(action).map_or(0, |attempt| attempt.tries);
    let tries = match outcome {
        Outcome::Done => 0,
        Outcome::Would | Outcome::Failed(_) => before.saturating_add(1),
    };
    // What was wanted of this drive before is not wanted any more.
    let is_older = |other: &Action| match (other, action) {
        (Action::OrderDrive { drive: one, .. }, Action::OrderDrive { drive: other, .. }) => one == other,
        (_, _) => false,
    };
    let is_over = |other: &Action, attempt: &Attempt| {
        matches!(other, Action::DetachDrive { .. }) && attempt.retry_at.after(REMEMBERED) < at
    };
    rack.sight
        .attempts
        .retain(|other, attempt| other == action || !(is_older(other) || is_over(other, attempt)));
    let attempt = super::attempt(tries, outcome, at);
    rack.sight.attempts.insert(action.clone(), attempt);
}

/// What ends at a moment ends as much later or earlier as the wall's clock was set.
pub(super) fn clock_set(rack: &mut Rack, moved: impl Fn(Moment) -> Moment) {
    let kept = &mut rack.kept.drives;
    for claim in Arc::make_mut(&mut kept.claims).values_mut() {
        claim.until = claim.until.map(&moved);
        for (_, until) in &mut claim.failing {
            *until = moved(*until);
        }
    }
    let is_timed = |drive: &Drive| matches!(drive.tenancy, Tenancy::Held { until: Some(_), .. });
    if !kept.all().any(is_timed) {
        return;
    }
    let drives: &mut BTreeMap<DriveId, Arc<Drive>> = Arc::make_mut(&mut kept.drives);
    for drive in drives.values_mut() {
        if let Tenancy::Held {
            until: Some(until), ..
        } = &mut Arc::make_mut(drive).tenancy
        {
            *until = moved(*until);
        }
    }
}
