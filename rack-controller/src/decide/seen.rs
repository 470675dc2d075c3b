//! What BMCs and agents say, or that they say nothing, becomes events.

use facts::supply::{Doubt, Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Moment, NoData, Power};

use super::settle::Course;
use crate::bay::{Bay, Life, Present, Sighting, step};
use crate::config::BayConfig;
use crate::pools::power::plan;
use crate::rack::event::{Cause, NodeSeen, SuppliesSeen, What};
use crate::rack::order::LeaseSight;
use crate::rack::sight::{AgentFacts, BaySight, BmcFacts, NodeSide};

/// A supply with a larger rating than this is a BMC's slip of the pen: no rack has such a supply.
const MOST_RATED_WATTS: u64 = 1_000_000;
/// A supply on trial must carry at least one part in this many of an equal share of the load.
const LEAST_SHARE: u64 = 4;
/// The most changes of one bay's life in one look: removal, insertion, and every time that is zero.
const MOST_STEPS: usize = 8;
/// After this time a slow lowering counts no more: whatever slowed that agent is over.
const FORGOTTEN: std::time::Duration = std::time::Duration::from_secs(3_600);

pub(super) fn supplies(next: &mut Course<'_>, bmc: &str, said: &Supplies, read_at: Moment) {
    if next.rack.config.bmc(bmc).is_none() {
        return;
    }
    if !next.rack.bmc_up(bmc) {
        next.happen(What::BmcAnswered { bmc: bmc.to_owned() });
    }
    let config = next.rack.config.clone();
    let bays: Vec<&BayConfig> = config.bays.iter().filter(|bay| bay.bmc == bmc).collect();
    let listed = bays.iter().any(|bay| find(said, &bay.supply).is_some());
    let looks: Vec<(&BayConfig, Option<&Supply>)> =
        bays.iter().map(|bay| (*bay, find(said, &bay.supply))).collect();
    let seen = telemetry(next, bmc, said, read_at, &looks, listed);
    next.happen(What::SuppliesSeen(Box::new(seen)));
    for (bay, supply) in &looks {
        let share = fair_share(said, &bay.supply);
        live(next, bay, &sighting(bay, *supply, listed, share));
    }
    own_lights(next, &bays);
}

fn find<'a>(said: &'a Supplies, id: &str) -> Option<&'a Supply> {
    said.domains
        .iter()
        .flat_map(|domain| &domain.supplies)
        .find(|supply| supply.bay == id && !supply.is_filler)
}

fn domain_of<'a>(said: &'a Supplies, id: &str) -> Option<&'a SupplyDomain> {
    said.domains
        .iter()
        .find(|domain| domain.supplies.iter().any(|supply| supply.bay == id))
}

/// An equal share of what the supplies around this one deliver; `None` where one of them does not tell.
fn fair_share(said: &Supplies, id: &str) -> Option<Power> {
    let domain = domain_of(said, id)?;
    let running: Vec<Power> = domain
        .supplies
        .iter()
        .filter(|supply| supply.state == SupplyState::Ok && !supply.is_filler)
        .filter_map(|supply| supply.output_watts.value())
        .collect();
    let count = u64::try_from(running.len()).ok().filter(|count| *count > 0)?;
    let whole: Power = running.into_iter().sum();
    Some(Power::from_milliwatts(whole.milliwatts() / count))
}

/// What a look at one bay shows. A BMC that lists none of our bays has lost its list (it restarts): that is blindness.
/// A BMC that lists the others and not this one says that it is empty.
fn sighting(bay: &BayConfig, supply: Option<&Supply>, listed: bool, share: Option<Power>) -> Sighting {
    let Some(supply) = supply else {
        return if listed { Sighting::Empty } else { Sighting::Blind };
    };
    match supply.state {
        SupplyState::Absent => Sighting::Empty,
        SupplyState::Unknown => Sighting::Blind,
        SupplyState::Ok | SupplyState::Faulted | SupplyState::InputLost | SupplyState::Off => {
            let carries = match (supply.output_watts.value(), share) {
                (Some(output), Some(share)) => Some(output.milliwatts() >= share.milliwatts() / LEAST_SHARE),
                (_, _) => None,
            };
            Sighting::Present(Present {
                part: supply.identity.clone(),
                state: supply.state,
                rated: believable(supply.rated_watts.value()).or(bay.rated),
                carries,
            })
        }
    }
}

/// Whether a supply has input; one that is broken or switched off tells nothing of its cable.
const fn has_input(supply: &Supply) -> Option<bool> {
    match supply.state {
        SupplyState::Ok => Some(true),
        SupplyState::InputLost => Some(false),
        SupplyState::Absent | SupplyState::Faulted | SupplyState::Off | SupplyState::Unknown => None,
    }
}

fn believable(rated: Option<Power>) -> Option<Power> {
    rated.filter(|rated| {
        !rated.is_zero() && Power::from_watts(MOST_RATED_WATTS).is_some_and(|most| *rated <= most)
    })
}

fn telemetry(
    next: &Course<'_>,
    bmc: &str,
    said: &Supplies,
    read_at: Moment,
    looks: &[(&BayConfig, Option<&Supply>)],
    listed: bool,
) -> SuppliesSeen {
    let bays = looks
        .iter()
        .map(|(bay, supply)| {
            let sight = BaySight {
                seen: listed && supply.is_none_or(|supply| supply.state != SupplyState::Unknown),
                output: supply.and_then(|supply| supply.output_watts.value()),
                input: supply.and_then(has_input),
                led: supply.and_then(|supply| supply.led),
            };
            (bay.place.clone(), sight)
        })
        .collect();
    let domains = next
        .rack
        .config
        .domains
        .iter()
        .filter(|domain| domain.bmc.as_deref() == Some(bmc))
        .map(|domain| {
            let mine = looks
                .iter()
                .filter(|(bay, _)| bay.domain == domain.name)
                .find_map(|(bay, _)| domain_of(said, &bay.supply));
            (
                domain.name.clone(),
                mine.map(|mine| mine.claimed.clone()).unwrap_or_default(),
                mine.and_then(|mine| mine.drawn_watts.value()),
            )
        })
        .collect();
    SuppliesSeen {
        bmc: bmc.to_owned(),
        read_at,
        bays,
        domains,
        doubts: doubts(bmc, said, looks),
    }
}

/// What the BMC says of itself and what it says against the configuration.
fn doubts(bmc: &str, said: &Supplies, looks: &[(&BayConfig, Option<&Supply>)]) -> Vec<Doubt> {
    let mut doubts = said.doubts.clone();
    for supply in said.domains.iter().flat_map(|domain| &domain.supplies) {
        let known = looks.iter().any(|(bay, _)| bay.supply == supply.bay);
        if !known && !supply.is_filler && !looks.is_empty() {
            doubts.push(Doubt {
                kind: "unconfigured".to_owned(),
                message: format!(
                    "{bmc} lists {}, and no [[bay]] names it: it does not count",
                    supply.bay
                ),
                resource: supply.resource.clone(),
            });
        }
    }
    for (bay, supply) in looks {
        let Some(supply) = supply else { continue };
        if let Some(told) = supply.rated_watts.value()
            && believable(Some(told)).is_none()
            && supply.state == SupplyState::Ok
        {
            doubts.push(Doubt {
                kind: "capacity".to_owned(),
                message: format!(
                    "{bmc} rates {} at {told}, which no supply has: not believed",
                    bay.label
                ),
                resource: supply.resource.clone(),
            });
        }
    }
    doubts
}

/// One bay's life, as far as this look takes it.
fn live(next: &mut Course<'_>, config: &BayConfig, seen: &Sighting) {
    let Some(rules) = plan::rules(&next.rack, &config.place) else {
        return;
    };
    for _ in 0..MOST_STEPS {
        let Some(bay) = next.rack.kept.bays.get(&config.place) else {
            return;
        };
        let Some(after) = step(bay, seen, next.now, &rules) else {
            return;
        };
        let cause = cause(bay, &after);
        next.bay(&config.place, after, cause);
    }
}

/// Why a bay went from one life to another.
fn cause(before: &Bay, after: &Bay) -> Cause {
    match (&before.life, &after.life) {
        (Life::Unseen, Life::Empty | Life::Probation { .. }) => Cause::Found,
        (Life::Draining(_) | Life::ReadyToPull(_), Life::Empty) => Cause::Pulled,
        (_, Life::Empty) => Cause::Lost,
        (Life::Empty, Life::Settling { .. }) => Cause::Inserted {
            stranger: before.last_part.is_some() && before.last_part != after.part,
        },
        (Life::Faulted { .. }, Life::Settling { .. }) => Cause::Retried,
        (Life::Settling { .. }, Life::Probation { .. }) => Cause::Settled,
        (Life::Probation { .. }, Life::InService) => Cause::Passed,
        (_, Life::Faulted { .. }) => Cause::Faulted,
        (_, Life::Condemned { .. }) if before.life.word() != after.life.word() => Cause::Condemned,
        (_, _) => Cause::Known,
    }
}

/// Lights that are as wanted although we have not noted that we did it: the note was lost in a crash, or somebody else
/// was faster.
fn own_lights(next: &mut Course<'_>, bays: &[&BayConfig]) {
    for bay in bays {
        let wanted = plan::wanted_light(&next.rack, &bay.place, next.now);
        let noted = next.rack.kept.lit.contains(&bay.place);
        let lit = next.rack.sight.bays.get(&bay.place).and_then(|seen| seen.led);
        if lit == Some(wanted) && noted != wanted {
            next.happen(What::LedSet {
                place: bay.place.clone(),
                label: bay.label.clone(),
                on: wanted,
            });
        }
    }
}

pub(super) fn silent(next: &mut Course<'_>, bmc: &str, reason: NoData, detail: &str) {
    if next.rack.config.bmc(bmc).is_none() {
        return;
    }
    // One event for the silence, not one for each look that fails; and one after a start, so that the reason is known.
    let known = next
        .rack
        .sight
        .bmcs
        .get(bmc)
        .is_some_and(|bmc| !bmc.up && bmc.reason.is_some());
    if !known {
        next.happen(What::BmcSilent {
            bmc: bmc.to_owned(),
            reason,
            detail: detail.to_owned(),
        });
    }
}

pub(super) fn agent(next: &mut Course<'_>, node: &str, facts: &AgentFacts) {
    if next.rack.config.node(node).is_none() {
        return;
    }
    next.happen(What::NodeSeen {
        node: node.to_owned(),
        seen: Box::new(NodeSeen::Agent(facts.clone())),
    });
    if !next.rack.kept.ready_nodes.contains(node) {
        next.happen(What::NodeReady {
            node: node.to_owned(),
        });
    }
}

pub(super) fn lease(next: &mut Course<'_>, node: &str, seen: &LeaseSight) {
    if next.rack.config.node(node).is_none() {
        return;
    }
    let timed = timed(next, node, seen);
    next.happen(What::LeaseSeen {
        node: node.to_owned(),
        seen: seen.clone(),
    });
    if let Some(took_millis) = timed {
        let node = node.to_owned();
        next.happen(What::LoweringTimed { node, took_millis });
    }
}

/// How long an order that lowers took, where that is the longest within the last hour. Timed is what this controller ordered of an agent
/// that answered it before, and only its first answer. In the first contact there are handshakes with the whole rack at once, for which no
/// loss waits; it is no measure, and need not be one: whoever lends was drilled, and a drill lowers.
fn timed(next: &Course<'_>, node: &str, seen: &LeaseSight) -> Option<u64> {
    let order = next.rack.kept.orders.get(node)?;
    let before = next
        .rack
        .sight
        .nodes
        .get(node)
        .and_then(|seen| seen.lease.as_ref());
    let is_first = before.is_some_and(|before| {
        before.silent_since.is_none() && before.answered != 0 && before.answered < order.number
    });
    let is_ours = next.rack.sight.started.is_some_and(|started| order.at >= started);
    let lowers = order.may > order.cap;
    if !(seen.applied && seen.answered == order.number && is_first && is_ours && lowers) {
        return None;
    }
    let took = next.now.since(order.at);
    let slowest = next.rack.kept.slowest_lowering;
    slowest
        .is_none_or(|(slowest, at)| took > slowest || next.now.since(at) >= FORGOTTEN)
        .then(|| u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn node_bmc(next: &mut Course<'_>, node: &str, facts: &BmcFacts) {
    if next.rack.config.node(node).is_some() {
        next.happen(What::NodeSeen {
            node: node.to_owned(),
            seen: Box::new(NodeSeen::Bmc(facts.clone())),
        });
        super::drill::measured(next, node, facts.drawn.value());
    }
}

pub(super) fn node_silent(next: &mut Course<'_>, node: &str, side: NodeSide, reason: &str) {
    if next.rack.config.node(node).is_none() {
        return;
    }
    next.happen(What::NodeSeen {
        node: node.to_owned(),
        seen: Box::new(NodeSeen::Silent(side, reason.to_owned())),
    });
    if side == NodeSide::Agent && next.rack.kept.ready_nodes.contains(node) {
        next.happen(What::NodeUnreachable {
            node: node.to_owned(),
            reason: reason.to_owned(),
        });
    }
}
