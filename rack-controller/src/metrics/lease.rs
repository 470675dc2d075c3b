//! Caps that agents hold, and what is lent beside firm watts.

use facts::Power;
use rack_api::v1::{ClaimView, DomainView, Lending, NodeLease};

use super::family::{Family, Kind, Source};
use super::sheet::Series;

fn domains(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&DomainView) -> Option<Power>) {
    for domain in &source.view.domains {
        series.put_some(&[&domain.name], pick(domain).map(Power::as_watts_f64));
    }
}

fn nodes(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&NodeLease) -> Option<f64>) {
    for node in &source.view.nodes {
        series.put_some(&[&node.name], node.lease.as_ref().and_then(pick));
    }
}

fn lenders<'a>(source: &'a Source<'_>) -> impl Iterator<Item = (&'a ClaimView, &'a Lending)> {
    let claims = source.view.claims.iter();
    claims.filter_map(|claim| Some((claim, claim.lending.as_ref()?)))
}

const fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_domain_total_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "What firm and revocable watts may be together; absent where nothing revocable is sold",
        fill: |source, series| domains(source, series, |domain| domain.total_watts),
    },
    Family {
        name: "busbar_rack_domain_revocable_asked_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Revocable watts that claims ask for",
        fill: |source, series| domains(source, series, |domain| Some(domain.revocable_asked_watts)),
    },
    Family {
        name: "busbar_rack_domain_revocable_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Revocable watts that claims have now",
        fill: |source, series| domains(source, series, |domain| Some(domain.revocable_watts)),
    },
    Family {
        name: "busbar_rack_domain_lent_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Firm watts that lendable claims of the domain lend now; absent where none is lendable",
        fill: |source, series| domains(source, series, |domain| domain.lent_watts),
    },
    Family {
        name: "busbar_rack_claim_lent_watts",
        kind: Kind::Gauge,
        labels: &["domain", "claim", "node"],
        help: "Firm watts of a lendable claim that are lent now; absent where nobody measures what its node draws",
        fill: |source, series| {
            for (claim, lending) in lenders(source) {
                let node = claim.node.as_deref().unwrap_or_default();
                series.put(
                    &[&claim.domain, &claim.purpose, node],
                    lending.lent_watts.as_watts_f64(),
                );
            }
        },
    },
    Family {
        name: "busbar_rack_claim_take_back_seconds",
        kind: Kind::Gauge,
        labels: &["domain", "claim", "node"],
        help: "How long taking back what a lendable claim lends needs at the most, as far as it was measured; absent before an agent was timed",
        fill: |source, series| {
            for (claim, lending) in lenders(source) {
                let node = claim.node.as_deref().unwrap_or_default();
                let took = lending.take_back_millis.map(std::time::Duration::from_millis);
                series.put_some(
                    &[&claim.domain, &claim.purpose, node],
                    took.map(|took| took.as_secs_f64()),
                );
            }
        },
    },
    Family {
        name: "busbar_rack_claim_revocable_watts",
        kind: Kind::Gauge,
        labels: &["domain", "claim", "node"],
        help: "Revocable watts that the claim has now; absent for a claim that asks for none",
        fill: |source, series| {
            for claim in &source.view.claims {
                let asks = !claim.revocable_watts.is_zero();
                let node = claim.node.as_deref().unwrap_or_default();
                let has = asks.then(|| claim.granted_watts.as_watts_f64());
                series.put_some(&[&claim.domain, &claim.purpose, node], has);
            }
        },
    },
    Family {
        name: "busbar_rack_node_cap_ordered_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "The cap that the node's agent shall hold, of the whole node; absent where its agent holds none",
        fill: |source, series| nodes(source, series, |lease| Some(lease.cap_watts.as_watts_f64())),
    },
    Family {
        name: "busbar_rack_node_cap_armed_watts",
        kind: Kind::Gauge,
        labels: &["node", "level"],
        help: "The cap that is armed for so many covered losses",
        fill: |source, series| {
            for node in &source.view.nodes {
                let levels = node.lease.iter().flat_map(|lease| &lease.levels);
                for (level, watts) in (1_u32..).zip(levels) {
                    series.put(&[&node.name, &level.to_string()], watts.as_watts_f64());
                }
            }
        },
    },
    Family {
        name: "busbar_rack_node_cap_in_force_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "What the node's agent read back after it wrote; absent where it did not tell",
        fill: |source, series| {
            nodes(source, series, |lease| {
                lease.in_force_watts.map(Power::as_watts_f64)
            });
        },
    },
    Family {
        name: "busbar_rack_node_cap_counted_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "What the sums count the node with: never less than what may be in force there",
        fill: |source, series| nodes(source, series, |lease| Some(lease.counted_watts.as_watts_f64())),
    },
    Family {
        name: "busbar_rack_node_cap_applied",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "1 where the node's agent has answered its last order and read it back",
        fill: |source, series| nodes(source, series, |lease| Some(flag(lease.applied))),
    },
    Family {
        name: "busbar_rack_node_lease_silent",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "1 where the node's agent does not answer its rack's orders",
        fill: |source, series| nodes(source, series, |lease| Some(flag(lease.silent_since.is_some()))),
    },
    Family {
        name: "busbar_rack_node_cap_proven_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "The cap that a drill has shown to bite; absent where none has",
        fill: |source, series| {
            nodes(source, series, |lease| {
                lease.proven_watts.map(Power::as_watts_f64)
            });
        },
    },
];
