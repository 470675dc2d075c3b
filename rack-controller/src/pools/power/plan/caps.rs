//! What should be in force: caps of nodes, lights of bays, and fresh looks where a deadline has passed.

use std::collections::{BTreeMap, BTreeSet};

use facts::{Moment, Power};
use rack_api::v1::DrainFor;

use super::uncapped::is_off;
use crate::bay::Life;
use crate::config::NodeConfig;
use crate::rack::event::Action;
use crate::rack::evolve::SWAP_LIGHT;
use crate::rack::state::Rack;

/// The limit that a node's claims ask for: at least its floor, at most what it can draw. A node without claims wants
/// none, or its whole draw back where we had limited it before.
pub fn wanted_cap(rack: &Rack, node: &NodeConfig) -> Option<Power> {
    // Its agent holds its caps: a second hand would only be slower.
    if node.rest.is_some() {
        return None;
    }
    let claimed: Power = rack
        .kept
        .claims
        .values()
        .filter(|claim| claim.draws_on() == Some(node.name.as_str()))
        .filter(|claim| !rack.kept.shed.contains(&claim.id))
        .map(|claim| claim.watts)
        .sum();
    if claimed.is_zero() {
        let limited = rack
            .kept
            .caps
            .get(&node.name)
            .is_some_and(|cap| *cap < node.max_draw);
        return limited.then_some(node.max_draw);
    }
    Some(claimed.max(node.floor).min(node.max_draw))
}

/// Caps that differ from what is wanted. Lower before raise: while a node of a domain has still to be lowered, none of
/// its neighbours is raised. A node whose BMC does not answer is left as it is, and one that is paused is not raised.
pub(super) fn caps(rack: &Rack, now: Moment) -> Vec<Action> {
    let mut by_domain: BTreeMap<&str, (Vec<Action>, Vec<Action>)> = BTreeMap::new();
    for node in &rack.config.nodes {
        // Nobody draws there, and some BMCs forget a limit that was set while their node was off.
        let Some(wanted) = wanted_cap(rack, node).filter(|_| !is_off(rack, node)) else {
            continue;
        };
        let Some(facts) = rack
            .sight
            .nodes
            .get(&node.name)
            .and_then(|node| node.bmc.as_ref())
        else {
            continue;
        };
        let in_force = facts.cap.value();
        if in_force == Some(wanted) {
            continue;
        }
        let (lower, raise) = by_domain.entry(node.domain.as_str()).or_default();
        let action = Action::SetCap {
            node: node.name.clone(),
            watts: wanted,
        };
        match in_force {
            Some(cap) if cap < wanted && rack.is_node_paused(&node.name, now) => {}
            Some(cap) if cap < wanted => raise.push(action),
            Some(_) | None => lower.push(action),
        }
    }
    by_domain
        .into_values()
        .flat_map(|(lower, raise)| if lower.is_empty() { raise } else { lower })
        .collect()
}

/// Whether a bay's light is wanted: while it is being emptied, over the empty bay until a part comes back, or because
/// somebody looks for it; never longer than its time.
pub fn wanted_light(rack: &Rack, place: &str, now: Moment) -> bool {
    let leaving = rack
        .kept
        .bays
        .get(place)
        .and_then(|bay| bay.life.leaving())
        .is_some_and(|leaving| leaving.purpose == DrainFor::Pull && now < leaving.began.after(SWAP_LIGHT));
    leaving || rack.kept.located.get(place).is_some_and(|until| now < *until)
}

/// Lights that differ from what is wanted, except where somebody said pause. A light that we did not light is not put out by us.
pub(super) fn lights(rack: &Rack, now: Moment) -> Vec<Action> {
    rack.config
        .bays
        .iter()
        .filter_map(|bay| {
            let seen = rack.sight.bays.get(&bay.place)?;
            if !rack.bmc_up(&bay.bmc) || rack.is_domain_paused(&bay.domain, now) {
                return None;
            }
            let wanted = wanted_light(rack, &bay.place, now);
            let ours = rack.kept.lit.contains(&bay.place);
            let differs = match seen.led {
                Some(lit) => lit != wanted && (wanted || ours),
                None => false,
            };
            differs.then(|| Action::SetLed {
                place: bay.place.clone(),
                on: wanted,
            })
        })
        .collect()
}

/// BMCs to be read now: a bay's settling, trial or back-off is over, and only a look after that can tell how it went on.
pub(super) fn looks(rack: &Rack, now: Moment) -> Vec<Action> {
    let due: BTreeSet<&str> = rack
        .config
        .bays
        .iter()
        .filter(|bay| {
            let Some(kept) = rack.kept.bays.get(&bay.place) else {
                return false;
            };
            let deadline = match &kept.life {
                Life::Settling { until } | Life::Probation { until } => *until,
                Life::Faulted { retry_at, .. } if *retry_at > kept.since => *retry_at,
                Life::Unseen
                | Life::Empty
                | Life::InService
                | Life::Draining(_)
                | Life::ReadyToPull(_)
                | Life::Faulted { .. }
                | Life::Condemned { .. } => return false,
            };
            let bmc = rack.sight.bmcs.get(&bay.bmc);
            let looked = bmc.is_some_and(|bmc| bmc.read_at.is_some_and(|read| read >= deadline));
            deadline <= now && !looked && bmc.is_some_and(|bmc| bmc.up)
        })
        .map(|bay| bay.bmc.as_str())
        .collect();
    due.into_iter()
        .map(|bmc| Action::ReadSupplies { bmc: bmc.to_owned() })
        .collect()
}
