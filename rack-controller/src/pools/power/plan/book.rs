//! Claims by rank: those that draw, and what is shed where what is installed cannot serve them all.

use std::collections::{BTreeMap, BTreeSet};

use facts::{Moment, Power};
use rack_api::v1::DomainState;

use super::ByName;
use super::ration::nodes_below;
use super::standing::{above, kept, standing};
use super::stuck::least_now;
use crate::claim::{Claim, ClaimId};
use crate::config::NodeConfig;
use crate::rack::state::{Lent, Rack};

/// Claims by node, counted once.
pub(super) struct Book<'a> {
    /// Claims that draw, by rank.
    pub(super) drawing: Vec<&'a Claim>,
    /// Claims that grant no cap, by rank: without a node, or not applied yet.
    paper: Vec<&'a Claim>,
    /// What nodes lend of their firm watts.
    lent: &'a BTreeMap<String, Lent>,
    /// Nodes by name, and each domain with all that feed it: looked up for every claim.
    nodes: ByName<'a, &'a NodeConfig>,
    through: ByName<'a, BTreeSet<&'a str>>,
}

impl<'a> Book<'a> {
    pub(super) fn of(rack: &'a Rack) -> Book<'a> {
        let claims = rack.kept.claims.values();
        let (mut drawing, mut paper): (Vec<&Claim>, Vec<&Claim>) =
            claims.partition(|claim| claim.draws_on().is_some());
        drawing.sort_by_key(|claim| claim.rank());
        paper.sort_by_key(|claim| claim.rank());
        let nodes = rack.config.nodes.iter();
        let domains = rack.config.domains.iter();
        Book {
            drawing,
            paper,
            lent: &rack.kept.lent,
            nodes: nodes.map(|node| (node.name.as_str(), node)).collect(),
            through: domains
                .map(|domain| (domain.name.as_str(), above(&rack.config, &domain.name)))
                .collect(),
        }
    }

    /// The node that a claim draws on.
    pub(super) fn node_of(&self, claim: &Claim) -> Option<&'a NodeConfig> {
        self.nodes.get(claim.draws_on()?).copied()
    }

    /// The node that a claim names, also one that is only reserved.
    fn configured(&self, claim: &Claim) -> Option<&'a NodeConfig> {
        self.nodes.get(claim.node.as_deref()?).copied()
    }

    /// A domain and all that feed it.
    pub(super) fn through(&self, domain: &str) -> impl Iterator<Item = &'a str> {
        self.through.get(domain).into_iter().flatten().copied()
    }

    /// Firm watts by node, as far as they are served.
    pub(super) fn firm(&self, shed: &BTreeSet<ClaimId>) -> ByName<'a, Power> {
        let mut firm: ByName<'a, Power> = ByName::default();
        for claim in self.drawing.iter().filter(|claim| !shed.contains(&claim.id)) {
            if let Some(node) = claim.draws_on() {
                let sum = firm.entry(node).or_default();
                *sum = sum.saturating_add(claim.watts);
            }
        }
        firm
    }

    /// The same without what nodes lend of it.
    pub(super) fn less_lent(&self, mut firm: ByName<'a, Power>) -> ByName<'a, Power> {
        for (node, lent) in self.lent {
            if let Some(sum) = firm.get_mut(node.as_str()) {
                *sum = sum.saturating_sub(lent.watts);
            }
        }
        firm
    }
}

/// Firm claims that what is installed cannot serve: only in a deficit, the last in rank first. A node keeps its floor, and one that
/// nobody can lower all that it may draw. Claims that grant no
/// cap draw nothing, so nobody is lowered for them: they come after all that draw, and are short of what is left.
pub(super) fn shed(rack: &Rack, book: &Book<'_>, now: Moment) -> BTreeSet<ClaimId> {
    let mut left: ByName<'_, Power> = ByName::default();
    for domain in &rack.config.domains {
        let in_deficit = rack
            .kept
            .domains
            .get(&domain.name)
            .is_some_and(|standing| standing.state == DomainState::Deficit);
        if in_deficit && let Some(sums) = standing(rack, &domain.name) {
            let floors: Power = nodes_below(rack, &domain.name)
                .map(|node| least_now(rack, node, now))
                .sum();
            let room = kept(domain).firm(sums.installed).saturating_sub(floors);
            left.insert(domain.name.as_str(), room);
        }
    }
    let mut shed = BTreeSet::new();
    if left.is_empty() {
        return shed;
    }
    let mut served: ByName<'_, Power> = ByName::default();
    for claim in book.drawing.iter().chain(&book.paper) {
        let (name, floor) = match book.configured(claim) {
            Some(node) => (Some(node.name.as_str()), least_now(rack, node, now)),
            // What draws at a node that is not configured any more is nobody's to serve.
            None if claim.draws_on().is_some() => continue,
            None => (None, Power::ZERO),
        };
        let before = name
            .and_then(|name| served.get(name).copied())
            .unwrap_or_default();
        let after = before.saturating_add(claim.watts);
        let costs = after.max(floor).saturating_sub(before.max(floor));
        if !take(book, &mut left, &claim.domain, costs) {
            shed.insert(claim.id);
        } else if let Some(name) = name {
            served.insert(name, after);
        }
    }
    shed
}

/// Takes watts from a domain and all that feed it; where one of them has too little, nothing is taken, and nobody who comes later
/// gets anything of that one.
pub(super) fn take(book: &Book<'_>, left: &mut ByName<'_, Power>, domain: &str, watts: Power) -> bool {
    let mut fits = true;
    for name in book.through(domain) {
        if let Some(room) = left.get_mut(name)
            && *room < watts
        {
            *room = Power::ZERO;
            fits = false;
        }
    }
    if fits {
        for name in book.through(domain) {
            if let Some(room) = left.get_mut(name) {
                *room = room.saturating_sub(watts);
            }
        }
    }
    fits
}
