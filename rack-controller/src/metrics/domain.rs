//! Power domains, their bays and the supplies in them.

use facts::Power;
use rack_api::v1::{BayLife, BayView, DomainState, DomainView};

use super::family::{Family, Kind, Source};
use super::sheet::{Series, number};

const STATES: [&str; 4] = ["redundant", "exposed", "deficit", "blind"];
const LIVES: [(BayLife, &str); 9] = [
    (BayLife::Unseen, "unseen"),
    (BayLife::Empty, "empty"),
    (BayLife::Settling, "settling"),
    (BayLife::Probation, "probation"),
    (BayLife::InService, "in_service"),
    (BayLife::Draining, "draining"),
    (BayLife::ReadyToPull, "ready_to_pull"),
    (BayLife::Faulted, "faulted"),
    (BayLife::Condemned, "condemned"),
];

/// A sum that is known only while the supplies can be seen: absent for a blind domain.
fn seen_sum(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&DomainView) -> Power) {
    for domain in source
        .view
        .domains
        .iter()
        .filter(|domain| domain.state != DomainState::Blind)
    {
        series.put(&[&domain.name], pick(domain).as_watts_f64());
    }
}

fn sum(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&DomainView) -> Power) {
    for domain in &source.view.domains {
        series.put(&[&domain.name], pick(domain).as_watts_f64());
    }
}

fn bays<'a>(source: &'a Source<'_>) -> impl Iterator<Item = (&'a DomainView, &'a BayView)> {
    let domains = source.view.domains.iter();
    domains.flat_map(|domain| domain.bays.iter().map(move |bay| (domain, bay)))
}

fn life(source: &Source<'_>, series: &mut Series<'_>) {
    let words = LIVES.map(|(_, word)| word);
    for (domain, bay) in bays(source) {
        let holds = LIVES
            .iter()
            .find(|(life, _)| *life == bay.life)
            .map_or("", |(_, word)| word);
        series.put_state(&[&domain.name, &bay.place], &words, holds);
    }
}

fn health(source: &Source<'_>, series: &mut Series<'_>) {
    for (domain, bay) in bays(source).filter(|(_, bay)| bay.seen) {
        let health = match bay.life {
            BayLife::InService | BayLife::Draining | BayLife::ReadyToPull => Some(0.0),
            BayLife::Settling | BayLife::Probation => Some(1.0),
            BayLife::Faulted | BayLife::Condemned => Some(2.0),
            BayLife::Unseen | BayLife::Empty => None,
        };
        series.put_some(&[&domain.name, &bay.place], health);
    }
}

fn supply_info(source: &Source<'_>, series: &mut Series<'_>) {
    for (domain, bay) in bays(source) {
        let Some(part) = &bay.part else { continue };
        let text = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        let (maker, model, serial) = (text(&part.maker), text(&part.model), text(&part.serial));
        let feed = text(&bay.feed);
        series.put(
            &[
                &domain.name,
                &bay.place,
                &bay.label,
                &feed,
                &maker,
                &model,
                &serial,
            ],
            1.0,
        );
    }
}

fn supply_watts(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&BayView) -> Option<Power>) {
    for (domain, bay) in bays(source).filter(|(_, bay)| bay.seen && bay.life != BayLife::Empty) {
        series.put_some(&[&domain.name, &bay.place], pick(bay).map(Power::as_watts_f64));
    }
}

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_domain_installed_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "What the supplies in service can deliver at their present input; absent while the domain is blind",
        fill: |source, series| seen_sum(source, series, |domain| domain.installed_watts),
    },
    Family {
        name: "busbar_rack_domain_surviving_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "What is left of installed after the worst loss that the policy still covers; absent while the domain is blind",
        fill: |source, series| seen_sum(source, series, |domain| domain.surviving_watts),
    },
    Family {
        name: "busbar_rack_domain_firm_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "What can be sold firm: surviving less margin and fixed load; absent while the domain is blind",
        fill: |source, series| seen_sum(source, series, |domain| domain.firm_watts),
    },
    Family {
        name: "busbar_rack_domain_held_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Watts that are promised firm",
        fill: |source, series| sum(source, series, |domain| domain.held_watts),
    },
    Family {
        name: "busbar_rack_domain_headroom_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Firm watts that are still offered",
        fill: |source, series| sum(source, series, |domain| domain.headroom_watts),
    },
    Family {
        name: "busbar_rack_domain_deficit_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Watts by which the promises exceed what is kept; absent while the domain is blind",
        fill: |source, series| seen_sum(source, series, |domain| domain.deficit_watts),
    },
    Family {
        name: "busbar_rack_domain_fixed_load_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "Fans, switches and losses, as configured",
        fill: |source, series| sum(source, series, |domain| domain.fixed_load_watts),
    },
    Family {
        name: "busbar_rack_domain_drawn_watts",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "What the domain draws now, where its BMC tells",
        fill: |source, series| {
            for domain in &source.view.domains {
                series.put_some(&[&domain.name], domain.drawn_watts.map(Power::as_watts_f64));
            }
        },
    },
    Family {
        name: "busbar_rack_domain_margin_ratio",
        kind: Kind::Gauge,
        labels: &["domain"],
        help: "The share of surviving that is kept back",
        fill: |source, series| {
            for domain in &source.view.domains {
                series.put(
                    &[&domain.name],
                    number(u64::from(domain.margin_ppm)) / 1_000_000.0,
                );
            }
        },
    },
    Family {
        name: "busbar_rack_domain_state",
        kind: Kind::Gauge,
        labels: &["domain", "state"],
        help: "1 for the state that the domain is in (redundant, exposed, deficit, blind), 0 for the others",
        fill: |source, series| {
            for domain in &source.view.domains {
                series.put_state(&[&domain.name], &STATES, domain.state.word());
            }
        },
    },
    Family {
        name: "busbar_rack_domain_info",
        kind: Kind::Info,
        labels: &["domain", "source", "redundancy", "bmc"],
        help: "What the domain's source is (shelf, chassis, feed, budget), its policy, and the BMC that shows its supplies",
        fill: |source, series| {
            for domain in &source.view.domains {
                let bmc = domain.bmc.as_deref().unwrap_or_default();
                series.put(&[&domain.name, &domain.source, &domain.redundancy, bmc], 1.0);
            }
        },
    },
    Family {
        name: "busbar_rack_bay_state",
        kind: Kind::Gauge,
        labels: &["domain", "bay", "state"],
        help: "1 for where the bay is in its life (unseen, empty, settling, probation, in_service, draining, ready_to_pull, faulted, condemned), 0 for the others",
        fill: life,
    },
    Family {
        name: "busbar_rack_bay_seen",
        kind: Kind::Gauge,
        labels: &["domain", "bay"],
        help: "1 where the bay's BMC can be read now, 0 where the state is the last one that was seen",
        fill: |source, series| {
            for (domain, bay) in bays(source) {
                series.put(&[&domain.name, &bay.place], flag(bay.seen));
            }
        },
    },
    Family {
        name: "busbar_rack_bay_lost",
        kind: Kind::Gauge,
        labels: &["domain", "bay"],
        help: "1 where the bay is empty because its supply went without a drain, 0 elsewhere",
        fill: |source, series| {
            for (domain, bay) in bays(source) {
                series.put(&[&domain.name, &bay.place], flag(bay.lost));
            }
        },
    },
    Family {
        name: "busbar_rack_bay_led",
        kind: Kind::Gauge,
        labels: &["domain", "bay"],
        help: "1 where the bay's locate LED is lit; absent where there is none or it cannot be seen",
        fill: |source, series| {
            for (domain, bay) in bays(source).filter(|(_, bay)| bay.seen) {
                series.put_some(&[&domain.name, &bay.place], bay.led.map(flag));
            }
        },
    },
    Family {
        name: "busbar_rack_psu_info",
        kind: Kind::Info,
        labels: &["domain", "psu", "label", "feed", "maker", "model", "serial"],
        help: "Which supply is in the bay",
        fill: supply_info,
    },
    Family {
        name: "busbar_rack_psu_capacity_watts",
        kind: Kind::Gauge,
        labels: &["domain", "psu"],
        help: "What the supply can deliver at its present input",
        fill: |source, series| supply_watts(source, series, |bay| bay.rated_watts),
    },
    Family {
        name: "busbar_rack_psu_output_watts",
        kind: Kind::Gauge,
        labels: &["domain", "psu"],
        help: "What the supply delivers now, where its BMC tells",
        fill: |source, series| supply_watts(source, series, |bay| bay.output_watts),
    },
    Family {
        name: "busbar_rack_psu_health",
        kind: Kind::Gauge,
        labels: &["domain", "psu"],
        help: "0 usable, 1 settling or on probation, 2 faulted or condemned; absent for an empty or unseen bay",
        fill: health,
    },
];
