//! How well the interference loop finds antagonists on simulated nodes: thresholds are chosen on one half of the traces, and
//! judged on the other. Prints figures; all times are the simulation's.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

#[path = "../tests/interference/referee.rs"]
mod referee;
#[path = "../tests/interference/world.rs"]
mod world;

use agent::interfere::Thresholds;
use referee::{Result, calibrated, judged, traces};

/// Traces of each half.
const TRACES: u64 = 40;
/// Days of each.
const DAYS: usize = 4;
/// What calibration may cost, a victim and a day.
const MOST_FALSE_ALARMS: f64 = 0.1;

fn print(what: &str, thresholds: &Thresholds, result: &Result) {
    println!(
        "{what}: {} sigma, {} of {}, score {}: {} of {} episodes found ({:.1} %), {:.1} % of these named right, \
         {:.3} false alarms a victim and day over {:.0} days, found after p50 {} p90 {} windows",
        thresholds.sigmas,
        thresholds.outliers,
        thresholds.of,
        thresholds.correlation,
        result.detected,
        result.episodes,
        100.0 * result.detection(),
        100.0 * result.right(),
        result.false_alarms_per_day(),
        result.days,
        result.delay(50),
        result.delay(90),
    );
}

fn main() {
    let [first, second] = [false, true].map(|is_odd| traces(TRACES, DAYS, is_odd));
    let published = Thresholds::published();
    let chosen = calibrated(&first, MOST_FALSE_ALARMS);
    print("published, first half", &published, &judged(&first, &published));
    print("published, held out  ", &published, &judged(&second, &published));
    print("chosen, first half   ", &chosen, &judged(&first, &chosen));
    print("chosen, held out     ", &chosen, &judged(&second, &chosen));
}
