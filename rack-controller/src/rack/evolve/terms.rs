//! What events about claims change of a rack.

use std::sync::Arc;

use crate::claim::Claim;
use crate::rack::event::{Event, Preemption};
use crate::rack::state::{Preempted, Rack};

/// How many preempted claims are remembered: whoever lost one asks within days, and a rack has few.
pub const MOST_PREEMPTED: usize = 64;

/// A claim is gone, whatever the reason.
pub(super) fn gone(rack: &mut Rack, claim: &Claim) {
    Arc::make_mut(&mut rack.kept.claims).remove(&claim.id);
}

pub(super) fn withdrawn(rack: &mut Rack, claim: &Claim) {
    gone(rack, claim);
    // Who asks again with the same key asks anew: they were told that nothing was promised.
    Arc::make_mut(&mut rack.kept.answered).forget(claim.id);
    forget(rack, claim);
}

fn forget(rack: &mut Rack, claim: &Claim) {
    if rack.kept.preempted.iter().any(|old| old.claim.id == claim.id) {
        Arc::make_mut(&mut rack.kept.preempted).retain(|old| old.claim.id != claim.id);
    }
}

pub(super) fn preempted(rack: &mut Rack, preemption: &Preemption, event: &Event) {
    gone(rack, &preemption.claim);
    rack.kept.preemptions = rack.kept.preemptions.saturating_add(1);
    let preempted = Arc::make_mut(&mut rack.kept.preempted);
    preempted.push_back(Preempted {
        claim: preemption.claim.clone(),
        by: preemption.by,
        by_for: preemption.by_for.clone(),
        by_priority: preemption.by_priority,
        at: event.at,
        asked: event.asked.clone(),
    });
    while preempted.len() > MOST_PREEMPTED {
        preempted.pop_front();
    }
}

/// A preempted claim stands again: nobody got its watts after all.
pub(super) fn restored(rack: &mut Rack, claim: &Claim) {
    forget(rack, claim);
    Arc::make_mut(&mut rack.kept.claims).insert(claim.id, claim.clone());
}
