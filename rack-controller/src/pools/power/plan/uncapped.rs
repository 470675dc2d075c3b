//! What a node counts with whose caps no agent holds: the most that it can draw, unless it is off or its BMC's limit was shown to bite.
//!
//! A limit at a BMC is slow, may switch its node off, and is not obeyed everywhere. So it counts only where a drill has shown under load
//! that it is held, and never with less than what that drill has shown (power.md: unverified counts as uncapped). `busbar calibrate` drills
//! agents' caps only so far, so that today none of these counts with less.

use facts::{Moment, Power};

use super::orders::REBOOTS;
use crate::config::NodeConfig;
use crate::rack::order::LeaseSight;
use crate::rack::state::Rack;
use crate::rack::switch::Wanted;

/// Whether a node is known to be off: its BMC says so, and no agent of it answers.
pub fn is_off(rack: &Rack, node: &NodeConfig) -> bool {
    let seen = rack.sight.nodes.get(&node.name);
    seen.is_some_and(|seen| {
        let bmc = seen.bmc.as_ref().and_then(|bmc| bmc.powered_on);
        bmc == Some(false) && seen.agent.is_none()
    }) && !is_coming(rack, node)
}

/// Whether this controller, since it started, knows of a node whose caps an agent holds what it may draw: its agent has answered, it is
/// off, or it counts with all that it can draw. Before that the journal's cap may be one that a boot has undone.
pub fn is_known(rack: &Rack, node: &NodeConfig) -> bool {
    let seen = rack.sight.nodes.get(&node.name);
    let lease = seen.and_then(|seen| seen.lease.as_ref());
    let is_heard =
        lease.is_some_and(|lease| lease.answered > 0 || lease.silent_since.is_some() || only_refuses(lease));
    is_heard || is_off(rack, node) || is_coming(rack, node) || !rack.kept.orders.contains_key(&node.name)
}

/// Whether an agent answers and has never taken a lease of this controller: what it holds, if anything, is not ours.
pub(super) fn only_refuses(lease: &LeaseSight) -> bool {
    lease.answered == 0 && lease.silent_since.is_none() && lease.reason.is_some()
}

/// Whether a node was told to come on: it may draw from that moment on, whatever its BMC said last.
pub(super) fn is_coming(rack: &Rack, node: &NodeConfig) -> bool {
    let switch = rack.kept.switches.get(&node.name);
    switch.is_some_and(|switch| switch.wanted == Wanted::On)
}

/// The limit at a node's BMC: as it is read, or as it was set and read back last while the BMC does not answer.
fn limit(rack: &Rack, node: &NodeConfig) -> Option<Power> {
    let seen = rack.sight.nodes.get(&node.name);
    match seen.and_then(|seen| seen.bmc.as_ref()) {
        Some(bmc) => bmc.cap.value(),
        None => rack.kept.caps.get(&node.name).copied(),
    }
}

/// What a node's verified BMC limit lets it draw at most; `None` where it has none, or nobody has shown that it bites.
fn verified(rack: &Rack, node: &NodeConfig) -> Option<Power> {
    let proof = rack.kept.proofs.get(&node.name)?;
    // A tighter limit than the one that was shown is believed to hold what was shown, and no more.
    limit(rack, node).map(|limit| limit.max(proof.cap).min(node.max_draw))
}

/// What a node counts with in firm sums, where so much is claimed on it: its claims or its floor; all that it can draw where nothing
/// that is verified caps it; only what is claimed where it is off.
pub fn firmly(rack: &Rack, node: &NodeConfig, claimed: Power) -> Power {
    if is_off(rack, node) {
        return claimed;
    }
    let promised = claimed.max(node.floor);
    if node.rest.is_some() {
        return promised;
    }
    promised.max(verified(rack, node).unwrap_or(node.max_draw))
}

/// The least that a node can be brought to without being switched off.
pub fn least(rack: &Rack, node: &NodeConfig) -> Power {
    if is_off(rack, node) {
        return Power::ZERO;
    }
    let proof = rack.kept.proofs.get(&node.name);
    match (node.rest, proof) {
        (Some(_), _) => node.floor,
        (None, Some(proof)) => proof.cap.max(node.floor).min(node.max_draw),
        (None, None) => node.max_draw,
    }
}

/// What a node may draw now whose caps no agent holds.
pub(super) fn at_most(rack: &Rack, node: &NodeConfig, now: Moment) -> Power {
    if is_off(rack, node) {
        return Power::ZERO;
    }
    let seen = rack.sight.nodes.get(&node.name);
    // Its limit stands at its BMC. A BMC that is silent for longer than a boot takes may have lost it.
    let lost = seen.is_none_or(|seen| {
        let since = seen.bmc_at.map(|at| now.since(at));
        seen.bmc.is_none() && since.is_none_or(|silent| silent >= REBOOTS)
    });
    let verified = verified(rack, node).filter(|_| node.rest.is_none() && !lost);
    verified.unwrap_or(node.max_draw)
}
