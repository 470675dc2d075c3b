//! Draining a bay behind the interlock, giving it back, and lighting a bay for whoever looks for it.

use std::time::Duration;

use facts::Moment;
use rack_api::v1::{DrainAnswer, DrainRequest, Interlock, LocateRequest};

use super::Refusal;
use super::settle::Course;
use crate::bay::{Bay, Life};
use crate::pools::power::plan;
use crate::rack::event::{Cause, What};
use crate::rack::evolve::SWAP_LIGHT;
use crate::rack::state::Rack;

/// How long a bay may be out of service while no redundancy is left; then it goes back by itself.
pub const LONGEST_EXPOSED: Duration = Duration::from_secs(1_800);
/// The longest light for whoever looks for a bay, and the usual one.
pub const LONGEST_LOCATE_SECONDS: u32 = 1_800;
const USUAL_LOCATE_SECONDS: u32 = 600;

/// What a drain request is answered, without doing it: `begun` says whether it would begin.
/// Whether the LED was lit is only known after the act; see [`DrainAnswer::led`].
///
/// # Errors
/// There is no such bay, or the request contradicts itself.
pub fn drain_answer(rack: &Rack, request: &DrainRequest, now: Moment) -> Result<DrainAnswer, Refusal> {
    let Some(mut answer) = plan::interlock(rack, &request.place, now) else {
        return Err(no_bay(rack, &request.place));
    };
    if request.cancel {
        return cancelled(rack, request, answer);
    }
    if request.force && request.reason.as_deref().is_none_or(|why| why.trim().is_empty()) {
        return Err(Refusal::BadRequest(
            "force without a reason; expected why, as in \"smoke\": it is journaled".to_owned(),
        ));
    }
    let confirmed = match answer.answer {
        Interlock::Yes => true,
        Interlock::YesExposed => request.exposed || request.force,
        Interlock::No => request.force,
    };
    answer.begun = confirmed && !request.dry_run;
    if confirmed && answer.answer == Interlock::YesExposed {
        let asks = answer.sentence.rfind("; ").unwrap_or(answer.sentence.len());
        answer.sentence.truncate(asks);
        answer.sentence.push_str(if request.force {
            "; forced: it stays out until it is pulled or given back"
        } else {
            "; back in service after 30 min unless it is pulled"
        });
    }
    if confirmed && answer.answer == Interlock::No {
        answer
            .sentence
            .push_str("; forced: promises are broken until it is back");
    }
    Ok(answer)
}

fn no_bay(rack: &Rack, place: &str) -> Refusal {
    let places: Vec<&str> = rack.config.bays.iter().map(|bay| bay.place.as_str()).collect();
    let by_label = rack
        .config
        .bays
        .iter()
        .find(|bay| bay.label.eq_ignore_ascii_case(place))
        .map_or(String::new(), |bay| {
            format!("; {} is the bay {}", bay.label, bay.place)
        });
    Refusal::NotFound(format!(
        "there is no bay \"{place}\"{by_label}; expected one of: {}",
        places.join(", ")
    ))
}

fn cancelled(rack: &Rack, request: &DrainRequest, answer: DrainAnswer) -> Result<DrainAnswer, Refusal> {
    let leaving = rack
        .kept
        .bays
        .get(&request.place)
        .and_then(|bay| bay.life.leaving());
    let Some(leaving) = leaving else {
        return Err(Refusal::Conflict(format!(
            "{} ({}) is not being drained; there is nothing to cancel",
            answer.label, answer.place
        )));
    };
    let way = if leaving.from_service {
        "back in service"
    } else {
        "tried again from the start"
    };
    Ok(DrainAnswer {
        answer: Interlock::Yes,
        sentence: format!("yes: {}, {way}", answer.label),
        ..answer
    })
}

pub(super) fn drain(next: &mut Course<'_>, request: &DrainRequest) -> Result<(), Refusal> {
    let answer = drain_answer(&next.rack, request, next.now)?;
    let Some(bay) = next.rack.kept.bays.get(&request.place).cloned() else {
        return Err(no_bay(&next.rack, &request.place));
    };
    if request.cancel {
        let rules = plan::rules(&next.rack, &request.place);
        if !request.dry_run
            && let Some(back) = rules.and_then(|rules| bay.given_back(next.now, &rules))
        {
            next.bay(&request.place, back, Cause::GivenBack { expired: false });
        }
        return Ok(());
    }
    if !answer.begun {
        return if request.dry_run {
            Ok(())
        } else {
            Err(Refusal::Interlock(Box::new(answer)))
        };
    }
    begin(next, request, &answer, &bay);
    Ok(())
}

fn begin(next: &mut Course<'_>, request: &DrainRequest, answer: &DrainAnswer, bay: &Bay) {
    let exposed = answer.answer == Interlock::YesExposed;
    let back_at = (exposed && !request.force).then(|| next.now.after(LONGEST_EXPOSED));
    let forced = request.force && answer.answer != Interlock::Yes;
    match bay.drained(next.now, back_at, forced) {
        Some(draining) => {
            let cause = Cause::Drained {
                answer: answer.answer,
                reason: request.reason.clone(),
            };
            next.bay(&request.place, draining, cause);
        }
        // Nothing to drain: an empty bay, or one of which nothing was seen. Its light shows where the part goes.
        None if matches!(bay.life, Life::Empty | Life::Unseen) => {
            let until = next.now.after(SWAP_LIGHT);
            light(next, &request.place, until);
        }
        None => {}
    }
}

fn light(next: &mut Course<'_>, place: &str, until: Moment) {
    let label = next.label(place);
    next.happen(What::Located {
        place: place.to_owned(),
        label,
        until,
    });
}

pub(super) fn locate(next: &mut Course<'_>, request: &LocateRequest) -> Result<(), Refusal> {
    if next.rack.config.bay(&request.place).is_none() {
        return Err(no_bay(&next.rack, &request.place));
    }
    let seconds = request.for_seconds.unwrap_or(USUAL_LOCATE_SECONDS);
    if seconds == 0 || seconds > LONGEST_LOCATE_SECONDS {
        return Err(Refusal::BadRequest(format!(
            "{seconds} seconds; expected 1 to {LONGEST_LOCATE_SECONDS} for a light"
        )));
    }
    if request.on {
        let until = next.now.after(Duration::from_secs(u64::from(seconds)));
        light(next, &request.place, until);
    } else if next.rack.kept.located.contains_key(&request.place) {
        let label = next.label(&request.place);
        next.happen(What::LocateEnded {
            place: request.place.clone(),
            label,
        });
    }
    Ok(())
}
