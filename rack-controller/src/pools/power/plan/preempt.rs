//! Upward preemption: which claims of lower priority have to end so that an ask fits.

use std::collections::{BTreeMap, BTreeSet};

use facts::Power;
use rack_api::v1::PowerAsk;

use super::standing::{Otherwise, above, below, is_blind, kept, supplies};
use super::sums::surviving;
use super::uncapped::firmly;
use crate::claim::{Claim, USUAL_PRIORITY};
use crate::config::{DomainConfig, NodeConfig};
use crate::rack::state::Rack;

/// The claims that an ask would take the watts of, the last in rank first; none where it fits without, and where all of them together
/// would not be enough. Only claims of lower priority in domains that allow it. As few as are needed: those that come last in rank go
/// first, and whoever of them is not needed in the end is spared, the best in rank first.
pub fn preempted<'a>(rack: &'a Rack, ask: &PowerAsk, domain: &str) -> Vec<&'a Claim> {
    let Some(mut books) = Books::of(rack, ask, domain) else {
        return Vec::new();
    };
    let mut taken: Vec<&Claim> = Vec::new();
    for claim in weaker(rack, ask, domain) {
        if books.fit() {
            break;
        }
        books.change(claim, false);
        taken.push(claim);
    }
    if !books.fit() {
        return Vec::new();
    }
    taken.reverse();
    taken.retain(|claim| {
        books.change(claim, true);
        let is_needed = !books.fit();
        if is_needed {
            books.change(claim, false);
        }
        is_needed
    });
    taken.reverse();
    taken
}

/// Claims that this ask may take the watts of, the last in rank first.
fn weaker<'a>(rack: &'a Rack, ask: &PowerAsk, domain: &str) -> Vec<&'a Claim> {
    let priority = ask.priority.unwrap_or(USUAL_PRIORITY);
    let mine = above(&rack.config, domain);
    let allows = |domain: &DomainConfig| {
        domain.preempt
            && above(&rack.config, &domain.name)
                .iter()
                .any(|name| mine.contains(name))
    };
    let open: BTreeSet<&str> = rack
        .config
        .domains
        .iter()
        .filter(|domain| allows(domain))
        .map(|domain| domain.name.as_str())
        .collect();
    let mut weaker: Vec<&Claim> = rack
        .kept
        .claims
        .values()
        .filter(|claim| claim.priority > priority && open.contains(claim.domain.as_str()))
        .collect();
    weaker.sort_by_key(|claim| std::cmp::Reverse(claim.rank()));
    weaker
}

/// What would be held with the ask, counted up and down claim by claim: racks have many.
struct Books<'a> {
    rack: &'a Rack,
    /// The ask's domain and all that feed it: who is within, what they may hold, and what they would.
    rooms: Vec<(BTreeSet<&'a str>, Power, Power)>,
    nodes: BTreeMap<&'a str, &'a NodeConfig>,
    /// Firm watts that are claimed on each node.
    claimed: BTreeMap<String, Power>,
    /// The ask's node, and all watts, firm and revocable, that would be claimed on it.
    whole: Option<(&'a NodeConfig, Power)>,
}

impl<'a> Books<'a> {
    /// `None` where supplies cannot be seen: nothing is promised then, whoever ends.
    fn of(rack: &'a Rack, ask: &PowerAsk, domain: &str) -> Option<Books<'a>> {
        let domain = rack.config.domain(domain)?;
        let mut rooms = Vec::new();
        for name in above(&rack.config, &domain.name) {
            let config = rack.config.domain(name)?;
            if is_blind(rack, config) {
                return None;
            }
            let within = below(&rack.config, &config.name);
            let held = super::held(rack, name);
            rooms.push((within, most_held(rack, config), held));
        }
        let mut claimed: BTreeMap<String, Power> = BTreeMap::new();
        for claim in rack.kept.claims.values() {
            if let Some(node) = &claim.node {
                let sum = claimed.entry(node.clone()).or_default();
                *sum = sum.saturating_add(claim.watts);
            }
        }
        let node = ask.node.as_ref().and_then(|name| rack.config.node(name));
        let whole = node.map(|node| {
            let claims = rack.kept.claims.values();
            let mine = claims.filter(|claim| claim.node.as_deref() == Some(node.name.as_str()));
            let before: Power = mine
                .map(|claim| claim.watts.saturating_add(claim.revocable))
                .sum();
            (
                node,
                before
                    .saturating_add(ask.watts)
                    .saturating_add(ask.revocable_watts),
            )
        });
        let nodes = rack.config.nodes.iter();
        let mut books = Books {
            rack,
            rooms,
            nodes: nodes.map(|node| (node.name.as_str(), node)).collect(),
            claimed,
            whole,
        };
        books.hold(&domain.name, ask.node.as_deref(), ask.watts, true);
        Some(books)
    }

    fn fit(&self) -> bool {
        let whole = self.whole.is_none_or(|(node, whole)| whole <= node.max_draw);
        whole && self.rooms.iter().all(|(_, most, held)| held <= most)
    }

    /// A claim ends, or stands after all.
    fn change(&mut self, claim: &Claim, stands: bool) {
        if let Some((node, whole)) = &mut self.whole
            && claim.node.as_deref() == Some(node.name.as_str())
        {
            let all = claim.watts.saturating_add(claim.revocable);
            *whole = if stands {
                whole.saturating_add(all)
            } else {
                whole.saturating_sub(all)
            };
        }
        self.hold(&claim.domain, claim.node.as_deref(), claim.watts, stands);
    }

    /// Watts are held in a domain, or not any more. A node holds its floor, whatever is claimed on it, and one that no agent caps all that
    /// it can draw.
    fn hold(&mut self, domain: &str, node: Option<&str>, watts: Power, more: bool) {
        let (before, after) = match node {
            Some(name) => {
                let node = self.nodes.get(name);
                let rack = self.rack;
                let held = |sum: Power| node.map_or(sum, |node| firmly(rack, node, sum));
                let sum = self.claimed.entry(name.to_owned()).or_default();
                let before = held(*sum);
                *sum = if more {
                    sum.saturating_add(watts)
                } else {
                    sum.saturating_sub(watts)
                };
                (before, held(*sum))
            }
            None if more => (Power::ZERO, watts),
            None => (watts, Power::ZERO),
        };
        for (within, _, held) in &mut self.rooms {
            if within.contains(domain) {
                *held = held.saturating_sub(before).saturating_add(after);
            }
        }
    }
}

/// What a domain may hold: what survives every loss of its policy, with the supplies that are seen.
fn most_held(rack: &Rack, domain: &DomainConfig) -> Power {
    let full = |but: Otherwise<'_>| {
        let counted = supplies(rack, domain, but);
        kept(domain).firm(surviving(domain.redundancy, domain.redundancy.covers(), &counted))
    };
    let seen_only = Otherwise {
        seen_only: true,
        ..Otherwise::default()
    };
    full(Otherwise::default()).min(full(seen_only))
}
