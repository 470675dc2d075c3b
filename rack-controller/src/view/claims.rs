//! Claims as people and programs see them.

use facts::Power;
use rack_api::v1::{ClaimView, PreemptedView};

use crate::claim::Claim;
use crate::rack::state::Rack;

/// One claim as it goes over the wire.
pub fn claim(rack: &Rack, claim: &Claim) -> ClaimView {
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
