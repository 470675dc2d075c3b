//! Who has revocable watts: by rank, as far as what is left beside firm watts goes.

use std::collections::BTreeSet;

use facts::{Moment, Power};
use rack_api::v1::DomainState;

use super::ByName;
use super::book::{Book, take};
use super::orders::counted;
use super::ration::{Served, is_proven, is_silent, nodes_below, total, why_none};
use super::uncapped::at_most;
use crate::claim::{Claim, ClaimId};
use crate::config::NodeConfig;
use crate::rack::state::Rack;

/// Claims that have their revocable watts after this many losses: by rank, among those that have them before it.
pub(super) fn grants(
    rack: &Rack,
    book: &Book<'_>,
    served: &Served<'_>,
    losses: u32,
    among: Option<&BTreeSet<ClaimId>>,
    now: Moment,
) -> BTreeSet<ClaimId> {
    let asks = || {
        book.drawing
            .iter()
            .filter(|claim| !claim.revocable.is_zero() && !served.shed.contains(&claim.id))
            .filter(|claim| among.is_none_or(|among| among.contains(&claim.id)))
    };
    if asks().next().is_none() {
        return BTreeSet::new();
    }
    let mut rooms = Rooms::of(rack, served, losses, now);
    let mut granted = BTreeSet::new();
    for claim in asks() {
        let Some(node) = book.node_of(claim) else {
            continue;
        };
        // Nothing new is given by the memory of supplies that cannot be seen.
        let is_unseen =
            !rooms.blind.is_empty() && book.through(&claim.domain).any(|name| rooms.blind.contains(name));
        let has_it = rack.kept.granted.contains(&claim.id);
        if (!is_unseen || has_it)
            && rooms.proven.contains_key(node.name.as_str())
            && ((has_it && rooms.is_paid(book, claim, node))
                || take(book, &mut rooms.left, &claim.domain, claim.revocable))
        {
            granted.insert(claim.id);
        }
    }
    granted
}

/// What is left for revocable watts.
struct Rooms<'a> {
    /// Nodes whose caps may carry some.
    proven: ByName<'a, ()>,
    /// By node that does not answer: what is paid for there beside firm watts.
    paid: ByName<'a, Power>,
    /// By domain.
    left: ByName<'a, Power>,
    /// Domains that sell nothing, or less than what is needed already: nobody keeps anything there because it cannot be taken.
    short: BTreeSet<&'a str>,
    /// Domains whose supplies cannot be seen.
    blind: BTreeSet<&'a str>,
}

impl<'a> Rooms<'a> {
    fn of(rack: &'a Rack, served: &Served<'_>, losses: u32, now: Moment) -> Rooms<'a> {
        let firmly = |node: &NodeConfig| served.due(node, losses).max(node.floor);
        let proven: ByName<'_, ()> = rack
            .config
            .nodes
            .iter()
            .filter(|node| is_proven(rack, node, served.due(node, losses)))
            .map(|node| (node.name.as_str(), ()))
            .collect();
        // Silence frees nothing: whoever does not answer is paid for with what it may still draw.
        let paid: ByName<'_, Power> = rack
            .config
            .nodes
            .iter()
            .filter(|node| proven.contains_key(node.name.as_str()) && is_silent(rack, node))
            .map(|node| {
                let more = counted(rack, node, now).cap.saturating_sub(firmly(node));
                (node.name.as_str(), more)
            })
            .collect();
        let needs = |node: &NodeConfig| {
            if proven.contains_key(node.name.as_str()) {
                let more = paid.get(node.name.as_str()).copied().unwrap_or_default();
                firmly(node).saturating_add(more)
            } else {
                at_most(rack, node, now)
            }
        };
        let mut left: ByName<'_, Power> = ByName::default();
        let (mut short, mut blind) = (BTreeSet::new(), BTreeSet::new());
        for domain in &rack.config.domains {
            let sold = why_none(rack, domain, now)
                .is_none()
                .then(|| total(rack, domain, losses, served.standing.get(domain.name.as_str())?));
            let needed: Power = nodes_below(rack, &domain.name).map(needs).sum();
            let sold = sold.flatten();
            if sold.is_none_or(|sold| sold < needed) {
                short.insert(domain.name.as_str());
            }
            let room = sold.unwrap_or_default().saturating_sub(needed);
            left.insert(domain.name.as_str(), room);
            let state = rack.kept.domains.get(&domain.name).map(|standing| standing.state);
            if state == Some(DomainState::Blind) {
                blind.insert(domain.name.as_str());
            }
        }
        Rooms {
            proven,
            paid,
            left,
            short,
            blind,
        }
    }

    /// Whether what a claim has is paid for already, because its node does not answer: it costs the others nothing once more.
    fn is_paid(&mut self, book: &Book<'_>, claim: &Claim, node: &NodeConfig) -> bool {
        if book.through(&claim.domain).any(|name| self.short.contains(name)) {
            return false;
        }
        let paid = self
            .paid
            .get_mut(node.name.as_str())
            .filter(|paid| claim.domain == node.domain && **paid >= claim.revocable);
        paid.map(|paid| *paid = paid.saturating_sub(claim.revocable))
            .is_some()
    }
}
