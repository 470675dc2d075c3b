//! The only function that changes a rack: pure, total, the same for live events and for replayed ones.

mod clock;
mod drives;
mod lights;
mod switch;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use rack_api::v1::{DomainState, PowerAsk};

use super::event::{Action, BayChange, Cause, Event, NodeSeen, Outcome, SuppliesSeen, What};
use super::order::{LeaseSight, NodeOrder};
use super::person::{Known, Pause, Swap, SwapChange, SwapTrouble, SwapTurn};
use super::sight::{Attempt, NodeSide, Sight};
use super::state::{DomainStanding, Rack};
use crate::bay::Life;
use crate::claim::{Answered, Claim};
use facts::{Moment, NoData};

/// How many answered asks are kept for their idempotency keys; whoever repeats an ask does so within minutes.
pub const MOST_ANSWERED: usize = 1_024;
/// How long a bay's LED stays lit for a swap.
pub const SWAP_LIGHT: std::time::Duration = std::time::Duration::from_secs(1_800);
/// The wait after the first try of an action that failed; doubles with each further one.
const FIRST_RETRY_MILLIS: u64 = 1_000;
/// The longest wait between two tries of an action, in doublings of the first: 64 s.
const MOST_DOUBLINGS: u32 = 6;

/// Applies one event. An event about something that is no longer configured changes nothing but the count.
pub fn evolve(rack: &mut Rack, event: &Event) {
    if event.is_journaled() {
        rack.kept.sequence = rack.kept.sequence.saturating_add(1);
    }
    let at = event.at;
    match &event.what {
        What::Started { .. } => started(rack, at),
        What::ClockFound(found) => clock::found(rack, found, at),
        What::BmcSilent { bmc, reason, detail } => silent(rack, bmc, *reason, detail),
        What::BmcAnswered { bmc } => answered(rack, bmc, at),
        What::BayChanged(change) => bay_changed(rack, change, at),
        What::DomainChanged { domain, to, .. } => domain_changed(rack, domain, *to, at),
        What::ClaimAdmitted { claim, ask, key, .. } => admitted(rack, claim, ask, key.as_deref()),
        What::ClaimReleased { claim, .. } | What::ClaimExpired { claim, .. } => terms::gone(rack, claim),
        What::ClaimWithdrawn { claim, .. } => terms::withdrawn(rack, claim),
        What::ClaimPreempted(preemption) => terms::preempted(rack, preemption, event),
        What::ClaimRestored { claim, .. } => terms::restored(rack, claim),
        What::Lending(change) => terms::lending(rack, change, at),
        What::ClaimApplied { claim } | What::ClaimRenewed { claim } => {
            Arc::make_mut(&mut rack.kept.claims).insert(claim.id, claim.clone());
        }
        What::CapsOrdered { .. } => caps_ordered(rack, &event.what),
        What::LoweringTimed { took_millis, .. } => {
            rack.kept.slowest_lowering = Some((Duration::from_millis(*took_millis), at));
        }
        What::DrillSeen(drill) => rack.sight.drill.clone_from(drill),
        What::OverSeen { node, since } => over_seen(rack, node, *since),
        What::CapsLowered { orders } => order(rack, orders),
        What::CapProven { node, proof } => {
            rack.kept.proofs.insert(node.clone(), proof.clone());
        }
        What::CapDoubted { node, .. } => drop(rack.kept.proofs.remove(node)),
        What::LeaseSeen { node, seen } => lease_seen(rack, node, seen),
        What::Located { place, until, .. } => lights::located(rack, place, *until),
        What::LocateEnded { place, .. } => {
            rack.kept.located.remove(place);
        }
        What::LedSet { place, on, .. } => lights::led_set(rack, place, *on),
        What::CapSet { node, watts } => {
            rack.kept.caps.insert(node.clone(), *watts);
        }
        What::NodeReady { node } => {
            rack.kept.ready_nodes.insert(node.clone());
        }
        What::NodeUnreachable { node, .. } => {
            rack.kept.ready_nodes.remove(node);
        }
        What::ActionFailed { .. } | What::DrillShowedNothing { .. } => {}
        What::SwapChanged(change) => swap_changed(rack, change, at),
        What::SwitchChanged(change) => switch::changed(rack, change, at),
        What::DoubtKnown(known) => doubt_known(rack, known, event),
        What::DoubtUnknown { id } => {
            rack.kept.known.remove(id);
        }
        What::Paused(pause) => paused(rack, pause, event),
        What::Resumed { place, .. } => {
            rack.kept.pauses.remove(place);
        }
        What::DriveChanged(change) => drives::changed(rack, change, at),
        What::DriveClaimChanged(change) => drives::claim_changed(rack, change),
        What::DriveBayChanged(change) => drives::bay_changed(rack, change),
        What::DrivesSeen(seen) => drives::seen(rack, seen, at),
        What::SuppliesSeen(seen) => supplies_seen(rack, seen, at),
        What::NodeSeen { node, seen } => node_seen(rack, node, seen, at),
        What::ActionTried { action, outcome } => tried(rack, action, outcome, at),
    }
}

fn started(rack: &mut Rack, at: Moment) {
    rack.sight = Sight {
        started: Some(at),
        ..Sight::default()
    };
}

fn answered(rack: &mut Rack, bmc: &str, at: Moment) {
    let sight = rack.sight.bmcs.entry(bmc.to_owned()).or_default();
    sight.up = true;
    sight.reason = None;
    sight.last_success = Some(at);
}

fn domain_changed(rack: &mut Rack, domain: &str, state: DomainState, since: Moment) {
    if let Some(standing) = rack.kept.domains.get_mut(domain) {
        *standing = DomainStanding { state, since };
    }
}

fn over_seen(rack: &mut Rack, node: &str, since: Option<Moment>) {
    if let Some(sight) = rack.sight.nodes.get_mut(node) {
        sight.over_since = since;
    }
}

fn silent(rack: &mut Rack, bmc: &str, reason: NoData, detail: &str) {
    let sight = rack.sight.bmcs.entry(bmc.to_owned()).or_default();
    sight.up = false;
    sight.reason = Some(if detail.is_empty() {
        reason.word().to_owned()
    } else {
        detail.to_owned()
    });
    for bay in rack.config.bays.iter().filter(|bay| bay.bmc == bmc) {
        if let Some(seen) = rack.sight.bays.get_mut(&bay.place) {
            seen.seen = false;
            seen.output = None;
        }
    }
    for domain in &rack.config.domains {
        if domain.bmc.as_deref() == Some(bmc)
            && let Some(seen) = rack.sight.domains.get_mut(&domain.name)
        {
            seen.drawn = None;
        }
    }
}

fn bay_changed(rack: &mut Rack, change: &BayChange, at: Moment) {
    let Some(bay) = rack.kept.bays.get_mut(&change.place) else {
        return;
    };
    let before = std::mem::replace(bay, change.bay.clone());
    if before.life == Life::Empty && change.bay.life != Life::Empty {
        // Whatever came, it is in: nobody looks for the bay any more.
        rack.kept.located.remove(&change.place);
    }
    if change.bay.life == Life::Empty
        && let Some(swap) = rack.kept.swaps.get_mut(&change.place)
        && swap.is_open()
    {
        swap.emptied = Some(at);
        // The wrong part is out again.
        swap.stopped = swap
            .stopped
            .take()
            .filter(|stop| stop.kind != SwapTrouble::WrongPart);
    }
    match change.cause {
        Cause::Pulled => {
            // The light stays on over the empty bay, so that the new part goes where the old one was.
            if let Some(leaving) = before.life.leaving() {
                let until = leaving.began.after(SWAP_LIGHT);
                rack.kept.located.insert(change.place.clone(), until);
            }
        }
        Cause::Inserted { .. }
        | Cause::Found
        | Cause::Settled
        | Cause::Passed
        | Cause::Lost
        | Cause::Faulted
        | Cause::Condemned
        | Cause::Retried
        | Cause::Drained { .. }
        | Cause::Ready
        | Cause::GivenBack { .. }
        | Cause::WrongPart
        | Cause::Accepted
        | Cause::Known => {}
    }
}

fn doubt_known(rack: &mut Rack, known: &Known, event: &Event) {
    let known = Known {
        at: event.at,
        asked: event.asked.clone(),
        ..known.clone()
    };
    rack.kept.known.insert(known.id.clone(), known);
}

fn paused(rack: &mut Rack, pause: &Pause, event: &Event) {
    let pause = Pause {
        asked: event.asked.clone(),
        ..pause.clone()
    };
    rack.kept.pauses.insert(pause.scope.clone(), pause);
}

fn swap_changed(rack: &mut Rack, change: &SwapChange, at: Moment) {
    if let SwapTurn::Begun { swap } = &change.turn {
        if rack.kept.bays.contains_key(&change.place) {
            rack.kept.swaps.insert(change.place.clone(), Swap::clone(swap));
        }
        return;
    }
    let Some(swap) = rack.kept.swaps.get_mut(&change.place) else {
        return;
    };
    match &change.turn {
        SwapTurn::Begun { .. } => {}
        SwapTurn::WentOn => {
            swap.stopped = None;
            swap.watched_from = at;
        }
        SwapTurn::Accepted => {
            swap.stopped = None;
            swap.accepts_any = true;
        }
        SwapTurn::Stopped(stop) => swap.stopped = Some(stop.clone()),
        SwapTurn::Ended(end) => swap.ended = Some(end.clone()),
    }
}

fn caps_ordered(rack: &mut Rack, what: &What) {
    if let What::CapsOrdered {
        orders,
        granted,
        shed,
        ..
    } = what
    {
        order(rack, orders);
        rack.kept.granted = Arc::new(granted.iter().copied().collect());
        rack.kept.shed = Arc::new(shed.iter().copied().collect());
    }
}

fn order(rack: &mut Rack, orders: &[NodeOrder]) {
    let standing = Arc::make_mut(&mut rack.kept.orders);
    for NodeOrder { node, order } in orders {
        standing.insert(node.clone(), order.clone());
    }
}

fn lease_seen(rack: &mut Rack, node: &str, seen: &LeaseSight) {
    if rack.config.node(node).is_none() {
        return;
    }
    rack.sight.nodes.entry(node.to_owned()).or_default().lease = Some(seen.clone());
}

fn admitted(rack: &mut Rack, claim: &Claim, ask: &PowerAsk, key: Option<&str>) {
    rack.kept.next_claim = rack.kept.next_claim.max(claim.id.0.saturating_add(1));
    Arc::make_mut(&mut rack.kept.claims).insert(claim.id, claim.clone());
    let Some(key) = key else { return };
    let answered = Answered {
        ask: ask.clone(),
        claim: claim.clone(),
    };
    Arc::make_mut(&mut rack.kept.answered).keep(key, answered, MOST_ANSWERED);
}

fn supplies_seen(rack: &mut Rack, seen: &SuppliesSeen, at: Moment) {
    let bmc = rack.sight.bmcs.entry(seen.bmc.clone()).or_default();
    bmc.up = true;
    bmc.reason = None;
    bmc.last_success = Some(at);
    bmc.read_at = Some(seen.read_at);
    for (place, bay) in &seen.bays {
        rack.sight.bays.insert(place.clone(), bay.clone());
    }
    for (name, claimed, drawn) in &seen.domains {
        let domain = rack.sight.domains.entry(name.clone()).or_default();
        domain.claimed.clone_from(claimed);
        domain.drawn = *drawn;
    }
    rack.sight.doubts.insert(seen.bmc.clone(), seen.doubts.clone());
}

fn node_seen(rack: &mut Rack, node: &str, seen: &NodeSeen, at: Moment) {
    if rack.config.node(node).is_none() {
        return;
    }
    let sight = rack.sight.nodes.entry(node.to_owned()).or_default();
    match seen {
        NodeSeen::Agent(facts) => {
            sight.agent = Some(facts.clone());
            sight.agent_at = Some(at);
            sight.agent_reason = None;
        }
        NodeSeen::Bmc(facts) => {
            sight.bmc = Some(facts.clone());
            sight.bmc_at = Some(at);
            sight.bmc_reason = None;
        }
        NodeSeen::Silent(NodeSide::Agent, reason) => {
            sight.agent = None;
            sight.agent_reason = Some(reason.clone());
        }
        NodeSeen::Silent(NodeSide::Bmc, reason) => {
            sight.bmc = None;
            sight.bmc_reason = Some(reason.clone());
        }
    }
    if let NodeSeen::Bmc(facts) = seen {
        terms::drew(rack, node, facts, at);
    }
    let bmc = rack.config.node(node).and_then(|node| node.bmc.clone());
    if let Some(name) = bmc {
        let bmc = rack.sight.bmcs.entry(name).or_default();
        match seen {
            NodeSeen::Bmc(_) => {
                bmc.up = true;
                bmc.reason = None;
                bmc.last_success = Some(at);
            }
            NodeSeen::Silent(NodeSide::Bmc, reason) => {
                bmc.up = false;
                bmc.reason = Some(reason.clone());
            }
            NodeSeen::Agent(_) | NodeSeen::Silent(NodeSide::Agent, _) => {}
        }
    }
}

fn tried(rack: &mut Rack, action: &Action, outcome: &Outcome, at: Moment) {
    let wrote_to = match action {
        Action::SetLed { place, .. } => rack.config.bay(place).map(|bay| bay.bmc.clone()),
        Action::OrderDrive { .. } | Action::DetachDrive { .. } => {
            return drives::tried(rack, action, outcome, at);
        }
        Action::SetCap { node, .. } | Action::SwitchNode { node, .. } => {
            rack.config.node(node).and_then(|node| node.bmc.clone())
        }
        Action::ReadSupplies { .. } => None,
    };
    if *outcome == Outcome::Done {
        rack.sight.attempts.remove(action);
        switch::tried(rack, action, at);
        if let Some(bmc) = wrote_to {
            let bmc = rack.sight.bmcs.entry(bmc).or_default();
            bmc.writes = bmc.writes.saturating_add(1);
        }
        if let Action::SetCap { node, watts } = action
            && let Some(facts) = rack.sight.nodes.get_mut(node).and_then(|node| node.bmc.as_mut())
        {
            facts.cap = facts::Reading::Value(*watts);
        }
        return;
    }
    let tries = rack
        .sight
        .attempts
        .get(action)
        .map_or(0, |attempt| attempt.tries)
        .saturating_add(1);
    let attempt = attempt(tries, outcome, at);
    rack.sight.attempts.insert(action.clone(), attempt);
}

/// A try that did not do what was wanted, and when the next one is due.
fn attempt(tries: u32, outcome: &Outcome, at: Moment) -> Attempt {
    let doublings = tries.saturating_sub(1).min(MOST_DOUBLINGS);
    let wait = std::time::Duration::from_millis(FIRST_RETRY_MILLIS << doublings);
    Attempt {
        tries,
        retry_at: at.after(wait),
        outcome: outcome.clone(),
    }
}
