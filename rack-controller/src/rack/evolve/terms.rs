//! What events about claims change of a rack.

use std::sync::Arc;
use std::time::Duration;

use facts::Moment;

use crate::claim::Claim;
use crate::pools::power::plan::stale_after;
use crate::rack::draws::Draws;
use crate::rack::event::{Event, LendingChange, LendingTurn, Preemption};
use crate::rack::sight::BmcFacts;
use crate::rack::state::{Lent, Preempted, Rack};

/// How many preempted claims are remembered: whoever lost one asks within days, and a rack has few.
pub const MOST_PREEMPTED: usize = 64;

/// For so long the longest return of lent watts is remembered.
const REMEMBERED: Duration = Duration::from_secs(3_600);

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
    if rack.kept.drives.claims.contains_key(&preemption.claim.id) {
        Arc::make_mut(&mut rack.kept.drives.claims).remove(&preemption.claim.id);
    }
    rack.kept.preemptions = rack.kept.preemptions.saturating_add(1);
    let preempted = Arc::make_mut(&mut rack.kept.preempted);
    preempted.push_back(Preempted {
        claim: preemption.claim.clone(),
        by: preemption.by,
        by_for: preemption.by_for.clone(),
        by_priority: preemption.by_priority,
        at: event.at,
        asked: event.asked.clone(),
        had_drives: !preemption.drives.is_empty(),
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

pub(super) fn lending(rack: &mut Rack, change: &LendingChange, at: Moment) {
    let node = &change.node;
    if rack.config.node(node).is_none() {
        return;
    }
    match &change.turn {
        LendingTurn::Lent { watts, keeps, .. } => {
            let lent = Lent {
                watts: *watts,
                keeps: *keeps,
                since: at,
            };
            Arc::make_mut(&mut rack.kept.lent).insert(node.clone(), lent);
            rack.kept.recalled.remove(node);
        }
        LendingTurn::Recalled { .. } => {
            Arc::make_mut(&mut rack.kept.lent).remove(node);
            rack.kept.recalled.insert(node.clone(), at);
            // It drew more than it was thought to: it is watched anew before anything is lent again.
            if let Some(seen) = rack.sight.nodes.get_mut(node) {
                seen.draws.begin_anew();
            }
        }
        LendingTurn::Returned { took_millis } => {
            rack.kept.recalled.remove(node);
            let took = Duration::from_millis(*took_millis);
            let longer = rack
                .kept
                .slowest_return
                .filter(|(longest, when)| *longest > took && at.since(*when) < REMEMBERED);
            rack.kept.slowest_return = longer.or(Some((took, at)));
        }
    }
}

/// A node's BMC told what it draws. It is kept only where a claim on it is lendable: nobody else asks for it.
pub(super) fn drew(rack: &mut Rack, node: &str, facts: &BmcFacts, at: Moment) {
    let stale = rack
        .config
        .node(node)
        .filter(|_| rack.has_lendable(node))
        .map(|config| stale_after(rack, config));
    let Some(seen) = rack.sight.nodes.get_mut(node) else {
        return;
    };
    match (stale, facts.drawn.value()) {
        (Some(stale), Some(drawn)) => seen.draws.see(at, drawn, stale),
        (Some(_), None) => {}
        (None, _) => seen.draws = Draws::default(),
    }
}
