//! Who gets what of a domain: firm watts first, then the redundant share as revocable watts, by rank; and how much less after each
//! further loss. Pure arithmetic on the rack; what is sent to whom, and when, is in `orders`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::DomainState;

use super::ByName;
use super::book::{Book, shed};
use super::grants::grants;
use super::standing::{Otherwise, below, kept, standing, supplies};
use super::sums::{Sums, Supply, ride_limit_of, sums, without_worst};
use crate::claim::ClaimId;
use crate::config::{DomainConfig, NodeConfig};
use crate::rack::sight::DrillPhase;
use crate::rack::state::Rack;

/// How long revocable watts stay without sight of a domain's supplies (power.md, rule 11).
pub const BLIND_GRACE: Duration = Duration::from_secs(10);
/// How long the slowest limiter needs to bite: NVML's 0.2 s; RAPL's windows are shorter.
pub const BITES_WITHIN: Duration = Duration::from_millis(200);
/// The most levels that are armed.
const MOST_LEVELS: u32 = 8;

/// What each node whose agent holds its caps should get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rations {
    /// By node: the cap now, and those after one, two … covered losses.
    pub caps: BTreeMap<String, (Power, Vec<Power>)>,
    /// Claims that have their revocable watts.
    pub granted: BTreeSet<ClaimId>,
    /// Claims whose firm watts cannot be served.
    pub shed: BTreeSet<ClaimId>,
}

/// What a domain sells beside firm watts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// Firm and revocable together; `None` where nothing revocable is sold.
    pub total: Option<Power>,
    /// Asked by claims in it and below it.
    pub asked: Power,
    /// Given to them.
    pub granted: Power,
    /// Why nothing revocable is sold.
    pub reason: Option<String>,
}

/// Who gets what now.
pub fn rations(rack: &Rack, now: Moment) -> Rations {
    let book = Book::of(rack);
    let served = Served::of(rack, &book, shed(rack, &book, now));
    let mut levels: Vec<ByName<'_, Power>> = Vec::new();
    let mut among: Option<BTreeSet<ClaimId>> = None;
    let mut granted = BTreeSet::new();
    for losses in 0..=most_levels(rack) {
        // Nobody has more after a loss than before it: whoever is served then is one of those that are served now.
        let at_level = grants(rack, &book, &served, losses, among.as_ref(), now);
        levels.push(caps(rack, &book, &served, &at_level));
        if losses == 0 {
            granted.clone_from(&at_level);
        }
        among = Some(at_level);
    }
    let mut by_node = BTreeMap::new();
    for node in rack.config.nodes.iter().filter(|node| node.rest.is_some()) {
        let mut caps = levels
            .iter()
            .filter_map(|level| level.get(node.name.as_str()).copied());
        let usual = caps.next().unwrap_or(node.floor);
        let now = drilled(rack, node).unwrap_or(usual);
        let mut armed: Vec<Power> = caps.collect();
        if armed.is_empty() {
            armed.push(now);
        }
        by_node.insert(node.name.clone(), (now, armed));
    }
    Rations {
        caps: by_node,
        granted,
        shed: served.shed,
    }
}

/// Who is not served with firm watts, and what the others of each node are served with: the same after every loss. And how the domains
/// stand now: each sum goes through every claim, so each is made once.
pub(super) struct Served<'a> {
    pub(super) shed: BTreeSet<ClaimId>,
    firm: ByName<'a, Power>,
    /// What they have of it: less what is lent.
    own: ByName<'a, Power>,
    pub(super) standing: ByName<'a, Sums>,
}

impl<'a> Served<'a> {
    fn of(rack: &'a Rack, book: &Book<'a>, shed: BTreeSet<ClaimId>) -> Served<'a> {
        let domains = rack.config.domains.iter();
        let firm = book.firm(&shed);
        Served {
            own: book.less_lent(firm.clone()),
            firm,
            standing: domains
                .filter_map(|domain| Some((domain.name.as_str(), standing(rack, &domain.name)?)))
                .collect(),
            shed,
        }
    }

    fn firm_of(&self, node: &NodeConfig) -> Power {
        self.firm.get(node.name.as_str()).copied().unwrap_or_default()
    }

    /// What is lent is what goes first: after a loss everybody is due all firm watts again, and nobody is granted of them.
    pub(super) fn due(&self, node: &NodeConfig, losses: u32) -> Power {
        if losses == 0 {
            self.own_of(node)
        } else {
            self.firm_of(node)
        }
    }

    fn own_of(&self, node: &NodeConfig) -> Power {
        self.own.get(node.name.as_str()).copied().unwrap_or_default()
    }
}

/// What a drill lets a node draw: all that its load wants at first, then the cap that is to be shown.
fn drilled(rack: &Rack, node: &NodeConfig) -> Option<Power> {
    let drill = rack
        .sight
        .drill
        .as_ref()
        .filter(|drill| drill.node == node.name)?;
    Some(match drill.phase {
        DrillPhase::Loading => node.max_draw,
        DrillPhase::Capped { .. } => drill.cap,
    })
}

/// The firm watts that a node is served with, lent or not, or its floor: what a loss leaves it with.
pub fn firm_of(rack: &Rack, node: &NodeConfig) -> Power {
    let book = Book::of(rack);
    let firm = book.firm(&rack.kept.shed);
    firm.get(node.name.as_str())
        .copied()
        .unwrap_or_default()
        .max(node.floor)
}

/// What a domain sells beside firm watts, and why not.
pub fn sale(rack: &Rack, domain: &DomainConfig, now: Moment) -> Sale {
    let within = below(&rack.config, &domain.name);
    let mine = || {
        rack.kept
            .claims
            .values()
            .filter(|claim| within.contains(claim.domain.as_str()))
    };
    let reason = why_none(rack, domain, now);
    Sale {
        total: reason
            .is_none()
            .then(|| total(rack, domain, 0, &standing(rack, &domain.name)?))
            .flatten(),
        asked: mine().map(|claim| claim.revocable).sum(),
        granted: mine()
            .filter(|claim| rack.kept.granted.contains(&claim.id))
            .map(|claim| claim.revocable)
            .sum(),
        reason,
    }
}

/// Why a domain sells nothing revocable now; `None` where it does. Domains without supplies sell as much as their sum allows.
pub(super) fn why_none(rack: &Rack, domain: &DomainConfig, now: Moment) -> Option<String> {
    if !domain.source.has_bays() {
        return None;
    }
    if !domain.sell_revocable {
        return Some("sell_revocable is false".to_owned());
    }
    if domain.redundancy.covers() == 0 {
        return Some(format!(
            "the policy {} covers no loss: nothing is redundant",
            domain.redundancy
        ));
    }
    if let Some(slow) = too_slow(rack, domain) {
        return Some(slow);
    }
    let standing = rack.kept.domains.get(&domain.name)?;
    match standing.state {
        DomainState::Deficit => Some("the domain is short".to_owned()),
        DomainState::Blind if now.since(standing.since) >= BLIND_GRACE => Some(format!(
            "its supplies were not seen for {} s",
            BLIND_GRACE.as_secs()
        )),
        DomainState::Exposed => {
            let sums = super::standing(rack, &domain.name);
            let total = sums.and_then(|sums| total(rack, domain, 0, &sums));
            total.is_none().then(|| "no further loss is covered".to_owned())
        }
        DomainState::Redundant | DomainState::Blind => None,
    }
}

/// Why a loss would outlast the overload time: seen, answered by the last agent and bitten must all happen within it.
fn too_slow(rack: &Rack, domain: &DomainConfig) -> Option<String> {
    let Some(seen) = domain.detect_within else {
        return Some("detect_within is not told: nobody knows how soon a loss is seen".to_owned());
    };
    let Some((lowered, _)) = rack.kept.slowest_lowering else {
        return Some("no agent has been timed yet: lowering was not measured".to_owned());
    };
    let whole = seen.saturating_add(lowered).saturating_add(BITES_WITHIN);
    (whole >= domain.overload_for).then(|| {
        format!(
            "a loss is seen within {} ms, the slowest agent lowered in {} ms and limits bite within {} ms: {} ms in all, and supplies \
             ride an overload for {} ms",
            seen.as_millis(),
            lowered.as_millis(),
            BITES_WITHIN.as_millis(),
            whole.as_millis(),
            domain.overload_for.as_millis()
        )
    })
}

/// How many levels are armed: as many as the most cautious domain covers, and one at least.
fn most_levels(rack: &Rack) -> u32 {
    let covers = rack
        .config
        .domains
        .iter()
        .map(|domain| domain.redundancy.covers());
    covers.max().unwrap_or(0).clamp(1, MOST_LEVELS)
}

/// The sums of a domain that stands so, after this many losses of its worst units.
fn sums_after(rack: &Rack, domain: &DomainConfig, losses: u32, standing: &Sums) -> Sums {
    if losses == 0 || !domain.source.has_bays() {
        return *standing;
    }
    let counted = supplies(rack, domain, Otherwise::default());
    let left: Vec<Supply<'_>> = without_worst(domain.redundancy, losses, &counted);
    sums(kept(domain), standing.held, &left)
}

/// Firm and revocable watts together that a domain can give after this many losses; `None` where no further loss is covered then.
pub(super) fn total(rack: &Rack, domain: &DomainConfig, losses: u32, standing: &Sums) -> Option<Power> {
    let sums = sums_after(rack, domain, losses, standing);
    if !domain.source.has_bays() {
        return Some(kept(domain).firm(sums.installed));
    }
    let covers_one = sums.covered > 0 && losses < domain.redundancy.covers();
    let ride = ride_limit_of(sums.surviving, sums.installed, domain.overload_factor_ppm);
    // Armed caps must fit what survives, not what is ridden for a second (power.md, rule 2). So must those in force where nobody has
    // accepted that a rack whose agents are all silent at the moment of a loss draws them until their leases end (rule 6).
    let ready = if losses == 0 && domain.accept_silence {
        ride
    } else {
        ride.min(standing.surviving)
    };
    covers_one.then(|| kept(domain).firm(ready))
}

pub(super) fn nodes_below<'a>(rack: &'a Rack, domain: &'a str) -> impl Iterator<Item = &'a NodeConfig> {
    let within = below(&rack.config, domain);
    rack.config
        .nodes
        .iter()
        .filter(move |node| within.contains(node.domain.as_str()))
}

/// Whether a node's caps may carry revocable watts: its agent holds them, and a drill has shown at no higher cap that they bite.
pub(super) fn is_proven(rack: &Rack, node: &NodeConfig, firm: Power) -> bool {
    let proven = rack.kept.proofs.get(&node.name);
    node.rest.is_some() && proven.is_some_and(|proof| proof.cap <= firm.max(node.floor))
}

pub(super) fn is_silent(rack: &Rack, node: &NodeConfig) -> bool {
    let lease = rack
        .sight
        .nodes
        .get(&node.name)
        .and_then(|seen| seen.lease.as_ref());
    lease.is_some_and(|lease| lease.silent_since.is_some())
}

/// The caps that these grants make: firm watts or the floor, and what is granted beside them.
fn caps<'a>(
    rack: &'a Rack,
    book: &Book<'_>,
    served: &Served<'_>,
    granted: &BTreeSet<ClaimId>,
) -> ByName<'a, Power> {
    let mut extra: ByName<'_, Power> = ByName::default();
    for claim in book.drawing.iter().filter(|claim| granted.contains(&claim.id)) {
        if let Some(node) = claim.draws_on() {
            let sum = extra.entry(node).or_default();
            *sum = sum.saturating_add(claim.revocable);
        }
    }
    rack.config
        .nodes
        .iter()
        .filter(|node| node.rest.is_some())
        .map(|node| {
            let name = node.name.as_str();
            // A lender has its own watts back when its borrowers were read back lowered, not by itself at a loss.
            let firm = served.own_of(node).max(node.floor);
            let extra = extra.get(name).copied().unwrap_or_default();
            (name, firm.saturating_add(extra).min(node.max_draw))
        })
        .collect()
}
