//! How well the interference loop finds antagonists on simulated nodes: thresholds are chosen on one half of the traces, and
//! judged on the other. Prints figures; all times are the simulation's. With `--trace FILE [--split PERCENT]` a recorded or
//! published trace (docs/interference.md says how it is written) takes the place of the simulation.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

#[path = "../tests/interference/closed.rs"]
mod closed;
#[path = "../tests/interference/referee.rs"]
mod referee;
#[path = "../tests/interference/world.rs"]
mod world;

use agent::interfere::Thresholds;
use agent::interfere::trace::parse;
use agent_api::v1::Grade;
use closed::played;
use referee::{Result, calibrated, halves, judged, traces};

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
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => simulated(),
        ["--trace", file] => recorded(file, 50),
        ["--trace", file, "--split", percent] => match percent.parse() {
            Ok(percent) if (1..=99).contains(&percent) => recorded(file, percent),
            Ok(_) | Err(_) => refuse(&format!("--split {percent}: expected 1 to 99 percent")),
        },
        other => refuse(&format!(
            "{other:?}: expected nothing, or --trace FILE [--split PERCENT]"
        )),
    }
}

fn refuse(why: &str) {
    eprintln!("interference: {why}");
    std::process::exit(2);
}

/// A trace from a file: the first part chooses, the rest is held out.
fn recorded(file: &str, percent: usize) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("cannot read {file}: {error}")),
    };
    let windows = match parse(file, &text) {
        Ok(windows) => windows,
        Err(error) => return refuse(&error.to_string()),
    };
    let [first, second] = halves(&windows, percent).map(|part| [part]);
    let published = Thresholds::published();
    let chosen = calibrated(&first, f64::INFINITY);
    print("published, first part", &published, &judged(&first, &published));
    print("published, held out  ", &published, &judged(&second, &published));
    print("chosen, first part   ", &chosen, &judged(&first, &chosen));
    print("chosen, held out     ", &chosen, &judged(&second, &chosen));
}

fn simulated() {
    let [first, second] = [false, true].map(|is_odd| traces(TRACES, DAYS, is_odd));
    let published = Thresholds::published();
    let chosen = calibrated(&first, MOST_FALSE_ALARMS);
    print("published, first half", &published, &judged(&first, &published));
    print("published, held out  ", &published, &judged(&second, &published));
    print("chosen, first half   ", &chosen, &judged(&first, &chosen));
    print("chosen, held out     ", &chosen, &judged(&second, &chosen));
    for (what, grades) in [
        ("nothing is done", &[] as &[Grade]),
        ("less CPU time", &[Grade::CpuMax]),
        ("all grades", &Grade::ALL),
    ] {
        let came = played(TRACES, DAYS, true, grades, &published);
        println!(
            "closed loop, held out, {what}: harm {:.0}, acts {:?} (cache, cpu_max, move, freeze), undone {}, under way at the end \
             {}, innocent held {:.2} % of the time, standing still {:.3} %",
            came.harm,
            came.acts,
            came.undone,
            came.left,
            100.0 * came.innocent as f64 / came.minutes as f64,
            100.0 * came.innocent_still as f64 / came.minutes as f64,
        );
    }
}
