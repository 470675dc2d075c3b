//! Claims as people and programs see them.

use facts::{Moment, Power};
use rack_api::v1::{ClaimView, PreemptedView};

use crate::claim::Claim;
use crate::pools::power::plan::Lenders;
use crate::rack::state::Rack;

/// One claim as it goes over the wire.
pub fn claim(rack: &Rack, claim: &Claim, now: Moment) -> ClaimView {
    one(rack, claim, &Lenders::of(rack, now))
}

/// All claims in force.
pub(super) fn claims(rack: &Rack, now: Moment) -> Vec<ClaimView> {
    let lenders = Lenders::of(rack, now);
    let claims = rack.kept.claims.values();
    claims.map(|claim| one(rack, claim, &lenders)).collect()
}

fn one(rack: &Rack, claim: &Claim, lenders: &Lenders<'_>) -> ClaimView {
    let granted = rack.kept.granted.contains(&claim.id);
    ClaimView {
        id: claim.id.to_string(),
        purpose: claim.purpose.clone(),
        watts: claim.watts,
        revocable_watts: claim.revocable,
        granted_watts: if granted { claim.revocable } else { Power::ZERO },
        domain: claim.domain.clone(),
        node: claim.node.clone(),
        priority: claim.priority,
        tenant: claim.tenant.clone(),
        reserved: claim.reserved,
        since: claim.since,
        until: claim.until,
        shed: rack.kept.shed.contains(&claim.id),
        took: claim.took.clone(),
        lendable: claim.lendable,
        lending: lenders.lending(claim),
    }
}

/// The last claims that others took the watts of, the latest last.
pub(super) fn preempted(rack: &Rack) -> Vec<PreemptedView> {
    let lost = rack.kept.preempted.iter();
    lost.map(|lost| PreemptedView {
        claim: lost.claim.taken(),
        by: lost.by.to_string(),
        by_for: lost.by_for.clone(),
        by_priority: lost.by_priority,
        at: lost.at,
        asked: lost.asked.clone(),
    })
    .collect()
}
