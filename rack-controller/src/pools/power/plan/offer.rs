//! Admission: whether an ask for watts fits, and what would make it fit.

use facts::{Moment, Power};
use rack_api::v1::{PowerAsk, Shortfall};

use super::remedy::ways;
use super::standing::{Otherwise, above, is_blind, kept, standing, supplies, tightest, tightest_but};
use super::uncapped::firmly;
use crate::bay::Life;
use crate::config::BayConfig;
use crate::pools::Offer;
use crate::rack::state::Rack;

/// Whether an ask fits a domain and every domain that feeds it.
///
/// # Errors
/// The numbers of the tightest domain, and what would make it fit.
pub fn offer(rack: &Rack, ask: &PowerAsk, domain: &str, now: Moment) -> Result<Offer, Box<Shortfall>> {
    let (tight, headroom) = tightest(rack, domain).unwrap_or_else(|| (domain.to_owned(), Power::ZERO));
    // Where nothing is free, the policy's losses may be uncovered, and then nothing new is promised.
    let free = if headroom.is_zero() {
        headroom
    } else {
        headroom.saturating_add(under_floor(rack, ask))
    };
    if let Some(headroom_after) = free.checked_sub(ask.watts) {
        let headroom_after = headroom_after.min(headroom);
        return Ok(Offer {
            domain: domain.to_owned(),
            headroom_after,
            takes: Vec::new(),
        });
    }
    Err(Box::new(Shortfall {
        asked_watts: ask.watts,
        headroom_watts: free,
        short_watts: ask.watts.saturating_sub(free),
        would_fit: would_fit(rack, ask, domain, &tight, free, now),
        domain: tight,
    }))
}

/// What of an ask is paid for already: a node's floor is held whether it is claimed or not, and all that an uncapped node can draw.
fn under_floor(rack: &Rack, ask: &PowerAsk) -> Power {
    let Some(node) = ask.node.as_ref().and_then(|name| rack.config.node(name)) else {
        return Power::ZERO;
    };
    let claims = rack.kept.claims.values();
    let claimed: Power = claims
        .filter(|claim| claim.node.as_deref() == Some(node.name.as_str()))
        .map(|claim| claim.watts)
        .sum();
    firmly(rack, node, Power::ZERO)
        .saturating_sub(claimed)
        .min(ask.watts)
}

fn would_fit(
    rack: &Rack,
    ask: &PowerAsk,
    domain: &str,
    tight: &str,
    headroom: Power,
    now: Moment,
) -> Vec<String> {
    let blind: Vec<String> = above(&rack.config, domain)
        .into_iter()
        .filter_map(|name| rack.config.domain(name))
        .filter(|domain| is_blind(rack, domain))
        .map(|domain| match &domain.bmc {
            Some(bmc) => format!("wait until the BMC {bmc} shows the supplies of {}", domain.name),
            None => format!("wait until the supplies of {} can be seen", domain.name),
        })
        .collect();
    if !blind.is_empty() {
        return blind;
    }
    let mut lines: Vec<String> = release(rack, ask, tight);
    lines.extend(bays(rack, ask, domain, now));
    if !headroom.is_zero() {
        lines.push(format!("ask for at most {headroom}"));
    }
    lines
}

/// Releases that free enough in the tightest domain: what is over there already counts too.
fn release(rack: &Rack, ask: &PowerAsk, tight: &str) -> Vec<String> {
    let (Some(config), Some(standing)) = (rack.config.domain(tight), standing(rack, tight)) else {
        return Vec::new();
    };
    let seen = Otherwise {
        seen_only: true,
        ..Otherwise::default()
    };
    let supplies = supplies(rack, config, seen);
    let full = kept(config).firm(super::surviving(
        config.redundancy,
        config.redundancy.covers(),
        &supplies,
    ));
    let needed = standing.held.saturating_add(ask.watts);
    // What never fits is not made to fit by releases.
    if ask.watts > full {
        return Vec::new();
    }
    ways(rack, tight, needed.saturating_sub(full))
        .iter()
        .map(super::remedy::Way::sentence)
        .collect()
}

/// Bays whose supply comes into service by itself, and empty ones.
fn bays(rack: &Rack, ask: &PowerAsk, domain: &str, now: Moment) -> Vec<String> {
    let above = above(&rack.config, domain);
    let mine = || {
        rack.config
            .bays
            .iter()
            .filter(|bay| above.contains(bay.domain.as_str()))
    };
    let mut lines: Vec<String> = mine()
        .filter_map(|bay| coming(rack, ask, domain, bay, now))
        .collect();
    let empty: Vec<String> = mine()
        .filter(|bay| {
            rack.kept
                .bays
                .get(&bay.place)
                .is_some_and(|kept| kept.life == Life::Empty)
        })
        .map(|bay| format!("{} ({})", bay.label, bay.place))
        .collect();
    match empty.as_slice() {
        [] => {}
        [one] => lines.push(format!("insert a supply in the empty bay {one}")),
        [first, rest @ ..] => lines.push(format!(
            "insert a supply in one of {} empty bays, as {first}",
            rest.len().saturating_add(1)
        )),
    }
    lines
}

fn coming(rack: &Rack, ask: &PowerAsk, domain: &str, bay: &BayConfig, now: Moment) -> Option<String> {
    let kept = rack.kept.bays.get(&bay.place)?;
    let (word, until) = match &kept.life {
        Life::Settling { until } => ("settling", until),
        Life::Probation { until } => ("on probation", until),
        Life::Unseen
        | Life::Empty
        | Life::InService
        | Life::Draining(_)
        | Life::ReadyToPull(_)
        | Life::Faulted { .. }
        | Life::Condemned { .. } => return None,
    };
    let with = Otherwise {
        with_bay: Some((&bay.place, kept.rated?)),
        ..Otherwise::default()
    };
    let (_, headroom) = tightest_but(rack, domain, with)?;
    let enough = if headroom >= ask.watts {
        "would be enough"
    } else {
        "would still be too little"
    };
    Some(format!(
        "wait for {} ({}), {word} until {}: {} free {enough}",
        bay.label,
        bay.place,
        (*until).max(now),
        headroom.to_kilowatt_text()
    ))
}
