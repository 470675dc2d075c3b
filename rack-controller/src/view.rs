//! The rack as one machine, for people, programs and metrics: rendered from the state, never stored.

mod claims;
mod drive_doubts;
mod drives;
mod feeds;
mod people;
mod switch;

use facts::{Moment, Power, Reading};
use rack_api::v1::{BayView, BmcView, DomainState, DomainView, NodeLease, NodeView, RackView};

use crate::config::{BayConfig, DomainConfig, NodeConfig};
use crate::pools::power::plan;
use crate::rack::sight::{AgentFacts, BmcFacts, NodeSight};
use crate::rack::state::Rack;

pub use claims::claim;
pub use drive_doubts::drive_doubts;
pub use drives::{
    claim as claim_drives, claim_of as claim_of_drives, drive, drives, erase_method, proof as proof_of_drive,
};
pub use feeds::feed_doubts;
pub use people::{doubt, pauses, swap, swaps};
pub use switch::node_doubts;

/// The rack as it is known now.
pub fn view(rack: &Rack, now: Moment) -> RackView {
    let config = &rack.config;
    RackView {
        rack: config.name.clone(),
        mode: config.actuators.mode.word().to_owned(),
        simulated: config.simulated,
        at: now,
        journal_sequence: rack.kept.sequence,
        domains: config
            .domains
            .iter()
            .map(|domain| domain_view(rack, domain, now))
            .collect(),
        nodes: config
            .nodes
            .iter()
            .map(|node| node_view(rack, node, now))
            .collect(),
        claims: claims::claims(rack, now),
        preempted: claims::preempted(rack),
        preemptions: rack.kept.preemptions,
        doubts: rack
            .sight
            .doubts
            .values()
            .flatten()
            .map(|said| doubt(rack, said.clone(), now))
            .collect(),
        swaps: swaps(rack),
        pauses: pauses(rack),
        bmcs: config
            .bmcs
            .iter()
            .map(|bmc| {
                let seen = rack.sight.bmcs.get(&bmc.name).cloned().unwrap_or_default();
                BmcView {
                    name: bmc.name.clone(),
                    url: bmc.url.clone(),
                    up: seen.up,
                    reason: if seen.up {
                        None
                    } else {
                        Some(seen.reason.unwrap_or_else(|| "not asked yet".to_owned()))
                    },
                    last_success: seen.last_success,
                    writes: seen.writes,
                }
            })
            .collect(),
    }
}

fn domain_view(rack: &Rack, domain: &DomainConfig, now: Moment) -> DomainView {
    let sale = plan::sale(rack, domain, now);
    let sums = plan::standing_now(rack, &domain.name, now);
    let headroom = plan::tightest(rack, &domain.name).map_or(Power::ZERO, |(_, headroom)| headroom);
    let seen = rack.sight.domains.get(&domain.name);
    let standing = rack.kept.domains.get(&domain.name);
    let of = |part: fn(&plan::Sums) -> Power| sums.as_ref().map_or(Power::ZERO, part);
    DomainView {
        name: domain.name.clone(),
        source: domain.source.word().to_owned(),
        redundancy: domain.redundancy.to_string(),
        bmc: domain.bmc.clone(),
        claimed: seen.map(|seen| seen.claimed.clone()).unwrap_or_default(),
        installed_watts: of(|sums| sums.installed),
        surviving_watts: of(|sums| sums.surviving),
        margin_ppm: domain.margin_ppm,
        fixed_load_watts: domain.fixed_load,
        firm_watts: of(|sums| sums.firm),
        held_watts: of(|sums| sums.held),
        headroom_watts: headroom,
        deficit_watts: of(|sums| sums.deficit),
        total_watts: sale.total,
        revocable_asked_watts: sale.asked,
        revocable_watts: sale.granted,
        revocable_reason: sale.reason,
        lent_watts: plan::lent(rack, &domain.name),
        drawn_watts: seen.and_then(|seen| seen.drawn),
        state: standing.map_or(DomainState::Blind, |standing| standing.state),
        since: standing.map_or(Moment::EPOCH, |standing| standing.since),
        bays: rack
            .config
            .bays
            .iter()
            .filter(|bay| bay.domain == domain.name)
            .map(|bay| bay_view(rack, bay))
            .collect(),
    }
}

fn bay_view(rack: &Rack, config: &BayConfig) -> BayView {
    let bay = rack
        .kept
        .bays
        .get(&config.place)
        .cloned()
        .unwrap_or_else(crate::bay::Bay::unseen);
    let seen = rack.sight.bays.get(&config.place);
    let lost = bay.life == crate::bay::Life::Empty && bay.lost_at == Some(bay.since);
    BayView {
        lost,
        place: config.place.clone(),
        label: config.label.clone(),
        feed: config.feed.clone(),
        life: bay.life.word(),
        since: bay.since,
        until: bay.life.until(),
        reason: bay.life.reason(),
        part: bay.part,
        rated_watts: bay.rated,
        output_watts: seen.and_then(|seen| seen.output),
        input: seen.and_then(|seen| seen.input),
        led: seen.and_then(|seen| seen.led),
        seen: rack.sees(&config.place),
    }
}

/// `ready`, `unreachable`, `powered_off` or `discovered`, and why it is not ready.
fn node_state(node: &NodeConfig, seen: &NodeSight) -> (&'static str, Option<String>) {
    let off = seen.bmc.as_ref().and_then(|bmc| bmc.powered_on) == Some(false);
    if off {
        return ("powered_off", Some("its BMC says that it is off".to_owned()));
    }
    if seen.agent.is_some() {
        return ("ready", None);
    }
    let agent_reason = || {
        seen.agent_reason
            .clone()
            .unwrap_or_else(|| "its agent was not asked yet".to_owned())
    };
    match (&node.agent, &seen.bmc) {
        (Some(_), _) => ("unreachable", Some(agent_reason())),
        (None, Some(_)) => (
            "discovered",
            Some("no agent is configured: seen by its BMC only".to_owned()),
        ),
        (None, None) => {
            let reason = seen.bmc_reason.clone().unwrap_or_else(|| {
                if node.bmc.is_some() {
                    "its BMC was not asked yet".to_owned()
                } else {
                    "neither an agent nor a BMC is configured".to_owned()
                }
            });
            ("unreachable", Some(reason))
        }
    }
}

fn lease_view(rack: &Rack, node: &NodeConfig, now: Moment) -> Option<NodeLease> {
    node.rest?;
    let order = rack.kept.orders.get(&node.name)?;
    let seen = rack
        .sight
        .nodes
        .get(&node.name)
        .and_then(|seen| seen.lease.as_ref());
    let counted = plan::counted(rack, node, now);
    Some(NodeLease {
        cap_watts: order.cap,
        levels: order.levels.clone(),
        in_force_watts: seen.and_then(|seen| seen.in_force),
        applied: seen.is_some_and(|seen| seen.applied && seen.answered == order.number),
        counted_watts: counted.cap,
        silent_since: seen.and_then(|seen| seen.silent_since),
        proven_watts: rack.kept.proofs.get(&node.name).map(|proof| proof.cap),
        reason: counted.reason,
    })
}

fn node_view(rack: &Rack, node: &NodeConfig, now: Moment) -> NodeView {
    let seen = rack.sight.nodes.get(&node.name).cloned().unwrap_or_default();
    let (state, reason) = node_state(node, &seen);
    let reason = switch::reason(rack, node).or(reason);
    let held: Power = rack
        .kept
        .claims
        .values()
        .filter(|claim| claim.node.as_deref() == Some(node.name.as_str()))
        .map(|claim| claim.watts)
        .sum();
    let agent = seen.agent.as_ref();
    let bmc = seen.bmc.as_ref();
    let number = |agents: fn(&AgentFacts) -> u32, bmcs: fn(&BmcFacts) -> Option<u32>| {
        agent.map(agents).or_else(|| bmc.and_then(bmcs))
    };
    NodeView {
        name: node.name.clone(),
        unit: node.unit,
        domain: node.domain.clone(),
        state: state.to_owned(),
        facts_from: match (agent, bmc) {
            (Some(_), _) => "agent",
            (None, Some(_)) => "bmc",
            (None, None) => "none",
        }
        .to_owned(),
        agent: node.agent.clone(),
        last_seen: seen.agent_at.max(seen.bmc_at),
        reason,
        packages: number(|agent| agent.packages, |bmc| bmc.packages),
        numa_nodes: number(|agent| agent.numa_nodes, |_| None),
        cores: number(|agent| agent.cores, |bmc| bmc.cores),
        cpus: number(|agent| agent.cpus, |bmc| bmc.cpus),
        memory_bytes: agent
            .and_then(|agent| agent.memory)
            .or_else(|| bmc.and_then(|bmc| bmc.memory)),
        drives: agent.map(|agent| agent.drives),
        drive_bytes: agent.map(|agent| agent.drive_bytes),
        gpus: agent.map(|agent| agent.gpus),
        max_draw_watts: node.max_draw,
        drawn_watts: bmc.and_then(|bmc| bmc.drawn.value()),
        held_watts: held,
        cap_watts: bmc.map(|bmc| bmc.cap).and_then(Reading::value),
        lease: lease_view(rack, node, now),
        exclusive_cpus: agent.map_or(0, |agent| agent.exclusive_cpus),
        workloads: agent.map(|agent| agent.workloads.clone()).unwrap_or_default(),
    }
}
