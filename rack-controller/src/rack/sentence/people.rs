//! Sentences of swaps, of doubts that somebody knows, and of pauses.

use super::super::person::{Known, Pause, Scope, SwapChange, SwapTurn};
use facts::Identity;

/// The kind of a swap's event.
pub(super) const fn swap_kind(turn: &SwapTurn) -> &'static str {
    match turn {
        SwapTurn::Begun { .. } => "swap_begun",
        SwapTurn::WentOn => "swap_went_on",
        SwapTurn::Accepted => "swap_part_accepted",
        SwapTurn::Stopped(_) => "swap_stopped",
        SwapTurn::Ended(end) if end.done => "swap_done",
        SwapTurn::Ended(_) => "swap_given_up",
    }
}

/// What a swap's event says.
pub(super) fn swap(change: &SwapChange) -> String {
    let name = format!("the swap of {} ({})", change.label, change.place);
    match &change.turn {
        SwapTurn::Begun { swap } => format!("{name} began: {} is to be replaced", part(swap.before.as_ref())),
        SwapTurn::WentOn => format!("{name} goes on"),
        SwapTurn::Accepted => format!("{name} goes on with the part that came, whatever it is"),
        SwapTurn::Stopped(stop) => format!("{name} was stopped: {}", stop.why),
        SwapTurn::Ended(end) if end.done => format!("{name} is done: {}", end.why),
        SwapTurn::Ended(end) => format!("{name} came to nothing: {}", end.why),
    }
}

/// A part in as many words as are known of it.
pub(crate) fn part(part: Option<&Identity>) -> String {
    let Some(part) = part else {
        return "a part that nobody saw".to_owned();
    };
    let serial = part.serial.as_ref().map(|serial| format!("serial {serial}"));
    let words: Vec<String> = [part.maker.clone(), part.model.clone(), serial]
        .into_iter()
        .flatten()
        .collect();
    if words.is_empty() {
        "a part that does not say what it is".to_owned()
    } else {
        words.join(" ")
    }
}

pub(super) fn known(known: &Known) -> String {
    let until = known.until.map_or_else(
        || "until it says something else".to_owned(),
        |until| format!("until {until}"),
    );
    format!("doubt {} is known {until}: {}", known.id, known.message)
}

pub(super) fn paused(pause: &Pause) -> String {
    format!(
        "paused until {}: nothing is raised, switched or lit in {}; leases go on, and whatever lowers for safety does",
        pause.until, pause.scope
    )
}

pub(super) fn resumed(place: &Scope, expired: bool) -> String {
    let why = if expired {
        "the pause's time is over"
    } else {
        "somebody asked"
    };
    format!("acting again in {place}: {why}")
}
