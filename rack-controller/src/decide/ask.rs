//! Claims of watts: asked, admitted, answered again, released.

use std::sync::Arc;

use facts::{Moment, Power};
use rack_api::v1::{ClaimView, PowerAsk};

use super::Refusal;
use super::settle::Course;
use crate::claim::{Claim, ClaimId, FIRST_PRIORITY, LAST_PRIORITY, LONGEST_KEY, USUAL_PRIORITY, wrong_name};
use crate::pools::Offer;
use crate::pools::power::plan;
use crate::rack::event::What;
use crate::rack::state::Rack;

/// How many claims one rack holds: room for each core of 64 nodes, and a bound for a client that runs wild.
pub const MOST_CLAIMS: usize = 10_000;
/// The most watts of one ask, 1 GW: no rack has more, and sums stay far from what 64 bits hold.
pub const MOST_WATTS: u64 = 1_000_000_000;

pub(super) fn claim(next: &mut Course<'_>, ask: &PowerAsk, key: Option<&str>) -> Result<(), Refusal> {
    if let Some(key) = key
        && replayed(&next.rack, ask, key)?.is_some()
    {
        return Ok(());
    }
    let Offer { domain, .. } = preview(&next.rack, ask, next.now)?;
    let claim = Claim {
        id: ClaimId(next.rack.kept.next_claim),
        purpose: ask.purpose.clone(),
        watts: ask.watts,
        domain,
        node: ask.node.clone(),
        priority: ask.priority.unwrap_or(USUAL_PRIORITY),
        since: next.now,
    };
    let headroom = headroom_after(&next.rack, |rack| {
        Arc::make_mut(&mut rack.kept.claims).insert(claim.id, claim.clone());
        claim.domain.clone()
    });
    next.happen(What::ClaimAdmitted {
        claim,
        ask: ask.clone(),
        key: key.map(str::to_owned),
        headroom,
    });
    Ok(())
}

/// The claim that an ask made, after its events were applied: for the answer. By its key where it has one, else by name.
pub fn admitted(rack: &Rack, ask: &PowerAsk, key: Option<&str>) -> Option<ClaimView> {
    key.and_then(|key| rack.kept.answered.get(key))
        .map(|answered| answered.claim.view())
        .or_else(|| rack.claim_named(&ask.purpose).map(Claim::view))
}

/// Whether an ask would be admitted now. Changes nothing, holds nothing.
///
/// # Errors
/// What is wrong with the ask, or what is missing.
pub fn preview(rack: &Rack, ask: &PowerAsk, now: Moment) -> Result<Offer, Refusal> {
    check(ask)?;
    let domain = domain_of(rack, ask)?;
    if let Some(same) = rack.claim_named(&ask.purpose) {
        return Err(Refusal::Conflict(format!(
            "\"{}\" is claimed already ({}, {} in {}); release it first, or use another name",
            same.purpose, same.id, same.watts, same.domain
        )));
    }
    if rack.kept.claims.len() >= MOST_CLAIMS {
        return Err(Refusal::Busy(format!(
            "{MOST_CLAIMS} claims are in force, and no rack holds more; release one"
        )));
    }
    plan::offer(rack, ask, &domain, now).map_err(|shortfall| {
        let mut message = format!(
            "{} is short by {}: asked {}, free {}",
            shortfall.domain, shortfall.short_watts, shortfall.asked_watts, shortfall.headroom_watts
        );
        for (index, way) in shortfall.would_fit.iter().enumerate() {
            message.push_str(if index == 0 { "; " } else { ", or " });
            message.push_str(way);
        }
        Refusal::Shortfall { shortfall, message }
    })
}

fn check(ask: &PowerAsk) -> Result<(), Refusal> {
    if ask.watts.is_zero() {
        return Err(Refusal::BadRequest(
            "0 W claim nothing; expected more than 0 watts, as in 800".to_owned(),
        ));
    }
    if Power::from_watts(MOST_WATTS).is_none_or(|most| ask.watts > most) {
        return Err(Refusal::BadRequest(format!(
            "{} are more than any rack has; expected at most {MOST_WATTS} W",
            ask.watts
        )));
    }
    if let Some(wrong) = wrong_name(&ask.purpose) {
        return Err(Refusal::BadRequest(wrong));
    }
    match ask.priority {
        Some(priority) if !(FIRST_PRIORITY..=LAST_PRIORITY).contains(&priority) => {
            Err(Refusal::BadRequest(format!(
                "{priority} is no priority; expected {FIRST_PRIORITY} (kept longest) to {LAST_PRIORITY} (shed first)"
            )))
        }
        Some(_) | None => Ok(()),
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        "none, because the rack has none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The domain that an ask means: its node's, the one it names, or the only one that feeds no other.
fn domain_of(rack: &Rack, ask: &PowerAsk) -> Result<String, Refusal> {
    let config = &rack.config;
    if let Some(domain) = &ask.domain
        && config.domain(domain).is_none()
    {
        return Err(Refusal::BadRequest(format!(
            "there is no domain \"{domain}\"; expected one of: {}",
            quoted(config.domains.iter().map(|domain| &domain.name))
        )));
    }
    if let Some(name) = &ask.node {
        let Some(node) = config.node(name) else {
            return Err(Refusal::BadRequest(format!(
                "there is no node \"{name}\"; expected one of: {}",
                quoted(config.nodes.iter().map(|node| &node.name))
            )));
        };
        return match &ask.domain {
            Some(domain) if *domain != node.domain => Err(Refusal::BadRequest(format!(
                "node \"{name}\" draws from domain \"{}\", not from \"{domain}\"; leave the domain out, or name that one",
                node.domain
            ))),
            Some(_) | None => Ok(node.domain.clone()),
        };
    }
    if let Some(domain) = &ask.domain {
        return Ok(domain.clone());
    }
    let mut ends = config.domains.iter().filter(|domain| {
        !config
            .domains
            .iter()
            .any(|other| other.within.contains(&domain.name))
    });
    match (ends.next(), ends.next()) {
        (Some(only), None) => Ok(only.name.clone()),
        (_, _) => Err(Refusal::BadRequest(format!(
            "the rack has several domains; expected the domain or a node with the ask: {}",
            quoted(config.domains.iter().map(|domain| &domain.name))
        ))),
    }
}

/// The answer that a key got before.
fn replayed(rack: &Rack, ask: &PowerAsk, key: &str) -> Result<Option<Claim>, Refusal> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Refusal::BadRequest(format!(
            "the idempotency key has {} bytes; expected 1 to {LONGEST_KEY}, as a UUID has 36",
            key.len()
        )));
    }
    match rack.kept.answered.get(key) {
        Some(answered) if answered.ask == *ask => Ok(Some(answered.claim.clone())),
        Some(answered) => Err(Refusal::Conflict(format!(
            "this idempotency key was used before for another ask ({} for \"{}\"); expected a new key for a new ask",
            answered.ask.watts, answered.ask.purpose
        ))),
        None => Ok(None),
    }
}

fn headroom_after(rack: &Rack, change: impl FnOnce(&mut Rack) -> String) -> Power {
    let mut after = rack.clone();
    let domain = change(&mut after);
    plan::tightest(&after, &domain).map_or(Power::ZERO, |(_, headroom)| headroom)
}

pub(super) fn release(next: &mut Course<'_>, id_or_name: &str) -> Result<(), Refusal> {
    let Some(claim) = next.rack.claim(id_or_name).cloned() else {
        return Err(Refusal::NotFound(format!(
            "no claim \"{id_or_name}\" is in force; expected the id or the name of one, as `busbar show claims` lists them"
        )));
    };
    let headroom = headroom_after(&next.rack, |rack| {
        Arc::make_mut(&mut rack.kept.claims).remove(&claim.id);
        claim.domain.clone()
    });
    next.happen(What::ClaimReleased { claim, headroom });
    Ok(())
}
