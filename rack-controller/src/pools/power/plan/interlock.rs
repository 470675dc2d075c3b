//! The interlock: what a bay's emptying would do to the promises, said before anything is done.

use facts::{Moment, Power};
use rack_api::v1::{DrainAnswer, Interlock};

use super::pair_text;
use super::remedy::{Way, ways};
use super::standing::{Otherwise, held, kept, supplies};
use super::sums::{Sums, sums};
use crate::bay::{Bay, Life};
use crate::config::{BayConfig, DomainConfig, Redundancy};
use crate::rack::state::Rack;

/// The interlock's answer for one bay; `None` where there is no such bay. Changes nothing; `begun` is false, `led` unknown.
///
/// *yes*: what is promised still survives every loss that the policy covers, or the supply is not in service.
/// *yes, exposed*: it fits what remains, but the policy's losses are no longer covered.
/// *no*: it does not fit what remains, or what remains cannot be seen.
pub fn interlock(rack: &Rack, place: &str, now: Moment) -> Option<DrainAnswer> {
    let config = rack.config.bay(place)?;
    let domain = rack.config.domain(&config.domain)?;
    let bay = rack.kept.bays.get(place)?;
    let (answer, sentence, would_help) = if !bay.life.counts() {
        (Interlock::Yes, not_in_service(config, bay, now), Vec::new())
    } else if !rack.sees(place) {
        (Interlock::No, unseen(rack, config), Vec::new())
    } else {
        of_a_counted_bay(rack, config, domain)
    };
    Some(DrainAnswer {
        place: place.to_owned(),
        label: config.label.clone(),
        feed: config.feed.clone(),
        answer,
        sentence,
        begun: false,
        would_help,
        led: None,
    })
}

/// `PSU 4, feed B`.
fn named(config: &BayConfig) -> String {
    match &config.feed {
        Some(feed) => format!("{}, feed {feed}", config.label),
        None => config.label.clone(),
    }
}

fn not_in_service(config: &BayConfig, bay: &Bay, now: Moment) -> String {
    let name = named(config);
    let life = bay.life.word().word();
    match (&bay.life, bay.life.reason()) {
        (Life::Draining(_) | Life::ReadyToPull(_), _) => {
            let minutes = now.since(bay.since).as_secs() / 60;
            format!("yes: {name}, {life} for {minutes} min already")
        }
        (_, Some(why)) => format!("yes: {name}, not in service ({life}: {why})"),
        (_, None) => format!("yes: {name}, not in service ({life})"),
    }
}

fn unseen(rack: &Rack, config: &BayConfig) -> String {
    let why = rack
        .sight
        .bmcs
        .get(&config.bmc)
        .and_then(|bmc| bmc.reason.clone())
        .unwrap_or_else(|| "it has said nothing of this bay yet".to_owned());
    format!(
        "no: {} cannot be seen, so nobody knows what would remain (BMC {}: {why}); wait, or use force with a reason",
        named(config),
        config.bmc
    )
}

fn of_a_counted_bay(
    rack: &Rack,
    config: &BayConfig,
    domain: &DomainConfig,
) -> (Interlock, String, Vec<String>) {
    let held = held(rack, &domain.name);
    let without = Otherwise {
        without_bay: Some(&config.place),
        seen_only: true,
        ..Otherwise::default()
    };
    let remaining = supplies(rack, domain, without);
    let after = sums(kept(domain), held, &remaining);
    let full = kept(domain).firm(super::surviving(
        domain.redundancy,
        domain.redundancy.covers(),
        &remaining,
    ));
    let remains = kept(domain).firm(after.installed);
    let answer = if kept(domain).fits(held, surviving_all(domain, &remaining)) {
        Interlock::Yes
    } else if kept(domain).fits(held, after.installed) {
        Interlock::YesExposed
    } else {
        Interlock::No
    };
    let goal = if answer == Interlock::YesExposed {
        full
    } else {
        remains
    };
    let missing = held
        .saturating_add(domain.fixed_load)
        .saturating_sub(goal.saturating_add(domain.fixed_load));
    let ways = match answer {
        Interlock::Yes => Vec::new(),
        Interlock::YesExposed | Interlock::No => ways(rack, &domain.name, missing),
    };
    let sentence = match answer {
        Interlock::Yes => format!("yes: {}", named(config)),
        Interlock::YesExposed => exposed(domain, &after, full, remains, ways.first()),
        Interlock::No => no(held, remains, ways.first()),
    };
    (answer, sentence, ways.iter().map(Way::names).collect())
}

fn surviving_all(domain: &DomainConfig, remaining: &[super::Supply<'_>]) -> Power {
    super::surviving(domain.redundancy, domain.redundancy.covers(), remaining)
}

fn exposed(domain: &DomainConfig, after: &Sums, full: Power, remains: Power, way: Option<&Way>) -> String {
    let (firm, fits) = pair_text(after.held, remains);
    let (_, survives) = pair_text(after.held, full);
    let loss = match domain.redundancy {
        Redundancy::N | Redundancy::Plus(0 | 1) => "one more loss".to_owned(),
        Redundancy::Plus(losses) => format!("{losses} more losses"),
        Redundancy::Feeds => "the loss of a feed".to_owned(),
    };
    let way = way.map_or(String::new(), |way| {
        format!("{} to keep redundancy, or ", way.sentence())
    });
    format!(
        "yes, exposed: {firm} firm fits {fits} that remain, but {survives} would survive {loss}; {way}say --exposed"
    )
}

fn no(held: Power, remains: Power, way: Option<&Way>) -> String {
    let (firm, left) = pair_text(held, remains);
    let way = way.map_or(String::new(), |way| format!("{} or ", way.sentence()));
    format!("no: {firm} firm > {left} after the pull; {way}wait")
}
