//! Which node is switched off when floors do not fit what is installed, and which may be switched on next (power.md, rule 9 and the
//! dark start).

use std::collections::BTreeSet;
use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::DomainState;

use super::orders::{Room, counted};
use super::ration::nodes_below;
use super::standing::{above, kept, standing, tightest};
use super::uncapped::{firmly, least};
use crate::bay::Life;
use crate::config::{DomainConfig, NodeConfig, Role};
use crate::rack::action::{Action, Outcome, SwitchTo};
use crate::rack::identity::same_machine;
use crate::rack::state::Rack;
use crate::rack::switch::Wanted;

/// Contacts that bounce are back by then. It is waited for only where less is drawn than what is installed.
const SETTLED: Duration = Duration::from_secs(2);

/// A node that is to go off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shed {
    /// The node.
    pub node: String,
    /// The domain that does not bear its floors.
    pub domain: String,
    /// By how much.
    pub missing: Power,
    /// What the node counts with until it is off.
    pub frees: Power,
}

fn wanted(rack: &Rack, node: &str) -> Option<Wanted> {
    rack.kept.switches.get(node).map(|switch| switch.wanted)
}

fn powered_on(rack: &Rack, node: &NodeConfig) -> Option<bool> {
    let seen = rack.sight.nodes.get(&node.name)?;
    seen.bmc.as_ref().and_then(|bmc| bmc.powered_on)
}

/// Why a node is not switched: it may be another machine that would be. `None` where nothing speaks against it.
pub fn stranger(rack: &Rack, node: &NodeConfig) -> Option<String> {
    let seen = rack.sight.nodes.get(&node.name);
    let bmc = seen.and_then(|seen| seen.bmc.as_ref()?.uuid.as_deref());
    let agent = seen.and_then(|seen| seen.agent.as_ref()?.uuid.as_deref());
    let Some(bmc) = bmc else {
        let expected = node.uuid.as_ref()?;
        return Some(format!(
            "its BMC tells no SMBIOS UUID, and {expected} is configured: nobody knows which machine would be switched"
        ));
    };
    // A simulated BMC belongs to no machine, and the agent beside it is real.
    let agent = agent.filter(|_| !rack.config.simulated);
    [
        (node.uuid.as_deref(), "rack.toml expects"),
        (agent, "its agent runs on"),
    ]
    .into_iter()
    .find_map(|(other, words)| {
        let other = other.filter(|other| !same_machine(other, bmc))?;
        Some(format!(
            "{words} the machine {other}, and its BMC belongs to the machine {bmc} (SMBIOS UUIDs): it would switch the wrong machine"
        ))
    })
}

/// Whether its BMC was asked to switch it off and has not failed at it.
fn is_going(rack: &Rack, node: &NodeConfig) -> bool {
    let off = Action::SwitchNode {
        node: node.name.clone(),
        to: SwitchTo::Off,
    };
    let failed = rack.sight.attempts.get(&off);
    wanted(rack, &node.name) == Some(Wanted::Off)
        && !failed.is_some_and(|attempt| matches!(attempt.outcome, Outcome::Failed(_)))
}

fn sum_of_least(rack: &Rack, domain: &DomainConfig, also: &BTreeSet<String>) -> Power {
    nodes_below(rack, &domain.name)
        .filter(|node| !is_going(rack, node) && !also.contains(&node.name))
        .map(|node| least(rack, node))
        .sum()
}

/// What may be feeding a domain at the best: a supply on trial counts for no promise, but it delivers, so that nobody is switched off
/// on its account, at the first start least of all. `None` where that is not known.
fn may_deliver(rack: &Rack, domain: &DomainConfig) -> Option<Power> {
    if !domain.source.has_bays() {
        return standing(rack, &domain.name).map(|sums| sums.installed);
    }
    let mut bays = rack.config.bays.iter().filter(|bay| bay.domain == domain.name);
    bays.try_fold(Power::ZERO, |sum, bay| {
        let kept = rack.kept.bays.get(&bay.place)?;
        match kept.life {
            Life::Unseen => None,
            Life::Empty | Life::Faulted { .. } | Life::Condemned { .. } => Some(sum),
            Life::Settling { .. }
            | Life::Probation { .. }
            | Life::InService
            | Life::Draining(_)
            | Life::ReadyToPull(_) => {
                let rated = kept.installed();
                (!rated.is_zero()).then(|| sum.saturating_add(rated))
            }
        }
    })
}

/// By how much the least that its nodes can be brought to exceeds what may be feeding them, margin and fixed load kept. Whoever is on
/// the way off, or in `also`, counts with nothing.
pub fn missing(rack: &Rack, domain: &DomainConfig, also: &BTreeSet<String>) -> Power {
    let Some(delivered) = may_deliver(rack, domain) else {
        return Power::ZERO;
    };
    sum_of_least(rack, domain, also).saturating_sub(kept(domain).firm(delivered))
}

/// Whether a domain is short for long enough, and seen well enough, that somebody may be switched off for it. In doubt nobody is.
fn is_short(rack: &Rack, domain: &DomainConfig, now: Moment) -> bool {
    let Some(known) = rack.kept.domains.get(&domain.name) else {
        return false;
    };
    let Some(sums) = standing(rack, &domain.name).filter(|sums| sums.state == DomainState::Deficit) else {
        return false;
    };
    let drawn = rack.sight.domains.get(&domain.name).and_then(|seen| seen.drawn);
    let is_over = drawn.is_none_or(|drawn| drawn > sums.installed);
    // A node that nobody has looked at since the start may be off for long.
    let looked = nodes_below(rack, &domain.name).all(|node| {
        let seen = rack.sight.nodes.get(&node.name);
        node.bmc.is_none() || seen.is_some_and(|seen| seen.bmc.is_some() || seen.bmc_reason.is_some())
    });
    looked && known.state == DomainState::Deficit && (is_over || now.since(known.since) >= SETTLED)
}

/// Whether a node may be switched off by us at all, and can be now.
fn may_go(rack: &Rack, node: &NodeConfig) -> bool {
    node.allow_power_off
        && node.role == Role::Server
        && rack.config.controller_host.as_deref() != Some(node.name.as_str())
        && powered_on(rack, node) == Some(true)
        && wanted(rack, &node.name) != Some(Wanted::Off)
        && stranger(rack, node).is_none()
}

/// A node's place in the order: the rank of the best claim on it; whoever has none comes last.
fn place(rack: &Rack, node: &NodeConfig) -> impl Ord {
    let claims = rack.kept.claims.values();
    let best = claims
        .filter(|claim| claim.draws_on() == Some(node.name.as_str()))
        .map(crate::claim::Claim::rank)
        .min();
    (best.is_none(), best)
}

/// The node that is to be switched off next; `None` where floors fit, or nobody is left who may be.
pub fn next_off(rack: &Rack, now: Moment, also: &BTreeSet<String>) -> Option<Shed> {
    rack.config.domains.iter().find_map(|domain| {
        let missing = missing(rack, domain, also);
        if missing.is_zero() || !is_short(rack, domain, now) {
            return None;
        }
        let may = nodes_below(rack, &domain.name)
            .filter(|node| may_go(rack, node) && !also.contains(&node.name) && !least(rack, node).is_zero());
        // The last in rank, and of equals the one that stands last in rack.toml.
        let last = may.max_by_key(|node| place(rack, node))?;
        Some(Shed {
            node: last.name.clone(),
            domain: domain.name.clone(),
            missing,
            frees: least(rack, last),
        })
    })
}

/// Whether all that a node can draw fits now: what may be in force with it, before and after the next loss, and what is promised firm.
pub fn fits_to_boot(rack: &Rack, node: &NodeConfig, now: Moment) -> bool {
    let whole = (node.max_draw, node.max_draw);
    let fits = above(&rack.config, &node.domain).into_iter().all(|name| {
        let domain = rack.config.domain(name);
        let room = domain.and_then(|domain| Room::of(rack, domain, now));
        room.is_some_and(|room| room.bears((Power::ZERO, Power::ZERO), whole, (true, true)))
    });
    let mut on = rack.clone();
    if let Some(seen) = on.sight.nodes.get_mut(&node.name) {
        seen.bmc = None;
    }
    let claimed: Power = claimed(rack, node);
    let more = firmly(&on, node, claimed).saturating_sub(firmly(rack, node, claimed));
    let free = tightest(rack, &node.domain).map_or(Power::ZERO, |(_, headroom)| headroom);
    fits && more <= free
}

fn claimed(rack: &Rack, node: &NodeConfig) -> Power {
    let claims = rack.kept.claims.values();
    claims
        .filter(|claim| claim.node.as_deref() == Some(node.name.as_str()))
        .map(|claim| claim.watts)
        .sum()
}

/// The node that is switched on next: one after the other, the best in rank first. One that does not fit keeps those behind it waiting:
/// else a small one would keep a large one out for ever.
pub fn next_on(rack: &Rack, now: Moment) -> Option<&NodeConfig> {
    let switches = &rack.kept.switches;
    if switches.values().any(|switch| switch.wanted == Wanted::On) {
        return None;
    }
    let waits = rack.config.nodes.iter().filter(|node| {
        matches!(wanted(rack, &node.name), Some(Wanted::Waits | Wanted::Off))
            && powered_on(rack, node) == Some(false)
            && stranger(rack, node).is_none()
            && !rack.is_node_paused(&node.name, now)
    });
    let first = waits.min_by_key(|node| place(rack, node))?;
    fits_to_boot(rack, first, now).then_some(first)
}

/// How it is known that a node which was switched on is up and counts with what it should; `None` while it is not.
pub fn has_come_up(rack: &Rack, node: &NodeConfig, now: Moment) -> Option<String> {
    let seen = rack.sight.nodes.get(&node.name)?;
    let answers = seen.agent.is_some();
    if node.rest.is_some() && rack.config.enforces_caps() {
        let counted = counted(rack, node, now);
        let is_held = counted.reason.is_none() && (answers || powered_on(rack, node) == Some(true));
        return is_held.then(|| format!("its agent holds its cap of {}", counted.cap));
    }
    if node.agent.is_some() {
        return answers.then(|| "its agent answers".to_owned());
    }
    let is_on = powered_on(rack, node) == Some(true);
    let counts = firmly(rack, node, claimed(rack, node));
    is_on.then(|| format!("its BMC says so; it counts with {counts}"))
}

/// Nodes whose BMC is to be asked: off as long as they are on, on as long as they are off. Where nobody is switched because of the mode,
/// who would be.
pub fn wanted_switches(rack: &Rack, now: Moment) -> Vec<Action> {
    let switch = |node: &str, to: SwitchTo| Action::SwitchNode {
        node: node.to_owned(),
        to,
    };
    if !rack.config.switches_nodes() {
        let mut would = BTreeSet::new();
        while let Some(shed) = next_off(rack, now, &would) {
            would.insert(shed.node);
        }
        return would.iter().map(|node| switch(node, SwitchTo::Off)).collect();
    }
    let each = rack.kept.switches.iter().filter_map(|(name, standing)| {
        let node = rack.config.node(name)?;
        if stranger(rack, node).is_some() {
            return None;
        }
        match (standing.wanted, powered_on(rack, node)?) {
            (Wanted::Off, true) if now < standing.since.after(node.shutdown_grace) => {
                Some(switch(name, SwitchTo::ShutDown))
            }
            (Wanted::Off, true) => Some(switch(name, SwitchTo::Off)),
            (Wanted::On, false) if !rack.is_node_paused(name, now) => Some(switch(name, SwitchTo::On)),
            (Wanted::Off | Wanted::On, _) | (Wanted::Waits, _) => None,
        }
    });
    each.collect()
}

/// Whether a node that shall be off is on, and need not go off any more: supplies are back before its BMC did it, or somebody has
/// switched it on since. One whose operating system was asked to end goes on ending.
pub fn is_spared(rack: &Rack, node: &NodeConfig) -> bool {
    let ends = Action::SwitchNode {
        node: node.name.clone(),
        to: SwitchTo::ShutDown,
    };
    let above = above(&rack.config, &node.domain);
    let mut domains = rack.config.domains.iter();
    wanted(rack, &node.name) == Some(Wanted::Off)
        && powered_on(rack, node) == Some(true)
        && !rack.sight.attempts.contains_key(&ends)
        && domains.all(|domain| !above.contains(domain.name.as_str()) || bears_as_it_is(rack, domain, node))
}

/// Whether a domain bears the least of its nodes, this one among them although it shall be off.
fn bears_as_it_is(rack: &Rack, domain: &DomainConfig, node: &NodeConfig) -> bool {
    let counted = if is_going(rack, node) {
        least(rack, node)
    } else {
        Power::ZERO
    };
    standing(rack, &domain.name).is_some_and(|sums| {
        let firm = kept(domain).firm(sums.installed);
        sum_of_least(rack, domain, &BTreeSet::new()).saturating_add(counted) <= firm
    })
}
