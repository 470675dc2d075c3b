//! Claims of watts: asked, admitted, answered again, released.

use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::{ClaimView, PowerAsk};

use super::settle::Course;
use super::{Refusal, drives, lend, preempt};
use crate::claim::{
    Claim, ClaimId, FIRST_PRIORITY, LAST_PRIORITY, LONGEST_KEY, LONGEST_TTL, SHORTEST_TTL, USUAL_PRIORITY,
    wrong_name,
};
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
    let Offer { domain, takes, .. } = preview(&next.rack, ask, next.now)?;
    let reserved = ask.reserve_seconds.is_some();
    let claim = Claim {
        id: ClaimId(next.rack.kept.next_claim),
        purpose: ask.purpose.clone(),
        watts: ask.watts,
        revocable: ask.revocable_watts,
        domain,
        node: ask.node.clone(),
        priority: ask.priority.unwrap_or(USUAL_PRIORITY),
        tenant: ask.tenant.clone(),
        reserved,
        ttl_seconds: ask.ttl_seconds,
        since: next.now,
        until: ends_at(next.now, ask.reserve_seconds.or(ask.ttl_seconds)),
        took: takes.iter().map(Claim::taken).collect(),
        lendable: ask.lendable,
    };
    preempt::take(next, &takes, claim.id, ask);
    let headroom = plan::headroom_if(&next.rack, &claim.domain, Some(&claim), &[]);
    next.happen(What::ClaimAdmitted {
        claim,
        ask: ask.clone(),
        key: key.map(str::to_owned),
        headroom,
    });
    Ok(())
}

/// The claim that an ask made, after its events were applied: for the answer. By its key where it has one, else by name.
pub fn admitted(rack: &Rack, ask: &PowerAsk, key: Option<&str>, now: Moment) -> Option<ClaimView> {
    key.and_then(|key| rack.kept.answered.get(key))
        .map(|answered| &answered.claim)
        .or_else(|| rack.claim_named(&ask.purpose))
        .map(|claim| crate::view::claim(rack, claim, now))
}

/// When what was begun now ends.
fn ends_at(now: Moment, seconds: Option<u32>) -> Option<Moment> {
    seconds.map(|seconds| now.after(Duration::from_secs(u64::from(seconds))))
}

/// Whether an ask would be admitted now. Changes nothing, holds nothing.
///
/// # Errors
/// What is wrong with the ask, or what is missing.
pub fn preview(rack: &Rack, ask: &PowerAsk, now: Moment) -> Result<Offer, Refusal> {
    check(ask)?;
    let domain = domain_of(rack, ask)?;
    let (without, takes) = preempt::without_weaker(rack, ask, &domain)?;
    check_node(&without, ask)?;
    lend::check(rack, ask)?;
    check_quota(&without, ask)?;
    if let Some(same) = rack.claim_named(&ask.purpose) {
        return Err(Refusal::Conflict(format!(
            "\"{}\" is claimed already ({}, {} in {}); release it first, or use another name",
            same.purpose, same.id, same.watts, same.domain
        )));
    }
    if without.kept.claims.len() >= MOST_CLAIMS {
        return Err(Refusal::Busy(format!(
            "{MOST_CLAIMS} claims are in force, and no rack holds more; release one"
        )));
    }
    let offer = plan::offer(&without, ask, &domain, now).map(|offer| Offer { takes, ..offer });
    offer.map_err(|mut shortfall| {
        shortfall.would_fit.extend(preempt::way(rack, ask, &domain));
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
    if ask.watts.is_zero() && ask.revocable_watts.is_zero() {
        return Err(Refusal::BadRequest(
            "0 W claim nothing; expected more than 0 watts, as in 800".to_owned(),
        ));
    }
    for watts in [ask.watts, ask.revocable_watts] {
        if Power::from_watts(MOST_WATTS).is_none_or(|most| watts > most) {
            return Err(Refusal::BadRequest(format!(
                "{watts} are more than any rack has; expected at most {MOST_WATTS} W"
            )));
        }
    }
    for (seconds, what) in [
        (ask.ttl_seconds, "a claim's time to live"),
        (ask.reserve_seconds, "a reservation"),
    ] {
        if let Some(wrong) = seconds.filter(|seconds| !(SHORTEST_TTL..=LONGEST_TTL).contains(seconds)) {
            return Err(Refusal::BadRequest(format!(
                "{wrong} s are no time for {what}; expected {SHORTEST_TTL} to {LONGEST_TTL} seconds"
            )));
        }
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

/// What a node can draw and who caps it: a claim that no cap could ever carry is refused.
fn check_node(rack: &Rack, ask: &PowerAsk) -> Result<(), Refusal> {
    let Some(node) = ask.node.as_ref().and_then(|name| rack.config.node(name)) else {
        if ask.revocable_watts.is_zero() {
            return Ok(());
        }
        return Err(Refusal::BadRequest(
            "revocable watts are taken back by a node's cap; expected the node with the ask".to_owned(),
        ));
    };
    let claims = rack.kept.claims.values();
    let before: Power = claims
        .filter(|claim| claim.node.as_deref() == Some(node.name.as_str()))
        .map(|claim| claim.watts.saturating_add(claim.revocable))
        .sum();
    let whole = before
        .saturating_add(ask.watts)
        .saturating_add(ask.revocable_watts);
    if whole > node.max_draw {
        let left = node.max_draw.saturating_sub(before);
        return Err(Refusal::Conflict(format!(
            "{} cannot draw that much: {before} are claimed for it and it draws {} at most; ask for at most {left}",
            node.name, node.max_draw
        )));
    }
    if ask.revocable_watts.is_zero() {
        return Ok(());
    }
    if node.rest.is_none() {
        return Err(Refusal::Conflict(format!(
            "the caps of {} are not held by its agent, and a cap at a BMC is too slow to take watts back; expected rest_watts in its \
             [[node]], or firm watts only",
            node.name
        )));
    }
    let domain = rack.config.domain(&node.domain);
    if domain.is_some_and(|domain| domain.source.has_bays() && !domain.sell_revocable) {
        return Err(Refusal::Conflict(format!(
            "{} sells no revocable watts; expected sell_revocable = true in its [[domain]], or firm watts only",
            node.domain
        )));
    }
    Ok(())
}

/// Whether the ask's tenant may hold that much.
fn check_quota(rack: &Rack, ask: &PowerAsk) -> Result<(), Refusal> {
    let tenants = &rack.config.tenants;
    let Some(name) = &ask.tenant else {
        if tenants.is_empty() {
            return Ok(());
        }
        return Err(Refusal::BadRequest(format!(
            "the rack has tenants, and the ask names none; expected one of: {}",
            quoted(tenants.iter().map(|tenant| &tenant.name))
        )));
    };
    let Some(tenant) = rack.config.tenant(name) else {
        return Err(Refusal::BadRequest(format!(
            "there is no tenant \"{name}\"; expected one of: {}",
            quoted(tenants.iter().map(|tenant| &tenant.name))
        )));
    };
    let mine = || {
        rack.kept
            .claims
            .values()
            .filter(|claim| claim.tenant.as_ref() == Some(name))
    };
    let firm: Power = mine().map(|claim| claim.watts).sum();
    let revocable: Power = mine().map(|claim| claim.revocable).sum();
    for (quota, held, asked, kind) in [
        (tenant.firm, firm, ask.watts, "firm"),
        (tenant.revocable, revocable, ask.revocable_watts, "revocable"),
    ] {
        if let Some(quota) = quota.filter(|quota| held.saturating_add(asked) > *quota) {
            return Err(Refusal::Conflict(format!(
                "{name} may hold {quota} {kind} and holds {held}: {asked} more do not fit; release one of its claims, or ask for at \
                 most {}",
                quota.saturating_sub(held)
            )));
        }
    }
    Ok(())
}

/// Firm watts that are free in a claim's domain when it is gone.
pub(super) fn headroom_without(rack: &Rack, claim: &Claim) -> Power {
    plan::headroom_if(rack, &claim.domain, None, &[claim.id])
}

fn in_force(rack: &Rack, id_or_name: &str) -> Result<Claim, Refusal> {
    rack.claim(id_or_name).cloned().ok_or_else(|| {
        let lost = preempt::lost(rack, id_or_name).map(preempt::lost_words);
        Refusal::NotFound(format!(
            "no claim \"{id_or_name}\" is in force; expected the id or the name of one, as `busbar show claims` lists them{}",
            lost.unwrap_or_default()
        ))
    })
}

pub(super) fn release(next: &mut Course<'_>, id_or_name: &str) -> Result<(), Refusal> {
    if next.rack.claim(id_or_name).is_none() && next.rack.kept.drives.claim(id_or_name).is_some() {
        return drives::release_asked(next, id_or_name, None);
    }
    let claim = in_force(&next.rack, id_or_name)?;
    let headroom = headroom_without(&next.rack, &claim);
    let id = claim.id;
    next.happen(What::ClaimReleased { claim, headroom });
    // Drives that were claimed with these watts go with them.
    drives::release(next, id);
    Ok(())
}

/// Nothing where it is gone already.
pub(super) fn withdraw(next: &mut Course<'_>, id: ClaimId) {
    drives::withdraw(next, id);
    if let Some(claim) = preempt::withdrawn(&next.rack, id) {
        let headroom = headroom_without(&next.rack, &claim);
        next.happen(What::ClaimWithdrawn { claim, headroom });
        preempt::give_back(next, id);
    }
}

/// A reservation becomes a claim; one that is a claim already stays as it is.
pub(super) fn apply(next: &mut Course<'_>, id_or_name: &str) -> Result<(), Refusal> {
    let mut claim = in_force(&next.rack, id_or_name)?;
    if !claim.reserved {
        return Ok(());
    }
    preempt::is_there(&next.rack, &claim)?;
    claim.reserved = false;
    claim.until = ends_at(next.now, claim.ttl_seconds);
    next.happen(What::ClaimApplied { claim });
    Ok(())
}

/// A claim stands for its time again, from now.
pub(super) fn renew(next: &mut Course<'_>, id_or_name: &str) -> Result<(), Refusal> {
    if next.rack.claim(id_or_name).is_none() && next.rack.kept.drives.claim(id_or_name).is_some() {
        return drives::renew(next, id_or_name);
    }
    let mut claim = in_force(&next.rack, id_or_name)?;
    if claim.reserved {
        return Err(Refusal::Conflict(format!(
            "\"{}\" is only reserved; expected it to be applied before its time is over",
            claim.purpose
        )));
    }
    let Some(seconds) = claim.ttl_seconds else {
        return Err(Refusal::Conflict(format!(
            "\"{}\" has no time to live: it stands until it is released",
            claim.purpose
        )));
    };
    claim.until = ends_at(next.now, Some(seconds));
    let with_drives = next.rack.kept.drives.claims.contains_key(&claim.id);
    let name = claim.id.to_string();
    next.happen(What::ClaimRenewed { claim });
    if with_drives {
        drives::renew(next, &name)?;
    }
    Ok(())
}
