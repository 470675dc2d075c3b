//! Nodes that nobody can lower now: a dead agent's hardware keeps the cap that was in force when it died (power.md, rule 6).

use std::collections::BTreeMap;

use facts::{Moment, Power};
use rack_api::v1::DomainState;

use super::orders::counted;
use super::ration::nodes_below;
use super::standing::{kept, standing};
use super::sums::Sums;
use super::uncapped::{firmly, is_off, least};
use crate::config::NodeConfig;
use crate::rack::state::Rack;

/// What a node may draw that no order reaches: its agent does not answer, or the hardware kept none of its caps. `None` where it obeys, and
/// where it was only not heard yet.
fn stuck(rack: &Rack, node: &NodeConfig, now: Moment) -> Option<Power> {
    if node.rest.is_none() || is_off(rack, node) {
        return None;
    }
    let lease = rack.sight.nodes.get(&node.name)?.lease.as_ref()?;
    let is_answered = rack
        .kept
        .orders
        .get(&node.name)
        .is_some_and(|order| order.number == lease.answered);
    let is_stuck = lease.silent_since.is_some() || (is_answered && !lease.applied);
    is_stuck.then(|| counted(rack, node, now).cap)
}

/// The least that a node can be brought to now without being switched off.
pub(super) fn least_now(rack: &Rack, node: &NodeConfig, now: Moment) -> Power {
    let least = least(rack, node);
    stuck(rack, node, now).map_or(least, |stuck| stuck.max(least))
}

/// The sums of a domain, and whether what is installed bears the promises beside all that nodes may draw which nobody can lower. Where
/// no loss is covered any more and it does not, that is a deficit: the others pay for them, by rank.
pub fn standing_now(rack: &Rack, domain: &str, now: Moment) -> Option<Sums> {
    let mut sums = standing(rack, domain)?;
    let config = rack.config.domain(domain)?;
    if sums.state != DomainState::Exposed || sums.covered > 0 {
        return Some(sums);
    }
    let mut over: Vec<(&str, Power)> = nodes_below(rack, domain)
        .filter_map(|node| Some((node.name.as_str(), stuck(rack, node, now)?)))
        .collect();
    if over.is_empty() {
        return Some(sums);
    }
    let mut claimed: BTreeMap<&str, Power> = BTreeMap::new();
    for claim in rack.kept.claims.values() {
        if let Some(node) = claim.node.as_deref() {
            let sum = claimed.entry(node).or_default();
            *sum = sum.saturating_add(claim.watts);
        }
    }
    for (name, draws) in &mut over {
        let claimed = claimed.get(name).copied().unwrap_or_default();
        let held = rack.config.node(name).map(|node| firmly(rack, node, claimed));
        *draws = draws.saturating_sub(held.unwrap_or_default());
    }
    let needed = sums
        .held
        .saturating_add(over.into_iter().map(|(_, over)| over).sum());
    let kept = kept(config);
    if !kept.fits(needed, sums.installed) {
        sums.state = DomainState::Deficit;
        sums.deficit = needed.saturating_sub(kept.firm(sums.installed));
        sums.headroom = Power::ZERO;
    }
    Some(sums)
}
