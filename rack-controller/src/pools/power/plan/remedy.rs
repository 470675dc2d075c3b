//! What would help: the claims whose release frees enough, the smallest sufficient first.

use facts::Power;

use super::standing::{Otherwise, below, held, held_but};
use crate::claim::{Claim, ClaimId};
use crate::rack::state::Rack;

/// How many ways are named; more would not be read.
const MOST_WAYS: usize = 5;

/// One way: claims that are released together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Their names, and the words of a sentence.
    claims: Vec<(String, Power)>,
}

impl Way {
    /// `"batch"`, or `"db" + "web"`, as the API lists it.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.claims.iter().map(|(name, _)| name.as_str()).collect();
        names.join(" + ")
    }

    /// `release "batch" (0.8 kW)`.
    pub fn sentence(&self) -> String {
        let parts: Vec<String> = self
            .claims
            .iter()
            .map(|(name, watts)| format!("\"{name}\" ({})", watts.to_kilowatt_text()))
            .collect();
        format!("release {}", parts.join(" and "))
    }
}

/// Ways to bring what a domain holds down by at least `missing`. Single claims where one suffices, the smallest first;
/// else the largest ones together, as few as suffice.
pub(super) fn ways(rack: &Rack, domain: &str, missing: Power) -> Vec<Way> {
    let before = held(rack, domain);
    let within = below(&rack.config, domain);
    let mut claims: Vec<&Claim> = rack
        .kept
        .claims
        .values()
        .filter(|claim| within.contains(claim.domain.as_str()))
        .collect();
    claims.sort_by_key(|claim| (claim.watts, claim.id));
    let freed = |ids: &[ClaimId]| {
        let without = Otherwise {
            without_claims: ids,
            ..Otherwise::default()
        };
        before.saturating_sub(held_but(rack, domain, &without))
    };
    let single: Vec<Way> = claims
        .iter()
        .filter(|claim| claim.watts >= missing && freed(&[claim.id]) >= missing)
        .take(MOST_WAYS)
        .map(|claim| way(std::slice::from_ref(claim)))
        .collect();
    if !single.is_empty() {
        return single;
    }
    let mut together: Vec<&Claim> = Vec::new();
    let mut ids: Vec<ClaimId> = Vec::new();
    for claim in claims.into_iter().rev() {
        together.push(claim);
        ids.push(claim.id);
        if freed(&ids) >= missing {
            return vec![way(&together)];
        }
    }
    Vec::new()
}

fn way(claims: &[&Claim]) -> Way {
    Way {
        claims: claims
            .iter()
            .map(|claim| (claim.purpose.clone(), claim.watts))
            .collect(),
    }
}
