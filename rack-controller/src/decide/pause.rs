//! Pauses: the controller does nothing new where somebody said so. Leases, armed caps and everything that lowers for safety go on,
//! because a pause must never make a rack dark.

use std::time::Duration;

use rack_api::v1::PauseRequest;

use super::Refusal;
use super::settle::Course;
use crate::rack::event::What;
use crate::rack::person::{Pause, Scope};

/// The longest pause: a forgotten one ends within a day.
const LONGEST_PAUSE_SECONDS: u32 = 86_400;

pub(super) fn pause(next: &mut Course<'_>, request: &PauseRequest) -> Result<(), Refusal> {
    let scope = scope(next, request)?;
    if request.resume {
        if !next.rack.kept.pauses.contains_key(&scope) {
            return Err(Refusal::Conflict(format!(
                "{scope} is not paused; what is, stands in: busbar show"
            )));
        }
        next.happen(What::Resumed {
            place: scope,
            expired: false,
        });
        return Ok(());
    }
    if next.reason().is_none() {
        return Err(Refusal::BadRequest(
            "a pause without a reason; expected why, as in \"work on feed A\": it is journaled".to_owned(),
        ));
    }
    let seconds = request.for_seconds.unwrap_or_default();
    if seconds == 0 || seconds > LONGEST_PAUSE_SECONDS {
        return Err(Refusal::BadRequest(format!(
            "{seconds} seconds; expected 1 to {LONGEST_PAUSE_SECONDS} for a pause"
        )));
    }
    let pause = Pause {
        scope,
        since: next.now,
        until: next.now.after(Duration::from_secs(u64::from(seconds))),
        asked: next.asked.clone(),
    };
    next.happen(What::Paused(pause));
    Ok(())
}

fn scope(next: &Course<'_>, request: &PauseRequest) -> Result<Scope, Refusal> {
    match (&request.node, &request.domain) {
        (Some(_), Some(_)) => Err(Refusal::BadRequest(
            "a node and a domain; expected one of them, or none for the whole rack".to_owned(),
        )),
        (Some(node), None) if next.rack.config.node(node).is_none() => Err(Refusal::NotFound(format!(
            "there is no node {node:?}; see: busbar show nodes"
        ))),
        (None, Some(domain)) if next.rack.config.domain(domain).is_none() => Err(Refusal::NotFound(format!(
            "there is no domain {domain:?}; see: busbar show power"
        ))),
        (Some(node), None) => Ok(Scope::Node(node.clone())),
        (None, Some(domain)) => Ok(Scope::Domain(domain.clone())),
        (None, None) => Ok(Scope::Rack),
    }
}

/// Pauses whose time is over.
pub(super) fn pass_time(next: &mut Course<'_>) {
    let over: Vec<Scope> = next
        .rack
        .kept
        .pauses
        .values()
        .filter(|pause| pause.until <= next.now)
        .map(|pause| pause.scope.clone())
        .collect();
    for place in over {
        next.happen(What::Resumed { place, expired: true });
    }
}
