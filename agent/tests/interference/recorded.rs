//! A trace of real burners on a real host, half of it held out.

use agent::interfere::Thresholds;
use agent::interfere::trace::parse;

use crate::referee::{calibrated, halves, judged};

/// Taken with `cargo run -p agent --example trace`; its first lines say where and when.
const RECORDED: &str = include_str!("recorded.csv");

#[test]
fn on_a_recorded_trace_the_half_that_was_held_out_is_judged_by_what_the_other_taught() {
    let windows = parse("recorded.csv", RECORDED).unwrap();
    let [first, second] = halves(&windows, 50);
    assert!(
        first.episodes.len() >= 2 && second.episodes.len() >= 2,
        "too few to say anything"
    );
    let chosen = calibrated(std::slice::from_ref(&first), 100.0);
    for thresholds in [Thresholds::published(), chosen] {
        let held_out = judged(std::slice::from_ref(&second), &thresholds);
        println!("{thresholds:?}: {held_out:?}");
        assert!(held_out.episodes > 0, "{held_out:?}");
        assert!(held_out.detected * 2 >= held_out.episodes, "{held_out:?}");
        assert_eq!(held_out.named_right, held_out.detected, "{held_out:?}");
        assert!(held_out.false_alarms <= held_out.detected, "{held_out:?}");
    }
}
