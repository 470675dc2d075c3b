//! The sums of a rack's domains: who is in service, who holds what, which of the nested domains is the tightest.

use std::collections::BTreeSet;

use facts::Power;
use rack_api::v1::DomainState;

use super::ByName;
use super::sums::{Kept, Sums, Supply, sums};
use super::uncapped::firmly;
use crate::claim::{Claim, ClaimId};
use crate::config::{DomainConfig, DomainSource, RackConfig, Redundancy};
use crate::rack::state::Rack;

/// What would be otherwise: for the interlock and for offers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Otherwise<'a> {
    /// This bay does not count.
    pub without_bay: Option<&'a str>,
    /// This bay counts, with this rating.
    pub with_bay: Option<(&'a str, Power)>,
    /// These claims are released.
    pub without_claims: &'a [ClaimId],
    /// This claim is admitted.
    pub with_claim: Option<&'a Claim>,
    /// Bays that cannot be seen now do not count.
    pub seen_only: bool,
}

/// What a domain keeps back.
pub(super) fn kept(domain: &DomainConfig) -> Kept {
    Kept {
        policy: domain.redundancy,
        margin_ppm: domain.margin_ppm,
        fixed_load: domain.fixed_load,
    }
}

/// What can deliver in a domain: supplies in service, or the feed or budget as one.
pub(super) fn supplies<'a>(rack: &'a Rack, domain: &'a DomainConfig, but: Otherwise<'_>) -> Vec<Supply<'a>> {
    let whole = |rated| vec![Supply { rated, feed: None }];
    match &domain.source {
        DomainSource::Budget(watts) => whole(*watts),
        DomainSource::Feed(feed) => whole(capacity_of_feed(&rack.config, feed)),
        DomainSource::Shelf | DomainSource::Chassis => rack
            .config
            .bays
            .iter()
            .filter(|bay| bay.domain == domain.name && but.without_bay != Some(bay.place.as_str()))
            .filter(|bay| !but.seen_only || rack.sees(&bay.place))
            .filter_map(|bay| {
                let kept = rack.kept.bays.get(&bay.place)?;
                let rated = match but.with_bay {
                    Some((place, rated)) if place == bay.place => rated,
                    Some(_) | None if kept.life.counts() => kept.installed(),
                    Some(_) | None => return None,
                };
                Some(Supply {
                    rated,
                    feed: bay.feed.as_deref(),
                })
            })
            .collect(),
    }
}

/// What is left at `n+n` when a feed that has begun to fail, supply by supply, fails wholly; `None` where the domain is not exposed by such
/// a feed, or where what is left would not bear the promises. The rest of that feed is the loss that is still covered, so no raise may use it,
/// also while somebody stands above its order (power.md, rule 2).
pub(super) fn without_failing_feeds(rack: &Rack, domain: &DomainConfig, sums: &Sums) -> Option<Power> {
    if domain.redundancy != Redundancy::Feeds || sums.state != DomainState::Exposed {
        return None;
    }
    let bays = || rack.config.bays.iter().filter(|bay| bay.domain == domain.name);
    let counts = |place: &str| rack.kept.bays.get(place).is_some_and(|kept| kept.life.counts());
    let failing: BTreeSet<&str> = bays()
        .filter(|bay| !counts(&bay.place))
        .filter_map(|bay| bay.feed.as_deref())
        .collect();
    let left: Power = supplies(rack, domain, Otherwise::default())
        .iter()
        // One of unknown feed may hang from any of them.
        .filter(|supply| supply.feed.is_some_and(|feed| !failing.contains(feed)))
        .map(|supply| supply.rated)
        .sum();
    kept(domain).fits(sums.held, left).then_some(left)
}

/// What a feed may carry continuously.
pub(super) fn capacity_of_feed(config: &RackConfig, feed: &str) -> Power {
    config
        .feed(feed)
        .map_or(Power::ZERO, crate::config::FeedConfig::capacity)
}

/// A domain and every domain that is fed from it, however far down.
pub fn below<'a>(config: &'a RackConfig, domain: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::from([domain]);
    loop {
        let more: Vec<&str> = config
            .domains
            .iter()
            .filter(|other| !found.contains(other.name.as_str()))
            .filter(|other| other.within.iter().any(|above| found.contains(above.as_str())))
            .map(|other| other.name.as_str())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// A domain and every domain that feeds it, however far up.
pub(super) fn above<'a>(config: &'a RackConfig, domain: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::from([domain]);
    loop {
        let more: Vec<&str> = found
            .iter()
            .filter_map(|name| config.domain(name))
            .flat_map(|domain| domain.within.iter().map(String::as_str))
            .filter(|name| !found.contains(name))
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// What is promised firm in a domain and below it: each node's claims or its floor, whichever is more, and reservations. A node that
/// nothing verified caps counts with all that it can draw, and one that is off only with its claims.
pub fn held(rack: &Rack, domain: &str) -> Power {
    held_but(rack, domain, &Otherwise::default())
}

pub(super) fn held_but(rack: &Rack, domain: &str, but: &Otherwise<'_>) -> Power {
    let within = below(&rack.config, domain);
    // Claims are summed by node in one pass: this is asked many times in each decision, of racks with many of both.
    let mut claimed: ByName<'_, Power> = ByName::default();
    let mut rest = Power::ZERO;
    let claims = rack.kept.claims.values().chain(but.with_claim);
    let stays = |claim: &&Claim| !but.without_claims.contains(&claim.id);
    for claim in claims
        .filter(|claim| within.contains(claim.domain.as_str()))
        .filter(stays)
    {
        let sum = match claim.node.as_deref() {
            Some(node) => claimed.entry(node).or_default(),
            None => &mut rest,
        };
        *sum = sum.saturating_add(claim.watts);
    }
    let mut held = rest;
    let nodes = rack.config.nodes.iter();
    for node in nodes.filter(|node| within.contains(node.domain.as_str())) {
        let claimed = claimed.remove(node.name.as_str()).unwrap_or_default();
        held = held.saturating_add(firmly(rack, node, claimed));
    }
    // Claims on nodes that are configured elsewhere, or not any more.
    claimed.into_values().fold(held, Power::saturating_add)
}

/// The sums of a domain by itself. Blind where its supplies cannot be seen: then nothing is free.
pub fn standing(rack: &Rack, domain: &str) -> Option<Sums> {
    standing_but(rack, domain, Otherwise::default())
}

pub(super) fn standing_but(rack: &Rack, domain: &str, but: Otherwise<'_>) -> Option<Sums> {
    let config = rack.config.domain(domain)?;
    let held = held_but(rack, domain, &but);
    let counted = supplies(rack, config, but);
    let mut standing = sums(kept(config), held, &counted);
    if is_blind(rack, config) {
        standing.state = DomainState::Blind;
        standing.headroom = Power::ZERO;
        return Some(standing);
    }
    let seen_only = Otherwise {
        seen_only: true,
        ..but
    };
    let seen = supplies(rack, config, seen_only);
    if seen.len() != counted.len() {
        standing.headroom = standing.headroom.min(sums(kept(config), held, &seen).headroom);
    }
    Some(standing)
}

/// Whether a domain's supplies cannot be seen: its BMC does not answer, or not one bay can be read.
pub(super) fn is_blind(rack: &Rack, domain: &DomainConfig) -> bool {
    domain.source.has_bays()
        && !rack
            .config
            .bays
            .iter()
            .any(|bay| bay.domain == domain.name && rack.sees(&bay.place))
}

/// The least free firm watts of a domain and of all that feed it, and the domain where that is.
pub fn tightest(rack: &Rack, domain: &str) -> Option<(String, Power)> {
    tightest_but(rack, domain, Otherwise::default())
}

/// Firm watts that are free in a domain if a claim were there, or were not: what is said with its events.
pub fn headroom_if(rack: &Rack, domain: &str, with: Option<&Claim>, without: &[ClaimId]) -> Power {
    let but = Otherwise {
        with_claim: with,
        without_claims: without,
        ..Otherwise::default()
    };
    tightest_but(rack, domain, but).map_or(Power::ZERO, |(_, headroom)| headroom)
}

pub(super) fn tightest_but(rack: &Rack, domain: &str, but: Otherwise<'_>) -> Option<(String, Power)> {
    rack.config.domain(domain)?;
    above(&rack.config, domain)
        .into_iter()
        .filter_map(|name| Some((name, standing_but(rack, name, but)?.headroom)))
        .min_by_key(|(name, headroom)| (*headroom, *name != domain))
        .map(|(name, headroom)| (name.to_owned(), headroom))
}

/// The sums of a domain if every bay held a supply as rated in the configuration; `None` where a rating is not
/// configured, or where a shelf has no bay.
pub fn filled(rack: &Rack, domain: &str) -> Option<Sums> {
    let config = rack.config.domain(domain)?;
    let supplies = if config.source.has_bays() {
        let bays = rack.config.bays.iter().filter(|bay| bay.domain == domain);
        let rated: Option<Vec<Supply<'_>>> = bays
            .map(|bay| {
                Some(Supply {
                    rated: bay.rated?,
                    feed: bay.feed.as_deref(),
                })
            })
            .collect();
        rated.filter(|supplies| !supplies.is_empty())?
    } else {
        supplies(rack, config, Otherwise::default())
    };
    Some(sums(kept(config), held(rack, domain), &supplies))
}
