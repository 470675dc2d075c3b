//! What nodes leave unused of lendable claims: slowly lent to whoever asks for revocable watts, and taken back at once where it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::{DomainState, Lending};

use super::orders::counted;
use super::ration::{is_proven, is_silent, why_none};
use super::standing::above;
use crate::claim::Claim;
use crate::config::{DomainConfig, NodeConfig, PPM};
use crate::rack::event::LendingTurn;
use crate::rack::state::Rack;

/// Less than this is not worth a change of caps: 20 W.
const LEAST_LENT: Power = Power::from_milliwatts(20_000);
/// A lender whose draw comes within one part in this many of what it kept wants its watts back.
const NEAR: u64 = 20;
/// A reading of what a node draws is stale when so many that were due after it did not come.
const MISSED_READINGS: u32 = 3;
/// How often a node's BMC is read where nothing is configured for it; a node without one is never measured.
const USUAL_POLL: Duration = Duration::from_secs(5);

/// So old a reading of what a node draws may be; an older one is none.
pub fn stale_after(rack: &Rack, node: &NodeConfig) -> Duration {
    poll_of(rack, node).saturating_mul(MISSED_READINGS)
}

fn poll_of(rack: &Rack, node: &NodeConfig) -> Duration {
    let bmc = node.bmc.as_deref().and_then(|name| rack.config.bmc(name));
    bmc.map_or(USUAL_POLL, |bmc| bmc.poll_interval)
}

/// Whether a node that was asked to give back what it lent has it again: its agent holds the cap that its claims are due.
pub fn is_returned(rack: &Rack, node: &NodeConfig, now: Moment) -> bool {
    let Some(order) = rack.kept.orders.get(&node.name) else {
        return false;
    };
    let due = super::firm_of(rack, node).min(node.max_draw);
    order.cap >= due && counted(rack, node, now).reason.is_none()
}

/// What a node leaves unused.
struct Unused {
    watts: Power,
    keeps: Power,
    peak: Power,
    /// Whether somebody who could borrow has nothing.
    is_wanted: bool,
}

/// Somebody who asks for revocable watts and could be given some.
struct Borrower<'a> {
    node: &'a str,
    through: BTreeSet<&'a str>,
    has: bool,
}

/// Whoever could lend and borrow, summed once.
pub struct Lenders<'a> {
    rack: &'a Rack,
    now: Moment,
    /// Firm watts of claims that draw on each node, as far as they are served: lent ones count too.
    firm: BTreeMap<&'a str, Power>,
    lendable: BTreeMap<&'a str, Power>,
    /// Why a domain sells nothing revocable.
    closed: BTreeMap<&'a str, String>,
    borrowers: Vec<Borrower<'a>>,
    /// Nodes that ask for revocable watts themselves.
    asking: BTreeSet<&'a str>,
}

impl<'a> Lenders<'a> {
    /// Those of a rack now.
    pub fn of(rack: &'a Rack, now: Moment) -> Lenders<'a> {
        let mut lenders = Lenders {
            rack,
            now,
            firm: BTreeMap::new(),
            lendable: BTreeMap::new(),
            closed: BTreeMap::new(),
            borrowers: Vec::new(),
            asking: BTreeSet::new(),
        };
        let claims = || {
            let claims = rack.kept.claims.values();
            let drawing = claims.filter_map(|claim| Some((claim.draws_on()?, claim)));
            drawing.filter(|(_, claim)| !rack.kept.shed.contains(&claim.id))
        };
        if !claims().any(|(_, claim)| claim.lendable) {
            return lenders;
        }
        for (node, claim) in claims() {
            let add = |sums: &mut BTreeMap<&'a str, Power>| {
                let sum = sums.entry(node).or_default();
                *sum = sum.saturating_add(claim.watts);
            };
            add(&mut lenders.firm);
            if claim.lendable {
                add(&mut lenders.lendable);
            }
            if !claim.revocable.is_zero() {
                lenders.asking.insert(node);
            }
        }
        for domain in &rack.config.domains {
            if let Some(why) = why_none(rack, domain, now) {
                lenders.closed.insert(&domain.name, why);
            }
        }
        for (node, claim) in claims().filter(|(_, claim)| !claim.revocable.is_zero()) {
            let through = above(&rack.config, &claim.domain);
            let Some(config) = rack.config.node(node) else {
                continue;
            };
            let can = is_proven(rack, config, lenders.firm_on(config)) && !is_silent(rack, config);
            if can && through.iter().all(|name| !lenders.closed.contains_key(name)) {
                let has = rack.kept.granted.contains(&claim.id);
                lenders.borrowers.push(Borrower { node, through, has });
            }
        }
        lenders
    }

    /// What should become of what a node lends; `None` where it stays.
    pub fn turn(&self, node: &NodeConfig) -> Option<LendingTurn> {
        let lent = self.rack.kept.lent.get(&node.name);
        match (self.may_lend(node), lent) {
            (Err(reason), Some(lent)) => Some(LendingTurn::Recalled {
                watts: lent.watts,
                reason,
            }),
            (Err(_), None) => None,
            (Ok(unused), lent) => {
                let before = lent.map_or(Power::ZERO, |lent| lent.watts);
                let grows = unused.is_wanted && unused.watts >= before.saturating_add(LEAST_LENT);
                grows.then_some(LendingTurn::Lent {
                    watts: unused.watts,
                    keeps: unused.keeps,
                    peak: unused.peak,
                })
            }
        }
    }

    fn firm_on(&self, node: &NodeConfig) -> Power {
        self.firm.get(node.name.as_str()).copied().unwrap_or_default()
    }

    fn lendable_on(&self, node: &NodeConfig) -> Power {
        self.lendable.get(node.name.as_str()).copied().unwrap_or_default()
    }

    /// What a node may lend now, or why it lends nothing.
    fn may_lend(&self, node: &NodeConfig) -> Result<Unused, String> {
        let (rack, now) = (self.rack, self.now);
        let Some(domain) = rack.config.domain(&node.domain).filter(|_| node.rest.is_some()) else {
            return Err("its caps are not held by its agent".to_owned());
        };
        let lendable = self.lendable_on(node);
        if lendable.is_zero() {
            return Err("nothing that is claimed on it is lendable".to_owned());
        }
        let drawn = self.calm(node, domain)?;
        let firm = self.firm_on(node);
        let lent = rack.kept.lent.get(&node.name);
        if let Some(lent) = lent {
            if drawn >= part_below(lent.keeps) {
                return Err(format!("it draws {drawn} of the {} that it kept", lent.keeps));
            }
            if lent.watts > lendable || firm.saturating_sub(lent.watts) < lent.keeps {
                return Err("less is claimed on it than before".to_owned());
            }
        }
        let is_wanted = self.asked_beside(node)?;
        let seen = rack.sight.nodes.get(&node.name).map(|seen| &seen.draws);
        let stale = stale_after(rack, node);
        let peak = seen.and_then(|draws| draws.peak(now, domain.lend.window, stale));
        let Some(peak) = peak else {
            // What is lent stays lent where only nobody has watched for long enough whether it could be more, as after a restart.
            return match lent {
                Some(lent) => Ok(Unused {
                    watts: lent.watts,
                    keeps: lent.keeps,
                    peak: drawn,
                    is_wanted: false,
                }),
                None => Err(format!(
                    "what it draws was not watched for {} s yet",
                    domain.lend.window.as_secs()
                )),
            };
        };
        if rack.is_node_paused(&node.name, now) && lent.is_none() {
            return Err("it is paused".to_owned());
        }
        let proven = rack.kept.proofs.get(&node.name).map(|proof| proof.cap);
        let least = firm.saturating_sub(lendable).max(node.floor);
        let keeps = above_peak(peak, domain.lend.margin_ppm)
            .max(least)
            .max(proven.unwrap_or(node.max_draw));
        let watts = firm.saturating_sub(keeps);
        if watts < LEAST_LENT && lent.is_none() {
            return Err(format!(
                "it drew {peak} at the most, no drill has shown that a cap below {} bites, and with its margin that leaves {watts} of \
                 its {firm}",
                proven.unwrap_or(node.max_draw)
            ));
        }
        Ok(Unused {
            watts,
            keeps,
            peak,
            is_wanted,
        })
    }

    /// Whether nothing speaks against lending: it answers, its cap is believed, it is measured, and its domains are redundant and sell.
    /// What it draws.
    fn calm(&self, node: &NodeConfig, domain: &DomainConfig) -> Result<Power, String> {
        let (rack, now) = (self.rack, self.now);
        if rack
            .sight
            .drill
            .as_ref()
            .is_some_and(|drill| drill.node == node.name)
        {
            return Err("a drill is under way".to_owned());
        }
        for name in above(&rack.config, &domain.name) {
            // A domain that cannot be seen for a moment takes nothing back yet: revocable watts have a grace of their own.
            let state = rack.kept.domains.get(name).map(|standing| standing.state);
            if !matches!(state, Some(DomainState::Redundant | DomainState::Blind)) {
                return Err(format!("{name} is not redundant"));
            }
            if let Some(why) = self.closed.get(name) {
                return Err(format!("{name} sells nothing revocable: {why}"));
            }
        }
        if is_silent(rack, node) {
            return Err("its agent does not answer".to_owned());
        }
        if self.asking.contains(node.name.as_str()) {
            return Err("it asks for revocable watts itself".to_owned());
        }
        if !is_proven(rack, node, self.firm_on(node)) {
            return Err("no drill has shown that its cap bites".to_owned());
        }
        let stale = stale_after(rack, node);
        let seen = rack.sight.nodes.get(&node.name);
        let started = rack.sight.started.unwrap_or(Moment::EPOCH);
        match seen.and_then(|seen| seen.draws.last(now, stale)) {
            Some(drawn) => Ok(drawn),
            // Who has just started is given time to look: a restart changes no cap (power.md, rule 5).
            None if rack.kept.lent.contains_key(&node.name) && now.since(started) < stale => Ok(Power::ZERO),
            None => Err("nobody tells what it draws".to_owned()),
        }
    }

    /// Whether one of those who could borrow what this node leaves has nothing.
    ///
    /// # Errors
    /// There are none.
    fn asked_beside(&self, node: &NodeConfig) -> Result<bool, String> {
        let mine = above(&self.rack.config, &node.domain);
        let beside = |borrower: &&Borrower<'_>| {
            borrower.node != node.name && borrower.through.iter().any(|name| mine.contains(name))
        };
        let mut borrowers = self.borrowers.iter().filter(beside).peekable();
        if borrowers.peek().is_none() {
            return Err("nobody who could borrow asks for revocable watts".to_owned());
        }
        Ok(borrowers.any(|borrower| !borrower.has))
    }

    /// How lending goes at the node of a claim; `None` where the claim is not lendable, or where nobody ever measured what its node draws.
    pub fn lending(&self, claim: &Claim) -> Option<Lending> {
        let (rack, now) = (self.rack, self.now);
        let node = claim.draws_on().and_then(|name| rack.config.node(name))?;
        let domain = rack.config.domain(&node.domain).filter(|_| claim.lendable)?;
        let draws = &rack.sight.nodes.get(&node.name)?.draws;
        let (drawn_watts, drawn_at) = draws.told()?;
        let is_lent = rack.kept.lent.contains_key(&node.name);
        Some(Lending {
            lent_watts: lent_of(rack, claim, node),
            drawn_watts,
            drawn_at,
            peak_watts: draws.peak(now, domain.lend.window, stale_after(rack, node)),
            window_seconds: domain.lend.window.as_secs(),
            take_back_millis: take_back(rack, node)
                .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            recalled_at: rack.kept.recalled.get(&node.name).copied(),
            reason: (!is_lent).then(|| self.may_lend(node).err()).flatten(),
        })
    }
}

fn part_below(cap: Power) -> Power {
    cap.saturating_sub(Power::from_milliwatts(cap.milliwatts() / NEAR))
}

/// A peak and the margin above it, in whole watts.
fn above_peak(peak: Power, margin_ppm: u32) -> Power {
    let whole = peak.saturating_add(peak.share(margin_ppm.min(PPM)));
    let watts = whole.milliwatts().div_ceil(1_000);
    Power::from_milliwatts(watts.saturating_mul(1_000))
}

fn lenders_on<'a>(rack: &'a Rack, node: &NodeConfig) -> impl Iterator<Item = &'a Claim> {
    let claims = rack.kept.claims.values();
    claims.filter(|claim| claim.lendable && claim.draws_on() == Some(node.name.as_str()))
}

/// What of its node's lent watts is of this claim: whoever comes last in rank lends first.
fn lent_of(rack: &Rack, claim: &Claim, node: &NodeConfig) -> Power {
    let lent = rack
        .kept
        .lent
        .get(&node.name)
        .map_or(Power::ZERO, |lent| lent.watts);
    let later = lenders_on(rack, node).filter(|other| other.rank() > claim.rank());
    let before: Power = later.map(|other| other.watts).sum();
    lent.saturating_sub(before).min(claim.watts)
}

/// How long it takes until a lender that needs its watts has them: its draw is told, borrowers are lowered and read back, and it is raised.
/// What was measured of the last two counts, where that was longer. `None` before any agent was timed.
fn take_back(rack: &Rack, node: &NodeConfig) -> Option<Duration> {
    let (lowered, _) = rack.kept.slowest_lowering?;
    let returned = rack.kept.slowest_return.map_or(Duration::ZERO, |(took, _)| took);
    Some(poll_of(rack, node).saturating_add(lowered.saturating_mul(2).max(returned)))
}

/// What lendable claims of a domain and below it lend; `None` where no claim there is lendable.
pub fn lent(rack: &Rack, domain: &str) -> Option<Power> {
    let within = super::below(&rack.config, domain);
    let claims = rack.kept.claims.values();
    let mut lendable = claims.filter(|claim| claim.lendable && within.contains(claim.domain.as_str()));
    lendable.next()?;
    let lent = rack.kept.lent.iter();
    let mine = lent.filter(|(name, _)| {
        let node = rack.config.node(name);
        node.is_some_and(|node| within.contains(node.domain.as_str()))
    });
    Some(mine.map(|(_, lent)| lent.watts).sum())
}
