//! What to make of one supply that was described: its state, what it can deliver, and what of its readings is true.

use facts::supply::{Supply, SupplyState};
use facts::{NoData, Power, Reading};

use crate::redfish::quirk::{Oddity, Speaker, row};
use crate::redfish::schema::Doubts;
use crate::redfish::schema::power::{InputRange, SupplySaid};

/// DMTF `Status.State`: what stands there and works.
const ENABLED: &str = "Enabled";
/// DMTF `Status.State`: an empty bay.
const ABSENT: &str = "Absent";
/// DMTF `Status.State`: present, and delivering nothing now.
const OFF: [&str; 6] = [
    "Disabled",
    "StandbyOffline",
    "StandbySpare",
    "Starting",
    "UnavailableOffline",
    "InTest",
];
/// DMTF `Status.State`: present and working while something is done to it.
const BUSY: [&str; 4] = ["Updating", "Quiesced", "Deferring", "Qualified"];
/// DMTF `LineInputStatus`: no input that can be used.
const NO_INPUT: [&str; 2] = ["LossOfInput", "OutOfRange"];

/// The state, from everything that was said of the supply.
pub(super) fn state(said: &SupplySaid, name: &str, doubts: &Doubts) -> SupplyState {
    let Some(word) = said.status.state.as_deref() else {
        return SupplyState::Unknown;
    };
    if word == ABSENT {
        return SupplyState::Absent;
    }
    if OFF.contains(&word) {
        return match (no_input(said), said.status.health.as_deref()) {
            (true, _) => SupplyState::InputLost,
            (false, Some("Critical")) => SupplyState::Faulted,
            (false, _) => SupplyState::Off,
        };
    }
    if word != ENABLED && !BUSY.contains(&word) {
        doubts.add(
            "garbled",
            name,
            format!("Status.State is {word:?}, which DMTF does not know; it is not counted"),
        );
        return SupplyState::Unknown;
    }
    if no_input(said) {
        return SupplyState::InputLost;
    }
    match said.status.health.as_deref() {
        Some("Critical") => SupplyState::Faulted,
        Some("OK") => SupplyState::Ok,
        Some(other) => {
            doubts.add(
                "health",
                name,
                format!("is {word} with Health {other}; it is counted"),
            );
            SupplyState::Ok
        }
        None => {
            doubts.add(
                "health",
                name,
                format!("is {word} without a Health; it is counted"),
            );
            SupplyState::Ok
        }
    }
}

fn no_input(said: &SupplySaid) -> bool {
    let lost = said
        .line_status
        .as_deref()
        .is_some_and(|status| NO_INPUT.contains(&status));
    // Legacy services have no LineInputStatus; a line at 0 V is dead unless the supply delivers all the same.
    let dead = said.line_volts == Some(0.0) && said.output.value().is_none_or(Power::is_zero);
    lost || dead
}

/// What the supply can deliver at its present input.
pub(super) fn rated(said: &SupplySaid, name: &str, doubts: &Doubts) -> Reading<Power> {
    let ranges: Vec<&InputRange> = said.ranges.iter().filter(|range| range.watts.is_some()).collect();
    let present = ranges.iter().find(|range| is_present(said, range));
    if said.ranges.iter().any(is_upside_down) {
        doubts.add(
            "garbled",
            name,
            "an input range begins above its end; the range is not used",
        );
    }
    let from_range = present.and_then(|range| range.watts);
    match (said.capacity, from_range) {
        (Reading::Value(capacity), _) if capacity.is_zero() => {
            doubts.add("capacity", name, "PowerCapacityWatts is 0; it counts as unknown");
            Reading::none(NoData::Garbled)
        }
        (Reading::Value(capacity), Some(at_input)) => Reading::Value(capacity.min(at_input)),
        (Reading::Value(capacity), None) => Reading::Value(capacity),
        (Reading::None { .. }, Some(at_input)) if !at_input.is_zero() => Reading::Value(at_input),
        (Reading::None { no_data }, _) => {
            // All ranges alike: whichever is present, it delivers that.
            let first = ranges
                .first()
                .and_then(|range| range.watts)
                .filter(|watts| !watts.is_zero());
            let alike = ranges.iter().all(|range| range.watts == first);
            first
                .filter(|_| alike)
                .map_or(Reading::none(no_data), Reading::Value)
        }
    }
}

fn is_upside_down(range: &InputRange) -> bool {
    matches!((range.min_volts, range.max_volts), (Some(min), Some(max)) if min > max)
}

fn is_present(said: &SupplySaid, range: &InputRange) -> bool {
    if is_upside_down(range) {
        return false;
    }
    if let (Some(now), Some(nominal)) = (&said.nominal_input, &range.nominal) {
        return now == nominal;
    }
    match (said.line_volts, range.min_volts, range.max_volts) {
        (Some(volts), Some(min), Some(max)) => (min..=max).contains(&volts),
        (_, _, _) => false,
    }
}

/// Whether this is a filler, by the table; what only looks like one is a doubt and counts as nothing, because it names no watts.
pub(super) fn is_filler(said: &SupplySaid, speaker: &Speaker, name: &str, doubts: &Doubts) -> bool {
    let model = said.identity.model.as_deref();
    if let Some(row) = row(speaker, model, |oddity| oddity == Oddity::Filler) {
        let message = format!(
            "{} is a filler, not a supply ({})",
            model.unwrap_or_default(),
            row.evidence
        );
        doubts.add("filler", name, message);
        return true;
    }
    false
}

/// Several supplies of a chassis that all deliver the same, and each as much as the chassis draws: the total, not theirs.
pub(super) fn last_output_is_total(
    supplies: &[SupplySaid],
    consumed: Reading<Power>,
    speaker: &Speaker,
    name: &str,
    doubts: &Doubts,
) -> bool {
    let said: Vec<Power> = supplies
        .iter()
        .filter_map(|supply| supply.last_output.value())
        .collect();
    let Some(first) = said.first().copied().filter(|first| !first.is_zero()) else {
        return false;
    };
    if said.len() < 2 || said.iter().any(|other| *other != first) {
        return false;
    }
    let by_table = row(speaker, None, |oddity| oddity == Oddity::LastOutputIsTotal);
    let sum: Power = said.iter().copied().sum();
    // A meter is allowed a tenth: two supplies that share fairly say the same too, but then half of the draw each.
    let too_much = consumed
        .value()
        .is_some_and(|drawn| sum > drawn.share(1_100_000).saturating_add(drawn.share(100_000)));
    if by_table.is_none() && !too_much {
        return false;
    }
    let why = by_table.map_or("the sum would be more than the chassis draws", |row| row.evidence);
    doubts.add(
        "total",
        name,
        format!(
            "LastPowerOutputWatts is {first} at each of {} supplies: the chassis' total, not theirs ({why})",
            said.len()
        ),
    );
    true
}

/// The fact of one supply.
pub(super) fn supply(
    said: SupplySaid,
    speaker: &Speaker,
    last_is_total: bool,
    name: &str,
    doubts: &Doubts,
) -> Supply {
    let state = state(&said, name, doubts);
    let is_filler = state != SupplyState::Absent && is_filler(&said, speaker, name, doubts);
    let nothing = NoData::Absent;
    let rated_watts = match (state, is_filler) {
        (SupplyState::Absent, _) | (_, true) => Reading::none(nothing),
        (_, false) => rated(&said, name, doubts),
    };
    let delivered = match (said.output, said.last_output) {
        (Reading::None { .. }, Reading::Value(_)) if last_is_total => Reading::none(NoData::Garbled),
        (Reading::None { .. }, last @ Reading::Value(_)) => last,
        (output, _) => output,
    };
    let there = |reading: Reading<Power>| match (state, is_filler) {
        (SupplyState::Absent, _) | (_, true) => Reading::none(nothing),
        (_, false) => reading,
    };
    Supply {
        output_watts: there(delivered),
        input_watts: there(said.input),
        rated_watts,
        bay: said.bay,
        resource: said.resource,
        label: said.label,
        identity: said.identity,
        state,
        is_filler,
        hot_pluggable: said.hot_pluggable,
        led: said.led,
    }
}
