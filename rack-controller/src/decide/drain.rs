//! Draining a bay behind the interlock, giving it back, and lighting a bay for whoever looks for it.

use std::time::Duration;

use facts::Moment;
use rack_api::v1::{DrainAnswer, DrainFor, DrainRequest, Interlock, LocateRequest};

use super::settle::Course;
use super::{Refusal, drives};
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
/// The longest permit to switch a supply off or to update its firmware, and the usual one.
pub const LONGEST_PERMIT_SECONDS: u32 = 1_800;
const USUAL_PERMIT_SECONDS: u32 = 600;

/// What a drain request is answered, without doing it: `begun` says whether it would begin.
/// Whether the LED was lit is only known after the act; see [`DrainAnswer::led`].
///
/// # Errors
/// There is no such bay, or the request contradicts itself.
pub fn drain_answer(rack: &Rack, request: &DrainRequest, now: Moment) -> Result<DrainAnswer, Refusal> {
    if let Some(answer) = drives::drain_answer(rack, request) {
        return answer;
    }
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
    let permit = permit_seconds(request)?;
    if let Some(other) = other_on_the_way(rack, request).filter(|_| !request.force) {
        answer.answer = Interlock::No;
        answer.sentence = format!(
            "no: {other}, and in one domain only one supply at a time is switched off or updated; wait until it is back in service"
        );
        return Ok(answer);
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
        } else if request.purpose != DrainFor::Pull {
            ""
        } else {
            "; back in service after 30 min unless it is pulled"
        });
    }
    if confirmed && answer.answer == Interlock::No {
        answer
            .sentence
            .push_str("; forced: promises are broken until it is back");
    }
    if let Some(seconds) = permit.filter(|_| confirmed) {
        let words = request.purpose.words();
        answer.sentence.push_str(&format!(
            ", {words} within {seconds} s; then it is tried again by itself"
        ));
    }
    Ok(answer)
}

/// How long a permit holds; `None` where the bay is drained to be pulled.
fn permit_seconds(request: &DrainRequest) -> Result<Option<u32>, Refusal> {
    if request.purpose == DrainFor::Pull {
        return match request.for_seconds {
            None => Ok(None),
            Some(_) => Err(Refusal::BadRequest(
                "a time for a bay that is drained to be pulled; expected one only with for = switch_off or firmware".to_owned(),
            )),
        };
    }
    let seconds = request.for_seconds.unwrap_or(USUAL_PERMIT_SECONDS);
    if seconds == 0 || seconds > LONGEST_PERMIT_SECONDS {
        return Err(Refusal::BadRequest(format!(
            "{seconds} seconds; expected 1 to {LONGEST_PERMIT_SECONDS} for a permit"
        )));
    }
    Ok(Some(seconds))
}

/// Another bay of the same domain that is on its way out of service or back into it, where that forbids a permit.
fn other_on_the_way(rack: &Rack, request: &DrainRequest) -> Option<String> {
    if request.purpose == DrainFor::Pull {
        return None;
    }
    let domain = &rack.config.bay(&request.place)?.domain;
    rack.config
        .bays
        .iter()
        .filter(|bay| bay.domain == *domain && bay.place != request.place)
        .find_map(|bay| {
            let life = &rack.kept.bays.get(&bay.place)?.life;
            let moves =
                life.leaving().is_some() || matches!(life, Life::Settling { .. } | Life::Probation { .. });
            let why = life.reason().map_or(String::new(), |why| format!(" {why}"));
            moves.then(|| format!("{} is {}{why}", bay.label, life.word().word()))
        })
}

pub(super) fn no_bay(rack: &Rack, place: &str) -> Refusal {
    let of_drives = rack
        .config
        .enclosures
        .iter()
        .flat_map(|enclosure| &enclosure.bays);
    let of_drives = of_drives.map(|bay| bay.place.as_str());
    let places = rack.config.bays.iter().map(|bay| bay.place.as_str());
    let places: Vec<&str> = places.chain(of_drives).collect();
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
    if let Some(done) = drives::drain(next, request) {
        return done;
    }
    let answer = drain_answer(&next.rack, request, next.now)?;
    let Some(bay) = next.rack.kept.bays.get(&request.place).cloned() else {
        return Err(no_bay(&next.rack, &request.place));
    };
    if request.cancel {
        if !request.dry_run {
            give_back(next, &request.place);
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

/// A bay that is on its way out goes back.
pub(super) fn give_back(next: &mut Course<'_>, place: &str) {
    let rules = plan::rules(&next.rack, place);
    let bay = next.rack.kept.bays.get(place);
    let back = bay.and_then(|bay| bay.given_back(next.now, &rules?));
    if let Some(back) = back {
        next.bay(place, back, Cause::GivenBack { expired: false });
    }
}

pub(super) fn begin(next: &mut Course<'_>, request: &DrainRequest, answer: &DrainAnswer, bay: &Bay) {
    let exposed = answer.answer == Interlock::YesExposed;
    let permit = permit_seconds(request).ok().flatten();
    let back_at = permit
        .map(|seconds| next.now.after(Duration::from_secs(u64::from(seconds))))
        .or_else(|| (exposed && !request.force).then(|| next.now.after(LONGEST_EXPOSED)));
    let forced = request.force && answer.answer != Interlock::Yes;
    match bay.drained(next.now, back_at, forced, request.purpose) {
        Some(draining) => {
            let cause = Cause::Drained {
                answer: answer.answer,
                reason: request.reason.clone(),
                purpose: request.purpose,
            };
            next.bay(&request.place, draining, cause);
        }
        // Nothing to drain: an empty bay, or one of which nothing was seen. Its light shows where the part goes.
        None if matches!(bay.life, Life::Empty | Life::Unseen) && request.purpose == DrainFor::Pull => {
            let until = next.now.after(SWAP_LIGHT);
            light(next, &request.place, until);
        }
        None => {}
    }
}

pub(super) fn light(next: &mut Course<'_>, place: &str, until: Moment) {
    let label = next.label(place);
    next.happen(What::Located {
        place: place.to_owned(),
        label,
        until,
    });
}

pub(super) fn locate(next: &mut Course<'_>, request: &LocateRequest) -> Result<(), Refusal> {
    if let Some(done) = drives::locate(next, request) {
        return done;
    }
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
