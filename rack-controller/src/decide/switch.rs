//! Nodes are switched off as the last shed, and on one after the other (power.md, rule 9 and the dark start).

use std::collections::BTreeSet;
use std::time::Duration;

use super::Refusal;
use super::settle::Course;
use crate::config::NodeConfig;
use crate::pools::power::plan;
use crate::rack::event::What;
use crate::rack::state::Rack;
use crate::rack::switch::{SwitchChange, SwitchTurn, Wanted};

/// How long a node that was switched on is waited for: the slowest recorded servers need 8 minutes to boot.
const BOOT_PATIENCE: Duration = Duration::from_secs(600);

fn turn(next: &mut Course<'_>, node: &str, turn: SwitchTurn) {
    let node = node.to_owned();
    next.happen(What::SwitchChanged(Box::new(SwitchChange { node, turn })));
}

/// Whoever came up is done, whoever must go off is told so, and the next comes on.
pub(super) fn pass_time(next: &mut Course<'_>) {
    if !next.rack.config.switches_nodes() {
        return;
    }
    come_up(next);
    while let Some(shed) = plan::next_off(&next.rack, next.now, &BTreeSet::new()) {
        let plan::Shed {
            node,
            domain,
            missing,
            frees,
        } = shed;
        let shed = SwitchTurn::Shed {
            domain,
            missing,
            frees,
        };
        turn(next, &node, shed);
    }
    let first = plan::next_on(&next.rack, next.now);
    if let Some((node, max_draw)) = first.map(|node| (node.name.clone(), node.max_draw)) {
        turn(next, &node, SwitchTurn::GoesOn { max_draw });
    }
}

fn come_up(next: &mut Course<'_>) {
    let standing: Vec<(String, Wanted, bool)> = next
        .rack
        .kept
        .switches
        .iter()
        .map(|(node, switch)| {
            let is_late = next.now.since(switch.since) >= BOOT_PATIENCE;
            (node.clone(), switch.wanted, is_late)
        })
        .collect();
    for (name, wanted, is_late) in standing {
        let Some(node) = next.rack.config.node(&name).cloned() else {
            continue;
        };
        match wanted {
            Wanted::On => {
                if let Some(how) = plan::has_come_up(&next.rack, &node, next.now) {
                    turn(next, &name, SwitchTurn::IsUp { how });
                } else if is_late {
                    let minutes = BOOT_PATIENCE.as_secs() / 60;
                    let why = format!(
                        "it did not come up within {minutes} minutes; as long as it is on it counts with {}",
                        node.max_draw
                    );
                    turn(next, &name, SwitchTurn::GivenUp { why });
                }
            }
            Wanted::Off if plan::is_spared(&next.rack, &node) => turn(next, &name, SwitchTurn::Spared),
            Wanted::Off | Wanted::Waits => {}
        }
    }
}

/// Somebody wants a node on: it is, as soon as all that it can draw fits and those before it are up.
///
/// # Errors
/// It is on, cannot be seen, may be another machine, or the mode forbids it.
pub(super) fn ask_on(next: &mut Course<'_>, name: &str) -> Result<(), Refusal> {
    let node = checked(&next.rack, name)?;
    let asked = match next.rack.kept.switches.get(name).map(|switch| switch.wanted) {
        Some(Wanted::Waits | Wanted::On | Wanted::Off) => false,
        None => true,
    };
    let name = node.name.clone();
    if asked {
        turn(next, &name, SwitchTurn::Asked);
    }
    Ok(())
}

fn checked<'a>(rack: &'a Rack, name: &str) -> Result<&'a NodeConfig, Refusal> {
    let Some(node) = rack.config.node(name) else {
        let names: Vec<&str> = rack.config.nodes.iter().map(|node| node.name.as_str()).collect();
        return Err(Refusal::NotFound(format!(
            "there is no node \"{name}\"; expected one of: {}",
            names.join(", ")
        )));
    };
    if !rack.config.switches_nodes() {
        return Err(Refusal::Conflict(format!(
            "the actuator node_power does not enforce, so that {name} is not switched; expected mode and node_power = \"enforce\" in rack.toml"
        )));
    }
    let seen = rack.sight.nodes.get(name).and_then(|seen| seen.bmc.as_ref());
    match seen.and_then(|bmc| bmc.powered_on) {
        _ if node.bmc.is_none() => Err(Refusal::Conflict(format!(
            "{name} has no BMC, so that nobody can switch it; expected bmc in its [[node]]"
        ))),
        None => Err(Refusal::Conflict(format!(
            "the BMC of {name} does not say whether it is on; wait until it answers"
        ))),
        Some(true) => Err(Refusal::Conflict(format!("{name} is on already"))),
        Some(false) => match plan::stranger(rack, node) {
            Some(why) => Err(Refusal::Conflict(format!("{name} is not switched: {why}"))),
            None => Ok(node),
        },
    }
}

/// How a node stands that was asked for: the sentence of the answer.
pub fn power_on_answer(rack: &Rack, name: &str) -> String {
    let before = rack
        .kept
        .switches
        .values()
        .filter(|switch| switch.wanted != Wanted::Off);
    match rack.kept.switches.get(name).map(|switch| switch.wanted) {
        Some(Wanted::On) => format!("{name} is being switched on"),
        Some(Wanted::Waits) => format!(
            "{name} waits: {} before it or beside it, and all that it can draw must fit",
            before.count().saturating_sub(1)
        ),
        Some(Wanted::Off) => {
            format!("{name} was switched off in a deficit, and comes back when all that it can draw fits")
        }
        None => format!("{name} is not switched"),
    }
}
