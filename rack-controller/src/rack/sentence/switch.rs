//! Sentences of nodes that are switched off and on.

use crate::rack::action::SwitchTo;
use crate::rack::switch::{SwitchChange, SwitchTurn};

/// The kind of a switching's event.
pub(super) const fn kind(turn: &SwitchTurn) -> &'static str {
    match turn {
        SwitchTurn::Shed { .. } => "node_shed",
        SwitchTurn::Spared => "node_spared",
        SwitchTurn::IsOff => "node_switched_off",
        SwitchTurn::Asked => "node_power_asked",
        SwitchTurn::GoesOn { .. } => "node_goes_on",
        SwitchTurn::IsUp { .. } => "node_is_up",
        SwitchTurn::GivenUp { .. } => "node_given_up",
    }
}

/// What a switching's event says.
pub(super) fn message(change: &SwitchChange) -> String {
    let node = &change.node;
    match &change.turn {
        SwitchTurn::Shed {
            domain,
            missing,
            frees,
        } => format!(
            "{node} shall be off: what the nodes of {domain} draw at the least exceeds what is installed by {missing}; it counts with \
             {frees}, is the last in rank and has allow_power_off"
        ),
        SwitchTurn::Spared => format!("{node} need not go off any more, and is on"),
        SwitchTurn::IsOff => format!("{node} is off: switched off at its BMC, read back"),
        SwitchTurn::Asked => format!("{node} shall be on, when all that it can draw fits and it is its turn"),
        SwitchTurn::GoesOn { max_draw } => format!("{node} is switched on: {max_draw} fit"),
        SwitchTurn::IsUp { how } => format!("{node} is up: {how}"),
        SwitchTurn::GivenUp { why } => format!("{node} is not waited for any more: {why}"),
    }
}

/// What switching a node would do, as in `would switch off n04 at its BMC`.
pub(super) fn words(node: &str, to: SwitchTo) -> String {
    match to {
        SwitchTo::ShutDown => format!("ask the operating system of {node} to end"),
        SwitchTo::Off => format!("switch off {node} at its BMC"),
        SwitchTo::On => format!("switch on {node} at its BMC"),
    }
}
