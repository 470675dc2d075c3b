//! Claims, the journal, doubts and the mode: what was promised and how far it can be trusted.

use std::collections::BTreeMap;

use facts::Power;

use super::family::{Family, Kind};
use super::sheet::{count, number};

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_claims",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Claims in force",
        fill: |source, series| {
            for domain in &source.view.domains {
                let claims = source
                    .view
                    .claims
                    .iter()
                    .filter(|claim| claim.domain == domain.name);
                series.put(&[&domain.name], count(claims.count()));
            }
        },
    },
    Family {
        name: "busbar_rack_claim_watts",
        kind: Kind::Gauge,
        labels: &["domain", "claim", "node"],
        help: "Firm watts that the claim holds; without a node it is a reservation",
        fill: |source, series| {
            for claim in &source.view.claims {
                let node = claim.node.as_deref().unwrap_or_default();
                series.put(&[&claim.domain, &claim.purpose, node], claim.watts.as_watts_f64());
            }
        },
    },
    Family {
        name: "busbar_rack_claims_preempted_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Claims that ended because one of higher priority took their watts, as the journal has it",
        fill: |source, series| series.put(&[], number(source.view.preemptions)),
    },
    Family {
        name: "busbar_rack_claim_short_watts",
        kind: Kind::Gauge,
        labels: &["domain", "claim", "node"],
        help: "Firm watts of a claim that cannot be served, because not enough is installed; absent where it is served",
        fill: |source, series| {
            for claim in source.view.claims.iter().filter(|claim| claim.shed) {
                let node = claim.node.as_deref().unwrap_or_default();
                series.put(&[&claim.domain, &claim.purpose, node], claim.watts.as_watts_f64());
            }
        },
    },
    Family {
        name: "busbar_rack_journal_sequence",
        kind: Kind::Gauge,
        labels: &[],
        help: "The number of the journal's last event",
        fill: |source, series| series.put(&[], number(source.view.journal_sequence)),
    },
    Family {
        name: "busbar_rack_doubts",
        kind: Kind::Gauge,
        labels: &["kind"],
        help: "Things that BMCs say, that cannot be believed as they stand and that nobody has acknowledged",
        fill: |source, series| {
            let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
            let unknown = source
                .view
                .doubts
                .iter()
                .filter(|doubt| doubt.acknowledged.is_none());
            for doubt in unknown {
                let so_far = kinds.entry(&doubt.doubt.kind).or_default();
                *so_far = so_far.saturating_add(1);
            }
            for (kind, how_many) in kinds {
                series.put(&[kind], count(how_many));
            }
        },
    },
    Family {
        name: "busbar_rack_mode",
        kind: Kind::Gauge,
        labels: &["mode"],
        help: "1 for the rack's mode (observe, advise, enforce), 0 for the others",
        fill: |source, series| series.put_state(&[], &["observe", "advise", "enforce"], &source.view.mode),
    },
    Family {
        name: "busbar_rack_power_watts",
        kind: Kind::Gauge,
        labels: &[],
        help: "What the nodes draw together, from those whose BMCs tell",
        fill: |source, series| {
            let known: Vec<Power> = source
                .view
                .nodes
                .iter()
                .filter_map(|node| node.drawn_watts)
                .collect();
            if !known.is_empty() {
                series.put(&[], known.into_iter().sum::<Power>().as_watts_f64());
            }
        },
    },
];
