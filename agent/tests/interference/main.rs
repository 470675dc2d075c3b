//! The interference loop on simulated nodes: thresholds are chosen on one half of the traces, and judged on the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

mod closed;
mod recorded;
mod referee;
mod world;

use agent::interfere::Thresholds;
use agent_api::v1::Grade;
use closed::played;
use referee::{calibrated, judged, traces};

/// Traces of each half, and days of each: enough for some hundred episodes, in seconds.
const TRACES: u64 = 20;
const DAYS: usize = 2;

#[test]
fn what_is_chosen_on_one_half_holds_on_the_other() {
    let [first, second] = [false, true].map(|is_odd| traces(TRACES, DAYS, is_odd));
    let chosen = calibrated(&first, 0.1);
    let held_out = judged(&second, &chosen);
    println!("{chosen:?}: {held_out:?}");
    assert!(held_out.episodes > 50, "too few to say anything: {held_out:?}");
    assert!(held_out.detection() > 0.75, "{held_out:?}");
    assert!(held_out.right() > 0.9, "{held_out:?}");
    assert!(held_out.false_alarms_per_day() < 0.2, "{held_out:?}");
    assert!(held_out.delay(90) <= 10, "{held_out:?}");
}

#[test]
fn the_published_thresholds_raise_few_false_alarms_and_name_the_right_one() {
    let result = judged(&traces(TRACES, DAYS, true), &Thresholds::published());
    assert!(result.false_alarms_per_day() < 0.2, "{result:?}");
    assert!(result.right() > 0.9, "{result:?}");
}

#[test]
fn a_trace_is_the_same_each_time_and_has_its_truth() {
    let [one, other] = [5, 5].map(|seed| world::trace(seed, 2));
    assert_eq!(one.windows, other.windows);
    let all = traces(TRACES, DAYS, true);
    assert!(
        all.iter().any(|trace| trace.episodes.is_empty()),
        "some nodes have no antagonist"
    );
    for episode in all.iter().flat_map(|trace| &trace.episodes) {
        assert!(episode.from <= episode.to);
    }
}

#[test]
fn graded_acts_take_away_more_harm_than_less_cpu_time_alone_and_each_of_them_ends() {
    let chosen = calibrated(&traces(TRACES, DAYS, false), 0.1);
    let held_out = |grades: &[Grade]| played(TRACES, DAYS, true, grades, &chosen);
    let [nothing, time, all] = [&[] as &[Grade], &[Grade::CpuMax], &Grade::ALL].map(held_out);
    println!("nothing {nothing:?}\ntime {time:?}\nall {all:?}");
    assert_eq!(nothing.acts, [0; 4]);
    assert!(nothing.harm > 1_000.0, "too little to say anything: {nothing:?}");
    assert!(time.harm < 0.95 * nothing.harm, "{time:?}");
    assert!(all.harm < 0.9 * time.harm, "{all:?}");
    for came in [time, all] {
        assert_eq!(
            came.acts.iter().sum::<usize>(),
            came.undone + came.left,
            "{came:?}"
        );
        assert!(came.left <= TRACES as usize);
    }
    assert!(
        all.acts.iter().all(|count| *count > 0),
        "each grade had its day: {all:?}"
    );
    assert!(
        all.acts[3] < all.acts[0] + all.acts[1],
        "standing still is the last word: {all:?}"
    );
    let still = all.innocent_still as f64 / all.minutes as f64;
    assert!(
        still < 0.01,
        "who hurts nobody stands still {still} of the time: {all:?}"
    );
}
