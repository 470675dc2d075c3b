//! What people are at: pauses and swaps. Alerts about what they do on purpose are held back by these.

use super::family::{Family, Kind};

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_paused",
        kind: Kind::Gauge,
        labels: &["scope", "domain", "node"],
        help: "1 for each pause in force, of the rack, of a domain or of a node (scope); absent where nothing is paused",
        fill: |source, series| {
            for pause in &source.view.pauses {
                let (domain, node) = match pause.kind.as_str() {
                    "domain" => (pause.name.as_str(), ""),
                    "node" => ("", pause.name.as_str()),
                    _ => ("", ""),
                };
                series.put(&[&pause.kind, domain, node], 1.0);
            }
        },
    },
    Family {
        name: "busbar_rack_swap_step",
        kind: Kind::Gauge,
        labels: &["domain", "bay", "step"],
        help: "1 for the step that each swap under way is at (draining, pull, insert, settling, probation, unusable, wrong_part, wrong_bay); absent where none is",
        fill: |source, series| {
            for swap in source.view.swaps.iter().filter(|swap| !swap.is_over()) {
                let domains = source.view.domains.iter();
                let domain = domains
                    .filter(|domain| domain.bays.iter().any(|bay| bay.place == swap.place))
                    .map(|domain| domain.name.as_str());
                let step = swap.step.word().replace(' ', "_");
                for domain in domain {
                    series.put(&[domain, &swap.place, &step], 1.0);
                }
            }
        },
    },
];
