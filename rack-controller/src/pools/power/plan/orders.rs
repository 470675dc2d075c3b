//! Which caps are ordered next: whoever gets less is ordered so at once; whoever gets more waits until the sums bear it with every cap
//! that may still be in force (power.md, rules 1 to 4 and 6).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::DomainState;

use super::ByName;
use super::ration::{Rations, rations};
use super::standing::{above, below, kept, standing, without_failing_feeds};
use super::sums::{Sums, ride_limit_of};
use super::uncapped::{at_most, is_coming, is_known, is_off, only_refuses};
use crate::config::{DomainConfig, NodeConfig};
use crate::rack::order::{NodeOrder, Order, at_level};
use crate::rack::state::Rack;

/// No server boots and takes up its load again sooner than this; a node that is silent for longer may be uncapped.
pub const REBOOTS: Duration = Duration::from_secs(20);

/// What one node counts with: never less than what may be in force there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its cap now.
    pub cap: Power,
    /// Its cap after the next covered loss.
    pub next: Power,
    /// Why it counts with more than was ordered.
    pub reason: Option<String>,
}

/// What a node counts with whose agent holds its caps.
pub fn counted(rack: &Rack, node: &NodeConfig, now: Moment) -> Counted {
    let whole = |cap: Power, why: &str| Counted {
        cap,
        next: cap,
        reason: Some(why.to_owned()),
    };
    let seen = rack.sight.nodes.get(&node.name);
    if is_off(rack, node) {
        return whole(Power::ZERO, "it is off");
    }
    let Some(order) = rack.kept.orders.get(&node.name) else {
        return whole(node.max_draw, "it was never capped");
    };
    let may = order.may.max(order.cap);
    let lease = seen.and_then(|seen| seen.lease.as_ref());
    if is_coming(rack, node) && lease.is_none_or(|lease| lease.silent_since.is_some()) {
        return whole(
            node.max_draw,
            "it is being switched on, and its agent has not answered yet",
        );
    }
    let Some(lease) = lease else {
        return whole(may, "its agent has not answered since this controller started");
    };
    if only_refuses(lease) {
        return whole(
            node.max_draw,
            "its agent has only refused since this controller started",
        );
    }
    if let Some(since) = lease.silent_since {
        // A controller that started a moment ago does not know for how long an agent has been silent that it has never heard.
        let never_heard = lease.answered == 0;
        return if never_heard || now.since(since) >= REBOOTS {
            whole(
                node.max_draw,
                "its agent has not answered for so long that it may have booted uncapped",
            )
        } else {
            whole(
                may,
                "its agent does not answer: what was armed there may never be obeyed",
            )
        };
    }
    if lease.answered != order.number {
        return Counted {
            cap: may,
            next: at_level(&order.may_levels, 1, may).max(order.level(1)),
            reason: Some("its agent has not answered the last order yet".to_owned()),
        };
    }
    match lease.in_force.filter(|_| lease.applied) {
        Some(in_force) => Counted {
            cap: in_force.max(order.cap),
            next: order.level(1),
            reason: None,
        },
        None => {
            let why = lease.reason.as_deref().unwrap_or("it was not read back");
            whole(node.max_draw, &format!("its cap is not in force: {why}"))
        }
    }
}

/// What all caps in force may be together: what is ridden after the next loss, or only what survives it where nobody has accepted that
/// a silent rack goes on drawing them (power.md, rules 3 and 6).
fn most_in_force(domain: &DomainConfig, sums: &Sums) -> Power {
    let ride = ride_limit_of(sums.surviving, sums.installed, domain.overload_factor_ppm);
    if domain.accept_silence {
        ride
    } else {
        ride.min(sums.surviving)
    }
}

/// The sums of one domain that orders must keep.
pub(super) struct Room {
    /// Everything that counts now.
    now: Power,
    /// Everything that counts after the next covered loss.
    next: Power,
    /// What `now` may be at most.
    most_now: Power,
    /// What `next` may be at most.
    most_next: Power,
    /// Whether more may be given at all: supplies are seen, and so is every node since this controller started (power.md, dark start).
    may_grow: bool,
}

impl Room {
    pub(super) fn of(rack: &Rack, domain: &DomainConfig, now: Moment) -> Option<Room> {
        let mut sums = standing(rack, &domain.name)?;
        if let Some(left) = without_failing_feeds(rack, domain, &sums) {
            sums.surviving = sums.surviving.min(left);
        }
        let within = below(&rack.config, &domain.name);
        let mut room = Room {
            now: Power::ZERO,
            next: Power::ZERO,
            most_now: kept(domain).firm(most_in_force(domain, &sums)),
            most_next: kept(domain).firm(sums.surviving),
            // In a deficit too: what is served by rank fits what is installed, and that bounds every raise.
            may_grow: sums.state != DomainState::Blind,
        };
        for node in &rack.config.nodes {
            if !within.contains(node.domain.as_str()) {
                continue;
            }
            let (cap, next) = if node.rest.is_some() {
                room.may_grow &= is_known(rack, node);
                let counted = counted(rack, node, now);
                (counted.cap, counted.next)
            } else {
                // A BMC's limit is too slow for a loss: it counts the same before and after.
                let most = at_most(rack, node, now);
                (most, most)
            };
            room.now = room.now.saturating_add(cap);
            room.next = room.next.saturating_add(next);
        }
        Some(room)
    }

    /// Whether a node may go from one pair of caps to another; `rises` says which of both is ordered higher than it stands. Whoever counts
    /// with more than its order, because nobody knows what it draws, is not raised on that account (power.md, rule 10).
    pub(super) fn bears(&self, from: (Power, Power), to: (Power, Power), rises: (bool, bool)) -> bool {
        let after = |whole: Power, from: Power, to: Power| whole.saturating_sub(from).saturating_add(to);
        let now = after(self.now, from.0, to.0);
        let next = after(self.next, from.1, to.1);
        self.may_grow && (now <= self.most_now || !rises.0) && (next <= self.most_next || !rises.1)
    }

    fn take(&mut self, from: (Power, Power), to: (Power, Power)) {
        self.now = self.now.saturating_sub(from.0).saturating_add(to.0);
        self.next = self.next.saturating_sub(from.1).saturating_add(to.1);
    }
}

/// The orders that should be given now, and who has what by them and by those that stand.
pub fn orders(rack: &Rack, now: Moment) -> (Vec<NodeOrder>, Rations) {
    let mut rations = rations(rack, now);
    let mut given = Vec::new();
    if rations.caps.is_empty() {
        return (given, rations);
    }
    let mut rooms: BTreeMap<&str, Room> = BTreeMap::new();
    for domain in &rack.config.domains {
        if let Some(room) = Room::of(rack, domain, now) {
            rooms.insert(domain.name.as_str(), room);
        }
    }
    // A controller that forgot what it promised must not raise (rule 13).
    let remembers = rack
        .sight
        .nodes
        .values()
        .all(|node| node.lease.as_ref().is_none_or(|lease| lease.ahead.is_none()));
    for (node, (cap, levels)) in by_rank(rack, &rations) {
        if let Some(order) = next_order(rack, node, *cap, levels, now, |from, to, rises| {
            let through = above(&rack.config, &node.domain);
            let mine = |rooms: &BTreeMap<&str, Room>| {
                through
                    .iter()
                    .all(|name| rooms.get(name).is_some_and(|room| room.bears(from, to, rises)))
            };
            // A pause holds back what goes up, never what goes down; and never what a node lent and is due.
            let is_held_back =
                rack.is_node_paused(&node.name, now) && !rack.kept.recalled.contains_key(&node.name);
            let bears = remembers && !is_held_back && mine(&rooms);
            if bears {
                for name in &through {
                    if let Some(room) = rooms.get_mut(name) {
                        room.take(from, to);
                    }
                }
            }
            bears
        }) {
            given.push(NodeOrder {
                node: node.name.clone(),
                order,
            });
        }
    }
    let waits = still_waiting(rack, &rations, &given);
    let claims = &rack.kept.claims;
    rations.granted.retain(|id| {
        let node = claims.get(id).and_then(|claim| claim.draws_on());
        node.is_some_and(|node| !waits.contains(node))
    });
    (given, rations)
}

/// Nodes whose cap is not ordered as high yet as it should be: who asks for revocable watts there has none.
fn still_waiting(rack: &Rack, rations: &Rations, given: &[NodeOrder]) -> BTreeSet<String> {
    let new: BTreeMap<&str, &Order> = given
        .iter()
        .map(|given| (given.node.as_str(), &given.order))
        .collect();
    let caps = rations.caps.iter();
    caps.filter(|(node, (cap, _))| {
        let order = new
            .get(node.as_str())
            .copied()
            .or_else(|| rack.kept.orders.get(*node));
        order.is_none_or(|order| order.cap < *cap)
    })
    .map(|(node, _)| node.clone())
    .collect()
}

/// Nodes with the best claims first: they are raised first.
fn by_rank<'a>(rack: &'a Rack, rations: &'a Rations) -> Vec<(&'a NodeConfig, &'a (Power, Vec<Power>))> {
    let mut best: ByName<'_, _> = ByName::default();
    for claim in rack.kept.claims.values() {
        if let Some(node) = claim.draws_on() {
            let rank = best.entry(node).or_insert_with(|| claim.rank());
            *rank = (*rank).min(claim.rank());
        }
    }
    let mut nodes: Vec<(&NodeConfig, &(Power, Vec<Power>))> = rack
        .config
        .nodes
        .iter()
        .filter_map(|node| Some((node, rations.caps.get(&node.name)?)))
        .collect();
    nodes.sort_by_key(|(node, _)| {
        let rank = best.get(node.name.as_str()).copied();
        (rank.is_none(), rank)
    });
    nodes
}

/// The next order of one node; `None` where it has the right one. What goes down goes at once, what goes up only if `bears` says so.
fn next_order(
    rack: &Rack,
    node: &NodeConfig,
    cap: Power,
    levels: &[Power],
    now: Moment,
    mut bears: impl FnMut((Power, Power), (Power, Power), (bool, bool)) -> bool,
) -> Option<Order> {
    let counted = counted(rack, node, now);
    let from = (counted.cap, counted.next);
    let Some(standing) = rack.kept.orders.get(&node.name) else {
        // Whatever the first one says is less than no cap at all.
        return Some(Order {
            number: 1,
            at: now,
            cap,
            levels: levels.to_vec(),
            may: node.max_draw,
            may_levels: vec![node.max_draw],
        });
    };
    let lease = rack
        .sight
        .nodes
        .get(&node.name)
        .and_then(|seen| seen.lease.as_ref());
    // A later number than ours: our journal forgot an order. Ours is given again under a number that the agent takes.
    let overtaken = lease
        .map(|lease| lease.answered)
        .filter(|number| *number > standing.number);
    if standing.cap == cap && standing.levels == levels && overtaken.is_none() {
        return None;
    }
    let held = |index: usize| standing.level(index.saturating_add(1));
    let each = || levels.iter().enumerate();
    let rises = (cap > standing.cap, each().any(|(index, new)| *new > held(index)));
    let grows = rises.0 || rises.1;
    let shrinks = cap < standing.cap || each().any(|(index, new)| *new < held(index));
    // Until the agent has answered, the old caps count beside the new ones.
    let both = (from.0.max(cap), from.1.max(at_level(levels, 1, cap)));
    // What goes down is ordered alone, because it must not wait for the journal as what goes up does.
    let (cap, levels) = if !grows || (!shrinks && bears(from, both, rises)) {
        (cap, levels.to_vec())
    } else {
        let lower = each().map(|(index, new)| (*new).min(held(index)));
        (cap.min(standing.cap), lower.collect())
    };
    if standing.cap == cap && standing.levels == levels && overtaken.is_none() {
        return None;
    }
    let may_level = |index: usize| {
        let level = index.saturating_add(1);
        let is_answered = counted.reason.is_none();
        let before = if is_answered {
            standing.level(level)
        } else {
            at_level(&standing.may_levels, level, counted.next).max(counted.next)
        };
        before.max(at_level(&levels, level, cap))
    };
    Some(Order {
        number: overtaken.unwrap_or(standing.number).saturating_add(1),
        at: now,
        cap,
        may: counted.cap.max(cap),
        may_levels: (0..levels.len().max(1)).map(may_level).collect(),
        levels,
    })
}

/// Which of the rules 1 to 3 a domain's caps break now, in words; for the view and the simulator.
pub fn broken(rack: &Rack, domain: &str, now: Moment) -> Vec<String> {
    let Some((config, sums)) = rack.config.domain(domain).zip(standing(rack, domain)) else {
        return Vec::new();
    };
    let Some(room) = Room::of(rack, config, now) else {
        return Vec::new();
    };
    let now = room.now.saturating_add(config.fixed_load);
    let next = room.next.saturating_add(config.fixed_load);
    let ride = ride_limit_of(sums.surviving, sums.installed, config.overload_factor_ppm);
    [
        (now, sums.installed, "caps in force exceed what is installed"),
        (
            next,
            sums.surviving,
            "armed caps exceed what survives the next loss",
        ),
        (
            now,
            ride,
            "caps in force exceed what is ridden after the next loss",
        ),
    ]
    .into_iter()
    .filter(|(sum, most, _)| sum > most)
    .map(|(sum, most, words)| format!("{domain}: {words} ({sum} > {most})"))
    .collect()
}
