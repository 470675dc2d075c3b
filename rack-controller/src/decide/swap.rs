//! Swaps: one bay of a domain at a time is emptied and filled again. A wrong bay and a wrong part stop it.

use facts::{Identity, Moment, Power};
use rack_api::v1::{DrainAnswer, DrainRequest, SwapRequest};

use super::Refusal;
use super::drain::{begin, drain_answer, give_back, light, no_bay};
use super::settle::Course;
use crate::bay::{Bay, Life};
use crate::pools::power::plan;
use crate::rack::event::{Cause, What};
use crate::rack::evolve::SWAP_LIGHT;
use crate::rack::person::{Swap, SwapChange, SwapEnd, SwapStop, SwapTrouble, SwapTurn};
use crate::rack::state::Rack;

/// What a swap request is answered by the interlock, without doing it; `begun` says whether the swap would begin or go on.
///
/// # Errors
/// There is no such bay, nothing was seen of it yet, or another bay of its domain is being swapped.
pub fn swap_answer(
    rack: &Rack,
    request: &SwapRequest,
    reason: Option<&str>,
    now: Moment,
) -> Result<DrainAnswer, Refusal> {
    let place = &request.place;
    let (Some(config), Some(bay)) = (rack.config.bay(place), rack.kept.bays.get(place)) else {
        return Err(no_bay(rack, place));
    };
    let mut answer = drain_answer(rack, &drain_of(request, reason), now)?;
    if goes_on(rack, place) && !must_ask_again(rack, place) {
        answer.begun = !request.dry_run;
        return Ok(answer);
    }
    if bay.life == Life::Unseen {
        return Err(Refusal::Conflict(format!(
            "nothing was seen of {} yet, so nobody knows what is in it; wait until its BMC answers",
            config.label
        )));
    }
    let other =
        rack.config.bays.iter().find(|other| {
            other.domain == config.domain && other.place != *place && goes_on(rack, &other.place)
        });
    if let Some(other) = other {
        return Err(Refusal::Conflict(format!(
            "{} ({}) is being swapped; one bay of {} at a time, so that only one is lit: finish it, or \
             busbar swap {} --cancel",
            other.label, other.place, config.domain, other.place
        )));
    }
    Ok(answer)
}

fn drain_of(request: &SwapRequest, reason: Option<&str>) -> DrainRequest {
    DrainRequest {
        place: request.place.clone(),
        dry_run: request.dry_run,
        exposed: request.exposed,
        force: request.force,
        reason: reason.map(str::to_owned),
        ..DrainRequest::default()
    }
}

/// Whether a swap of this bay is under way.
fn goes_on(rack: &Rack, place: &str) -> bool {
    rack.kept.swaps.get(place).is_some_and(Swap::is_open)
}

/// Whether a swap that is under way must pass the interlock again: the wrong bay was pulled, so this one went back to service.
fn must_ask_again(rack: &Rack, place: &str) -> bool {
    let bay = rack.kept.bays.get(place);
    let waits = |swap: &Swap| swap.emptied.is_none();
    rack.kept.swaps.get(place).is_some_and(waits) && bay.is_some_and(|bay| bay.life.leaving().is_none())
}

pub(super) fn swap(next: &mut Course<'_>, request: &SwapRequest) -> Result<(), Refusal> {
    let place = &request.place;
    if request.cancel {
        return cancel(next, request);
    }
    let reason = next.reason();
    let answer = swap_answer(&next.rack, request, reason.as_deref(), next.now)?;
    let Some(bay) = next.rack.kept.bays.get(place).cloned() else {
        return Err(no_bay(&next.rack, place));
    };
    if !answer.begun {
        return if request.dry_run {
            Ok(())
        } else {
            Err(Refusal::Interlock(Box::new(answer)))
        };
    }
    if request.accept_part {
        return accept(next, place, &bay);
    }
    if !goes_on(&next.rack, place) {
        turn(
            next,
            place,
            SwapTurn::Begun {
                swap: Box::new(begun(next, &bay)),
            },
        );
    } else if next.rack.kept.swaps.get(place).is_some_and(|swap| {
        let stop = swap.stopped.as_ref();
        stop.is_some_and(|stop| stop.kind == SwapTrouble::WrongBay)
    }) {
        turn(next, place, SwapTurn::WentOn);
    }
    let waits = next
        .rack
        .kept
        .swaps
        .get(place)
        .is_some_and(|swap| swap.emptied.is_none());
    if waits || bay.life == Life::Empty {
        begin(next, &drain_of(request, reason.as_deref()), &answer, &bay);
    }
    Ok(())
}

/// A swap from now on. An empty bay only waits for its part.
fn begun(next: &Course<'_>, bay: &Bay) -> Swap {
    let is_empty = bay.life == Life::Empty;
    Swap {
        began: next.now,
        asked: next.asked.clone(),
        before: bay.part.clone().or_else(|| bay.last_part.clone()),
        rated: bay.rated,
        emptied: is_empty.then_some(next.now),
        accepts_any: false,
        watched_from: next.now,
        stopped: None,
        ended: None,
    }
}

fn turn(next: &mut Course<'_>, place: &str, turn: SwapTurn) {
    let change = SwapChange {
        place: place.to_owned(),
        label: next.label(place),
        turn,
    };
    next.happen(What::SwapChanged(Box::new(change)));
}

fn cancel(next: &mut Course<'_>, request: &SwapRequest) -> Result<(), Refusal> {
    let place = &request.place;
    if next.rack.config.bay(place).is_none() {
        return Err(no_bay(&next.rack, place));
    }
    if !goes_on(&next.rack, place) {
        return Err(Refusal::Conflict(format!(
            "{} is not being swapped; there is nothing to give up",
            next.label(place)
        )));
    }
    if request.dry_run {
        return Ok(());
    }
    give_back(next, place);
    let why = "given up by whoever asked".to_owned();
    end(next, place, false, why);
    Ok(())
}

/// Nobody looks for the bay any more.
fn dark(next: &mut Course<'_>, place: &str) {
    if next.rack.kept.located.contains_key(place) {
        let label = next.label(place);
        next.happen(What::LocateEnded {
            place: place.to_owned(),
            label,
        });
    }
}

fn end(next: &mut Course<'_>, place: &str, done: bool, why: String) {
    dark(next, place);
    let at = next.now;
    turn(next, place, SwapTurn::Ended(SwapEnd { done, why, at }));
}

/// The part that was stopped is taken: it settles and goes on trial.
fn accept(next: &mut Course<'_>, place: &str, bay: &Bay) -> Result<(), Refusal> {
    let stopped = next
        .rack
        .kept
        .swaps
        .get(place)
        .and_then(|swap| swap.stopped.as_ref());
    let is_wrong_part = stopped.is_some_and(|stop| stop.kind == SwapTrouble::WrongPart);
    let rules = plan::rules(&next.rack, place).filter(|_| is_wrong_part);
    let Some(rules) = rules else {
        return Err(Refusal::Conflict(format!(
            "no wrong part was stopped in {}; there is nothing to accept",
            next.label(place)
        )));
    };
    let taken = bay.taken(next.now, &rules);
    dark(next, place);
    turn(next, place, SwapTurn::Accepted);
    next.bay(place, taken, Cause::Accepted);
    Ok(())
}

/// What follows for swaps from what happened so far.
pub(super) fn pass_time(next: &mut Course<'_>) {
    let open: Vec<String> = next
        .rack
        .kept
        .swaps
        .iter()
        .filter(|(_, swap)| swap.is_open())
        .map(|(place, _)| place.clone())
        .collect();
    for place in open {
        let (Some(swap), Some(bay)) = (
            next.rack.kept.swaps.get(&place).cloned(),
            next.rack.kept.bays.get(&place).cloned(),
        ) else {
            continue;
        };
        match swap.emptied {
            None => before_the_pull(next, &place, &swap, &bay),
            Some(emptied) => after_the_pull(next, &place, &swap, &bay, emptied),
        }
    }
}

fn before_the_pull(next: &mut Course<'_>, place: &str, swap: &Swap, bay: &Bay) {
    if swap.stopped.is_some() {
        return;
    }
    let wrong = another_bay(next, place, |other| {
        other.life == Life::Empty && other.lost_at == Some(other.since) && other.since >= swap.watched_from
    });
    if let Some((wrong, label)) = wrong {
        let meant = next.label(place);
        // Its watts are needed now that another supply is gone.
        give_back(next, place);
        let why = format!(
            "{label} ({wrong}) was pulled, and {meant} ({place}) was meant: put it back into {label}, which is lit; {meant} is back \
             in service"
        );
        turn(next, place, stopped(SwapTrouble::WrongBay, why));
        let until = next.now.after(SWAP_LIGHT);
        light(next, &wrong, until);
    } else if bay.life.leaving().is_none() {
        let why = "it was not pulled, and went back".to_owned();
        end(next, place, false, why);
    }
}

fn after_the_pull(next: &mut Course<'_>, place: &str, swap: &Swap, bay: &Bay, emptied: Moment) {
    let is_in = matches!(
        bay.life,
        Life::Settling { .. } | Life::Probation { .. } | Life::InService
    );
    if is_in && let Some(wrong) = wrong_part(swap, bay) {
        let label = next.label(place);
        next.bay(place, bay.refused(next.now, &wrong), Cause::WrongPart);
        let why = format!("{wrong}: pull it out of {label} again, or take it with --accept-part");
        turn(next, place, stopped(SwapTrouble::WrongPart, why));
        let until = next.now.after(SWAP_LIGHT);
        light(next, place, until);
    } else if bay.life == Life::InService {
        let why = came_back(swap, bay);
        end(next, place, true, why);
    } else if bay.life == Life::Empty && swap.stopped.is_none() {
        if emptied == next.now && !next.rack.kept.located.contains_key(place) {
            // The wrong part is out again: the light shows where the right one goes.
            let until = next.now.after(SWAP_LIGHT);
            light(next, place, until);
        }
        let since = emptied.max(swap.watched_from);
        let wrong = another_bay(next, place, |other| {
            matches!(other.life, Life::Settling { .. }) && other.since >= since
        });
        if let Some((wrong, label)) = wrong {
            let meant = next.label(place);
            let why = format!(
                "a part was put into {label} ({wrong}), and {meant} ({place}) is the empty bay that is lit"
            );
            turn(next, place, stopped(SwapTrouble::WrongBay, why));
        }
    }
}

const fn stopped(kind: SwapTrouble, why: String) -> SwapTurn {
    SwapTurn::Stopped(SwapStop { kind, why })
}

/// Another bay of the same domain of which this is true: its place and its label.
fn another_bay(next: &Course<'_>, place: &str, is: impl Fn(&Bay) -> bool) -> Option<(String, String)> {
    let rack = &next.rack;
    let domain = &rack.config.bay(place)?.domain;
    let found = rack.config.bays.iter().find(|other| {
        let bay = rack.kept.bays.get(&other.place);
        other.place != place && other.domain == *domain && bay.is_some_and(&is)
    })?;
    Some((found.place.clone(), found.label.clone()))
}

/// Why the part in the bay is not one that was expected; `None` where it is, or where nothing tells.
fn wrong_part(swap: &Swap, bay: &Bay) -> Option<String> {
    if swap.accepts_any {
        return None;
    }
    let (part, before) = (bay.part.as_ref()?, swap.before.as_ref());
    let differs = |of: fn(&Identity) -> Option<&String>, what: &str| {
        let (came, was) = (of(part)?, of(before?)?);
        (came != was).then(|| format!("the part that came has the {what} {came:?}, expected {was:?}"))
    };
    let weaker = || {
        let (came, was) = (bay.rated?, swap.rated?);
        (came < was).then(|| {
            let lost: Power = was.saturating_sub(came);
            format!("the part that came delivers {came}, expected {was}: {lost} too little")
        })
    };
    differs(|part| part.maker.as_ref(), "maker")
        .or_else(|| differs(|part| part.model.as_ref(), "model"))
        .or_else(weaker)
}

fn came_back(swap: &Swap, bay: &Bay) -> String {
    let serial = |part: Option<&Identity>| part.and_then(|part| part.serial.clone());
    match (serial(swap.before.as_ref()), serial(bay.part.as_ref())) {
        (Some(was), Some(is)) if was == is => format!("the same part is back, serial {is}"),
        (Some(was), Some(is)) => format!("serial {was} was replaced by serial {is}"),
        (_, Some(is)) => format!("serial {is} is in service"),
        (_, None) => "a part is in service".to_owned(),
    }
}
