//! All supplies of a BMC by independent domain: each counted once, each claim kept beside what is computed.

use std::collections::BTreeMap;

use facts::supply::{Supplies, Supply, SupplyDomain, SupplyState};
use facts::{NoData, Power, Reading};
use futures_util::StreamExt;
use futures_util::stream;

use super::judge;
use super::list::List;
use super::place::{Found, Place, places, read};
use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::http::MAX_IN_FLIGHT;
use crate::redfish::quirk::{MinNeeded, Oddity, Speaker, min_needed, row};
use crate::redfish::schema::Doubts;
use crate::redfish::schema::power::GroupSaid;
use crate::redundancy::{Redundancy, doubts as redundancy_doubts, is_usable};

/// Reads all supplies of a BMC. A bay that is not listed was not seen; only `Absent` says that a bay is empty.
///
/// # Errors
/// Where the BMC as a whole cannot be read: then nothing is known, and nothing is absent. One resource that cannot be
/// read is a doubt, and its supply stands as `Unknown`.
pub async fn supplies(bmc: &Bmc) -> Result<Supplies, BmcError> {
    let doubts = Doubts::default();
    let mut domains: Vec<SupplyDomain> = Vec::new();
    let mut empty_lists = 0_u32;
    // Chassis side by side, each with doubts of its own, so that the order of answers changes nothing in the result.
    let mut answers = stream::iter(places(bmc, &doubts).await?)
        .map(|place| async move {
            let own = Doubts::default();
            let found = read(bmc, &place, &own).await?;
            Ok::<_, BmcError>((place, found, own))
        })
        .buffered(MAX_IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        let (place, found, own) = answer?;
        doubts.append(&own);
        limit_doubt(bmc, &place, &found, &doubts);
        if found.list.supplies.is_empty() {
            empty_lists += u32::from(found.has_list);
            continue;
        }
        domains.extend(of_place(bmc, &place, found, &doubts));
    }
    count_once(bmc, &mut domains, &doubts);
    // A BMC without any place for supplies, as a node on a busbar has it, leaves nothing to doubt.
    if domains.is_empty() && empty_lists > 0 {
        let message =
            format!("{empty_lists} chassis have a place for supplies and list none (fed from outside?)");
        doubts.add("missing", &bmc.name_of(bmc.root().chassis()), message);
    }
    let mut all = bmc.root_doubts().to_vec();
    all.extend(doubts.take());
    for domain in &domains {
        let resource = domain
            .supplies
            .first()
            .map_or(domain.name.as_str(), |supply| supply.resource.as_str());
        let parent = resource.rsplit_once('/').map_or(resource, |(parent, _)| parent);
        all.extend(redundancy_doubts(
            domain,
            &Redundancy::of(domain),
            &bmc.name_of(parent.trim_end_matches("#")),
        ));
    }
    Ok(Supplies { domains, doubts: all })
}

/// A recorded limit whose exception is a hard power-off: whoever sets a cap here may kill the machine.
fn limit_doubt(bmc: &Bmc, place: &Place, found: &Found, doubts: &Doubts) {
    let Some((exception, watts)) = &found.list.said.limit else {
        return;
    };
    if exception != "HardPowerOff" {
        return;
    }
    let at = watts
        .as_ref()
        .map_or_else(String::new, |watts| format!(" at {watts}"));
    let evidence = row(&place.speaker, None, |oddity| oddity == Oddity::LimitPowersOff);
    let seen = evidence.map_or_else(String::new, |row| format!(" (seen before: {})", row.evidence));
    doubts.add(
        "limit",
        &bmc.name_of(&place.resource),
        format!("LimitException is HardPowerOff{at}: exceeding a cap would switch the machine off{seen}"),
    );
}

/// The domains of one place: one, or one for each of several groups that share no member.
fn of_place(bmc: &Bmc, place: &Place, found: Found, doubts: &Doubts) -> Vec<SupplyDomain> {
    let list = found.list;
    let name = bmc.name_of(&list.said.resource);
    let last_is_total =
        judge::last_output_is_total(&list.supplies, found.drawn, &place.speaker, &name, doubts);
    let supplies = list.supplies.iter().map(|said| {
        let name = bmc.name_of(&said.resource);
        judge::supply(said.clone(), &place.speaker, last_is_total, &name, doubts)
    });
    let mut whole = SupplyDomain {
        name: place.name.clone(),
        supplies: supplies.collect(),
        claimed: Vec::new(),
        mixed: false,
        capacity_claimed_watts: list.said.capacity.value(),
        drawn_watts: found.drawn,
    };
    list_doubts(&whole, &name, doubts);
    capacity_doubt(&mut whole, &place.speaker, &name, doubts);
    split(whole, &list, &place.speaker, &name, doubts)
}

/// What is missing throughout a list is told once for the list.
fn list_doubts(domain: &SupplyDomain, name: &str, doubts: &Doubts) {
    let there = domain
        .supplies
        .iter()
        .filter(|supply| !supply.is_filler && supply.state != SupplyState::Absent);
    let any_rated = domain
        .supplies
        .iter()
        .any(|supply| supply.rated_watts.as_ref().is_some());
    let (mut all, mut stateless, mut unrated) = (0_u32, 0_u32, 0_u32);
    for supply in there {
        all += 1;
        stateless += u32::from(supply.state == SupplyState::Unknown);
        unrated += u32::from(supply.rated_watts.as_ref().is_none());
        if any_rated && is_usable(supply) && names_no_watts(supply) {
            let message = format!(
                "bay {} names no watts at all while others do: it may be a filler; it counts as 0 W",
                supply.bay
            );
            doubts.add("filler", name, message);
        }
    }
    if stateless > 0 {
        let message = format!(
            "{stateless} of {all} supplies do not say whether they work (Status); they are not counted"
        );
        doubts.add("missing", name, message);
    }
    if unrated > 0 {
        let message = format!("{unrated} of {all} supplies name no capacity; they count as 0 W");
        doubts.add("missing", name, message);
    }
}

fn names_no_watts(supply: &Supply) -> bool {
    [supply.rated_watts, supply.output_watts, supply.input_watts]
        .iter()
        .all(|watts| watts.as_ref().is_none())
}

/// *Claimed capacity ≠ Σ rated*. Without any rating there is nothing to compare.
fn capacity_doubt(domain: &mut SupplyDomain, speaker: &Speaker, name: &str, doubts: &Doubts) {
    let Some(claimed) = domain.capacity_claimed_watts else {
        return;
    };
    if claimed.is_zero() {
        doubts.add(
            "capacity",
            name,
            "claims a capacity of 0 W; it counts as no claim",
        );
        domain.capacity_claimed_watts = None;
        return;
    }
    let rated: Vec<Power> = domain
        .supplies
        .iter()
        .filter(|supply| is_usable(supply))
        .filter_map(|supply| supply.rated_watts.value())
        .collect();
    let sum: Power = rated.iter().copied().sum();
    // A hundredth of rounding is no contradiction.
    let close = sum.share(10_000);
    if rated.is_empty() || (claimed <= sum.saturating_add(close) && sum <= claimed.saturating_add(close)) {
        return;
    }
    let evidence = row(speaker, None, |oddity| oddity == Oddity::CapacityInflated);
    let seen = evidence.map_or_else(String::new, |row| format!(" (known: {})", row.evidence));
    doubts.add(
        "capacity",
        name,
        format!(
            "claims {claimed}; its {} usable supplies are rated {sum} together, which is believed{seen}",
            rated.len()
        ),
    );
}

/// Several groups without a common member are independent domains. Groups that do not name their members cannot be told
/// apart: then the domain is mixed, and no sum is made.
fn split(
    mut whole: SupplyDomain,
    list: &List,
    speaker: &Speaker,
    name: &str,
    doubts: &Doubts,
) -> Vec<SupplyDomain> {
    let meaning = min_needed(speaker);
    let groups: Vec<GroupSaid> = list
        .said
        .groups
        .iter()
        .map(|group| understood(group, meaning))
        .collect();
    if groups.len() < 2 {
        whole.claimed = groups.into_iter().map(|group| group.claim).collect();
        return vec![whole];
    }
    let mut owner: BTreeMap<&str, usize> = BTreeMap::new();
    let mut clear = true;
    for (number, group) in groups.iter().enumerate() {
        let named = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
        clear &= named > 0 && named == group.claim.members;
        for member in &group.members {
            clear &= whole.supplies.iter().any(|supply| supply.resource == *member);
            clear &= owner.insert(member, number).is_none();
        }
    }
    if !clear {
        let message = format!(
            "{} redundancy groups whose members are not named each once: the domains cannot be told apart, and no sum is made",
            groups.len()
        );
        doubts.add("domains", name, message);
        whole.mixed = true;
        whole.claimed = groups.into_iter().map(|group| group.claim).collect();
        return vec![whole];
    }
    let mut domains: Vec<SupplyDomain> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let mine = |resource: &str| owner.get(resource) == Some(&number);
        domains.push(part(&whole, &group.claim.group, mine, vec![group.claim.clone()]));
    }
    let rest = part(
        &whole,
        "ungrouped",
        |resource| !owner.contains_key(resource),
        Vec::new(),
    );
    if !rest.supplies.is_empty() {
        domains.push(rest);
    }
    domains
}

/// The part of a domain whose supplies are chosen. Capacity and draw were said of the whole and hold for no part.
fn part(
    whole: &SupplyDomain,
    group: &str,
    chosen: impl Fn(&str) -> bool,
    claimed: Vec<facts::supply::RedundancyClaim>,
) -> SupplyDomain {
    SupplyDomain {
        name: format!("{}/{group}", whole.name),
        supplies: whole
            .supplies
            .iter()
            .filter(|supply| chosen(&supply.resource))
            .cloned()
            .collect(),
        claimed,
        mixed: false,
        capacity_claimed_watts: None,
        drawn_watts: Reading::none(NoData::Unsupported),
    }
}

/// How many may fail by a claim. Where the maker's meaning is unknown, both meanings stand, the impossible ones left out.
fn understood(group: &GroupSaid, meaning: Option<MinNeeded>) -> GroupSaid {
    let mut group = group.clone();
    let claim = &mut group.claim;
    let redundant = claim.kind.as_deref() != Some("NotRedundant");
    if let (Some(min), members @ 1.., true) = (claim.min_needed, claim.members, redundant) {
        let to_run = members.saturating_sub(min);
        // Fault tolerant with `min` members means that `min - 1` carry the load; with one member nothing is tolerated.
        let to_tolerate = members.saturating_sub(min.saturating_sub(1)).min(members - 1);
        let (least, most) = match meaning {
            Some(MinNeeded::ToRun) => (to_run, to_run),
            Some(MinNeeded::ToTolerate) if min >= 2 => (to_tolerate, to_tolerate),
            Some(MinNeeded::ToTolerate) | None if min < 2 => (to_run, to_run),
            Some(MinNeeded::ToTolerate) | None => (to_run, to_tolerate),
        };
        claim.may_lose_least = Some(least);
        claim.may_lose_most = Some(most);
    }
    group
}

/// A serial number that was met before is the same supply, shown once more: it stays listed and counts as nothing.
fn count_once(bmc: &Bmc, domains: &mut [SupplyDomain], doubts: &Doubts) {
    let mut met: BTreeMap<(Option<String>, Option<String>, String), String> = BTreeMap::new();
    for supply in domains.iter_mut().flat_map(|domain| &mut domain.supplies) {
        let Some(serial) = supply.identity.serial.clone() else {
            continue;
        };
        let who = (
            supply.identity.maker.clone(),
            supply.identity.model.clone(),
            serial,
        );
        let Some(first) = met.get(&who) else {
            met.insert(who, supply.resource.clone());
            continue;
        };
        let message =
            format!("has the serial number of {first}; a supply is counted once, so this one is not counted");
        doubts.add("duplicate", &bmc.name_of(&supply.resource), message);
        supply.state = SupplyState::Unknown;
    }
}
