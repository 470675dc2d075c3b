//! The drill: whether a node's cap bites, shown under load and measured at the node's input.
//!
//! First the node may draw what its load wants, until its BMC tells more than the cap that is to be shown. Then that cap is ordered, and
//! after the limiter's window the BMC must tell no more than it. The cap is the one that a loss leaves the node with, so that no firm
//! watt is taken by the drill.

use std::time::Duration;

use facts::{Moment, Power};

use super::Refusal;
use super::settle::Course;
use crate::config::NodeConfig;
use crate::pools::power::plan;
use crate::rack::event::What;
use crate::rack::sight::{Drill, DrillPhase};
use crate::rack::state::{Proof, Rack};

/// The limiter's window and the meter's: a reading sooner after an order shows nothing.
const SETTLES: Duration = Duration::from_secs(3);
/// How long each half may take: a BMC is read every 5 s, and slower where it answers slowly.
const PATIENCE: Duration = Duration::from_secs(60);
/// The error of a node's meter, in parts per million: 5 %.
const METER_PPM: u32 = 50_000;
/// How much more than the cap the load must draw: twice the meter's error, in parts per million.
const LOAD_PPM: u32 = 100_000;
/// How long a node may be told to draw more than its cap until the cap is not believed any more.
const OVER_FOR: Duration = Duration::from_secs(10);

fn plus(watts: Power, ppm: u32) -> Power {
    watts.saturating_add(watts.share(ppm))
}

/// Begins a drill.
///
/// # Errors
/// Nothing could be shown now, and why.
pub(super) fn begin(next: &mut Course<'_>, name: &str) -> Result<(), Refusal> {
    let rack = &next.rack;
    let Some(node) = rack.config.node(name) else {
        let names: Vec<&str> = rack.config.nodes.iter().map(|node| node.name.as_str()).collect();
        return Err(Refusal::NotFound(format!(
            "there is no node \"{name}\"; expected one of: {}",
            names.join(", ")
        )));
    };
    if let Some(why) = why_not(rack, node, next.now) {
        return Err(Refusal::Conflict(why));
    }
    let drill = Drill {
        node: name.to_owned(),
        cap: plan::firm_of(rack, node),
        since: next.now,
        phase: DrillPhase::Loading,
    };
    next.happen(What::DrillSeen(Some(drill)));
    Ok(())
}

fn why_not(rack: &Rack, node: &NodeConfig, now: Moment) -> Option<String> {
    let name = &node.name;
    if rack.is_node_paused(name, now) {
        return Some(format!(
            "{name} is paused, and a drill lets it draw more; expected: busbar resume"
        ));
    }
    if let Some(drill) = &rack.sight.drill {
        return Some(format!("a drill of {} is under way; one at a time", drill.node));
    }
    if node.rest.is_none() {
        return Some(format!(
            "the caps of {name} are not held by its agent; expected rest_watts in its [[node]]"
        ));
    }
    let seen = rack.sight.nodes.get(name);
    if !seen
        .and_then(|seen| seen.lease.as_ref())
        .is_some_and(|lease| lease.applied)
    {
        let why = plan::counted(rack, node, now).reason;
        let why = why.unwrap_or_else(|| "its agent has not answered yet".to_owned());
        return Some(format!("{name} holds no cap of ours now: {why}"));
    }
    let measured = seen
        .and_then(|seen| seen.bmc.as_ref())
        .and_then(|bmc| bmc.drawn.value());
    if measured.is_none() {
        return Some(format!(
            "nobody measures what {name} draws at its input; expected a BMC that tells it"
        ));
    }
    None
}

/// A node's BMC told what it draws: a drill goes on by it, and a cap that was believed may be doubted.
pub(super) fn measured(next: &mut Course<'_>, name: &str, drawn: Option<Power>) {
    let Some(drawn) = drawn else { return };
    let now = next.now;
    match next.rack.sight.drill.clone().filter(|drill| drill.node == name) {
        Some(drill) => go_on(next, drill, drawn),
        None => doubt(next, name, drawn, now),
    }
}

fn go_on(next: &mut Course<'_>, drill: Drill, drawn: Power) {
    if next.now.since(drill.since) < SETTLES {
        return;
    }
    match drill.phase {
        DrillPhase::Loading => {
            if drawn >= plus(drill.cap, LOAD_PPM) {
                let phase = DrillPhase::Capped { before: drawn };
                let since = next.now;
                next.happen(What::DrillSeen(Some(Drill {
                    phase,
                    since,
                    ..drill
                })));
            }
        }
        DrillPhase::Capped { before } => {
            let applied = next.rack.config.node(&drill.node).is_some_and(|node| {
                let counted = plan::counted(&next.rack, node, next.now);
                counted.reason.is_none() && counted.cap <= drill.cap
            });
            if applied && drawn <= plus(drill.cap, METER_PPM) {
                let proof = Proof {
                    cap: drill.cap,
                    before,
                    under: drawn,
                    at: next.now,
                };
                next.happen(What::DrillSeen(None));
                next.happen(What::CapProven {
                    node: drill.node,
                    proof,
                });
            }
        }
    }
}

/// A drill whose time is over: there was no load, or the cap is not to be believed.
pub(super) fn pass_time(next: &mut Course<'_>) {
    let Some(drill) = next.rack.sight.drill.clone() else {
        return;
    };
    if next.now.since(drill.since) < PATIENCE {
        return;
    }
    next.happen(What::DrillSeen(None));
    let node = drill.node;
    next.happen(match drill.phase {
        // An idle node keeps what an earlier drill showed.
        DrillPhase::Loading => What::DrillShowedNothing {
            node,
            reason: format!(
                "its load never drew more than {}; put load on it and try again",
                plus(drill.cap, LOAD_PPM)
            ),
        },
        DrillPhase::Capped { before } => What::CapDoubted {
            node,
            reason: format!(
                "in a drill it drew {before}, and {} s after it was capped at {} still more than that",
                PATIENCE.as_secs(),
                drill.cap
            ),
        },
    });
}

/// A node that draws more than its cap allows for too long.
fn doubt(next: &mut Course<'_>, name: &str, drawn: Power, now: Moment) {
    let Some(node) = next.rack.config.node(name).cloned() else {
        return;
    };
    let rack = &next.rack;
    let (Some(order), true) = (
        rack.kept.orders.get(name),
        rack.kept.proofs.contains_key(name) && plan::counted(rack, &node, now).reason.is_none(),
    ) else {
        return;
    };
    let is_over = drawn > plus(order.cap, METER_PPM) && now.since(order.at) >= SETTLES;
    let since = rack.sight.nodes.get(name).and_then(|seen| seen.over_since);
    match (is_over, since) {
        (false, None) => {}
        (false, Some(_)) => next.happen(What::OverSeen {
            node: name.to_owned(),
            since: None,
        }),
        (true, None) => next.happen(What::OverSeen {
            node: name.to_owned(),
            since: Some(now),
        }),
        (true, Some(since)) if now.since(since) >= OVER_FOR => {
            let reason = format!("it draws {drawn} under a cap of {}", order.cap);
            next.happen(What::OverSeen {
                node: name.to_owned(),
                since: None,
            });
            next.happen(What::CapDoubted {
                node: name.to_owned(),
                reason,
            });
        }
        (true, Some(_)) => {}
    }
}
