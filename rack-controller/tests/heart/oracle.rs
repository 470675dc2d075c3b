//! A second opinion: the sums from the words of docs/power.md, by brute force over every loss, in whole fractions.
//! It shares no arithmetic with the code that it judges.

use std::collections::BTreeMap;

use rack_api::v1::DomainState;
use rack_controller::config::{DomainSource, RackConfig, Redundancy};
use rack_controller::rack::Rack;

/// One supply: milliwatts and feed.
type Counted = (u128, Option<String>);

#[derive(Debug, PartialEq, Eq)]
pub struct Opinion {
    pub installed: u128,
    pub surviving: u128,
    pub held: u128,
    pub headroom: u128,
    pub deficit: u128,
    pub state: DomainState,
}

/// The worst that remains when any `losses` units are gone, by trying every set of them.
pub fn worst(policy: Redundancy, losses: u32, supplies: &[Counted]) -> u128 {
    let sum = |keep: &dyn Fn(usize) -> bool| -> u128 {
        let kept = supplies.iter().enumerate().filter(|(index, _)| keep(*index));
        kept.map(|(_, (milliwatts, _))| milliwatts).sum()
    };
    if losses == 0 {
        return sum(&|_| true);
    }
    if policy == Redundancy::Feeds {
        let feeds: Vec<&Option<String>> = supplies.iter().map(|(_, feed)| feed).collect();
        return feeds
            .iter()
            .map(|lost| sum(&|index| supplies[index].1 != **lost))
            .min()
            .unwrap_or(0);
    }
    let losses = losses.min(supplies.len() as u32);
    (0_u32..1 << supplies.len())
        .filter(|lost| lost.count_ones() == losses)
        .map(|lost| sum(&|index| lost & (1 << index) == 0))
        .min()
        .unwrap_or(0)
}

fn covers(policy: Redundancy) -> u32 {
    match policy {
        Redundancy::N => 0,
        Redundancy::Plus(supplies) => supplies,
        Redundancy::Feeds => 1,
    }
}

/// Every domain that draws through this one, itself included.
fn through(config: &RackConfig, domain: &str) -> Vec<String> {
    let mut names = vec![domain.to_owned()];
    for other in &config.domains {
        if other.within.iter().any(|above| above == domain) {
            names.extend(through(config, &other.name));
        }
    }
    names
}

/// What is promised, from the test's own book of claims: name → milliwatts, domain, node.
pub type Book = BTreeMap<String, (u128, String, Option<String>)>;

/// Nothing caps these nodes but their BMCs, and no drill was made: each counts with all that it can draw, and one that is off with
/// what is claimed on it.
pub fn held(rack: &Rack, domain: &str, book: &Book) -> u128 {
    let config = &rack.config;
    let names = through(config, domain);
    let mut by_node: BTreeMap<&str, u128> = BTreeMap::new();
    let mut free = 0;
    for (milliwatts, where_, node) in book.values() {
        if names.contains(where_) {
            match node {
                Some(node) => *by_node.entry(node).or_default() += milliwatts,
                None => free += milliwatts,
            }
        }
    }
    for node in &config.nodes {
        if names.contains(&node.domain) {
            let most = by_node.entry(&node.name).or_default();
            let seen = rack
                .sight
                .nodes
                .get(&node.name)
                .and_then(|seen| seen.bmc.as_ref());
            if seen.is_none_or(|bmc| bmc.powered_on != Some(false)) {
                *most = (*most).max(u128::from(node.max_draw.milliwatts()));
            }
        }
    }
    free + by_node.values().sum::<u128>()
}

/// What the lives of the bays say is in service.
pub fn in_service(rack: &Rack, domain: &str, without: Option<&str>, seen_only: bool) -> Vec<Counted> {
    let config = rack.config.domain(domain).unwrap();
    match &config.source {
        DomainSource::Budget(watts) => vec![(u128::from(watts.milliwatts()), None)],
        DomainSource::Feed(_) => panic!("no feed domain in this test"),
        DomainSource::Shelf | DomainSource::Chassis => rack
            .config
            .bays
            .iter()
            .filter(|bay| bay.domain == domain && without != Some(bay.place.as_str()))
            .filter(|bay| !seen_only || rack.sees(&bay.place))
            .filter_map(|bay| {
                let kept = &rack.kept.bays[&bay.place];
                kept.life.counts().then(|| {
                    (
                        u128::from(kept.rated.unwrap_or_default().milliwatts()),
                        bay.feed.clone(),
                    )
                })
            })
            .collect(),
    }
}

/// sum × (1 − margin), rounded down to milliwatts.
fn less(margin_ppm: u32, sum: u128) -> u128 {
    sum * (1_000_000 - u128::from(margin_ppm)) / 1_000_000
}

/// Whether promises fit what remains after the worst `losses`.
pub fn fits(rack: &Rack, domain: &str, book: &Book, losses: u32, supplies: &[Counted]) -> bool {
    let config = rack.config.domain(domain).unwrap();
    let needed = held(rack, domain, book) + u128::from(config.fixed_load.milliwatts());
    needed <= less(config.margin_ppm, worst(config.redundancy, losses, supplies))
}

pub fn opinion(rack: &Rack, domain: &str, book: &Book, blind: bool) -> Opinion {
    let config = rack.config.domain(domain).unwrap();
    let supplies = in_service(rack, domain, None, false);
    let most = covers(config.redundancy);
    let fixed = u128::from(config.fixed_load.milliwatts());
    let held = held(rack, domain, book);
    let fit: Vec<u32> = (0..=most)
        .filter(|losses| fits(rack, domain, book, *losses, &supplies))
        .collect();
    let installed = worst(config.redundancy, 0, &supplies);
    let (surviving, state) = match fit.last() {
        Some(losses) if *losses == most => {
            (worst(config.redundancy, most, &supplies), DomainState::Redundant)
        }
        Some(losses) => (worst(config.redundancy, *losses, &supplies), DomainState::Exposed),
        None => (installed, DomainState::Deficit),
    };
    let seen = worst(config.redundancy, most, &in_service(rack, domain, None, true));
    let free = less(config.margin_ppm, seen).saturating_sub(fixed + held);
    Opinion {
        installed,
        surviving,
        held,
        headroom: if blind { 0 } else { free },
        deficit: match state {
            DomainState::Deficit => held + fixed - less(config.margin_ppm, installed),
            _ => 0,
        },
        state: if blind { DomainState::Blind } else { state },
    }
}

/// Whether this domain's losses are all covered, with what is seen.
pub fn keeps_its_policy(rack: &Rack, domain: &str, book: &Book) -> bool {
    let config = rack.config.domain(domain).unwrap();
    fits(
        rack,
        domain,
        book,
        covers(config.redundancy),
        &in_service(rack, domain, None, true),
    )
}

/// What the interlock should say of a counted bay that is seen.
pub fn interlock(rack: &Rack, domain: &str, place: &str, book: &Book) -> rack_api::v1::Interlock {
    let config = rack.config.domain(domain).unwrap();
    let remaining = in_service(rack, domain, Some(place), true);
    if fits(rack, domain, book, covers(config.redundancy), &remaining) {
        rack_api::v1::Interlock::Yes
    } else if fits(rack, domain, book, 0, &remaining) {
        rack_api::v1::Interlock::YesExposed
    } else {
        rack_api::v1::Interlock::No
    }
}
