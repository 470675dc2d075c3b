//! Swaps, doubts and pauses as they are shown.

use facts::Moment;
use facts::supply::Doubt;
use rack_api::v1::{Acknowledged, DoubtView, PauseView, SwapStep, SwapView};

use crate::bay::{Bay, Life};
use crate::rack::part_words;
use crate::rack::person::{Swap, SwapTrouble, doubt_id};
use crate::rack::state::Rack;

/// The latest swap of each bay.
pub fn swaps(rack: &Rack) -> Vec<SwapView> {
    let places = rack.kept.swaps.keys();
    places.filter_map(|place| swap(rack, place)).collect()
}

/// The latest swap of one bay; `None` where there was none.
pub fn swap(rack: &Rack, place: &str) -> Option<SwapView> {
    let config = rack.config.bay(place)?;
    let (swap, bay) = (rack.kept.swaps.get(place)?, rack.kept.bays.get(place)?);
    let seen = rack.sight.bays.get(place);
    let step = step(swap, bay);
    Some(SwapView {
        place: place.to_owned(),
        label: config.label.clone(),
        feed: config.feed.clone(),
        step,
        sentence: sentence(rack, swap, bay, step, &config.label),
        began: swap.began,
        until: bay.life.until(),
        asked: swap.asked.clone(),
        before: swap.before.clone(),
        before_watts: swap.rated,
        part: bay.part.clone(),
        rated_watts: bay.rated,
        output_watts: seen.and_then(|seen| seen.output),
        led: seen.and_then(|seen| seen.led),
    })
}

fn step(swap: &Swap, bay: &Bay) -> SwapStep {
    if let Some(end) = &swap.ended {
        return if end.done {
            SwapStep::Done
        } else {
            SwapStep::GivenUp
        };
    }
    match swap.stopped.as_ref().map(|stop| stop.kind) {
        Some(SwapTrouble::WrongPart) => return SwapStep::WrongPart,
        Some(SwapTrouble::WrongBay) => return SwapStep::WrongBay,
        None => {}
    }
    match &bay.life {
        Life::Draining(_) => SwapStep::Draining,
        Life::ReadyToPull(_) => SwapStep::Pull,
        Life::Unseen | Life::Empty => SwapStep::Insert,
        Life::Settling { .. } => SwapStep::Settling,
        // Both are over with the next look.
        Life::Probation { .. } | Life::InService => SwapStep::Probation,
        Life::Faulted { .. } | Life::Condemned { .. } => SwapStep::Unusable,
    }
}

fn sentence(rack: &Rack, swap: &Swap, bay: &Bay, step: SwapStep, label: &str) -> String {
    let why = || bay.life.reason().unwrap_or_else(|| "no reason told".to_owned());
    match step {
        SwapStep::Draining => format!("{label} is being drained; do not pull it yet"),
        SwapStep::Pull => format!("pull {label} now: {}", part_words(swap.before.as_ref())),
        SwapStep::Insert => {
            let watts = swap
                .rated
                .map_or(String::new(), |watts| format!(", at least {watts}"));
            let kind = swap.before.as_ref().and_then(|part| part.model.clone());
            let kind = kind.map_or_else(|| "the new part".to_owned(), |model| format!("the new {model}"));
            format!("put {kind}{watts} into {label}, the empty bay")
        }
        SwapStep::Settling => format!(
            "{} is in {label}; its contacts settle",
            part_words(bay.part.as_ref())
        ),
        SwapStep::Probation => format!("{label} is on trial: it must carry its share of the load"),
        SwapStep::Unusable => format!("{label} cannot be used ({}); pull it and put another in", why()),
        SwapStep::WrongPart | SwapStep::WrongBay => {
            let stop = swap.stopped.as_ref();
            stop.map_or_else(String::new, |stop| stop.why.clone())
        }
        SwapStep::Done | SwapStep::GivenUp => {
            let end = swap.ended.as_ref();
            let how = end.map_or_else(String::new, |end| end.why.clone());
            let state = rack.config.bay(&bay_place(rack, label)).and_then(|bay| {
                let standing = rack.kept.domains.get(&bay.domain)?;
                Some(format!("; {} is {}", bay.domain, standing.state.word()))
            });
            format!("{label}: {how}{}", state.unwrap_or_default())
        }
    }
}

fn bay_place(rack: &Rack, label: &str) -> String {
    let bay = rack.config.bays.iter().find(|bay| bay.label == label);
    bay.map_or_else(String::new, |bay| bay.place.clone())
}

/// A doubt with its name, and who knows of it now.
pub fn doubt(rack: &Rack, doubt: Doubt, now: Moment) -> DoubtView {
    let id = doubt_id(&doubt);
    let known = rack
        .kept
        .known
        .get(&id)
        .filter(|known| known.message == doubt.message && known.until.is_none_or(|until| now < until));
    DoubtView {
        acknowledged: known.map(|known| Acknowledged {
            at: known.at,
            until: known.until,
            asked: known.asked.clone(),
        }),
        id,
        doubt,
    }
}

/// Where nothing is done now, because somebody said so.
pub fn pauses(rack: &Rack) -> Vec<PauseView> {
    let pauses = rack.kept.pauses.values();
    pauses
        .map(|pause| {
            let (kind, name) = pause.scope.words();
            PauseView {
                kind: kind.to_owned(),
                name: name.unwrap_or(&rack.config.name).to_owned(),
                since: pause.since,
                until: pause.until,
                asked: pause.asked.clone(),
            }
        })
        .collect()
}
