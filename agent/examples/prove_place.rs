//! How long a decision takes: 256 CPUs, 200 workloads, any ask, offers and refusals alike. Prints figures, one a line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::disallowed_methods
)]

#[path = "../tests/placement/busy.rs"]
mod busy;
#[path = "../tests/placement/made.rs"]
mod made;

use std::hint::black_box;
use std::time::{Duration, Instant};

use agent::place::{DEFAULT_RATE, Machine, Taken, advice, place, propose};
use intent::Generation;
use nix::time::{ClockId, clock_gettime};

/// How many decisions are timed.
const DECISIONS: usize = 20_000;
/// How many searches for moves and advice are timed: each is many decisions.
const SEARCHES: usize = 200;

fn micros(times: &mut [Duration], per_thousand: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * per_thousand / 1_000).min(times.len() - 1);
    times[at].as_secs_f64() * 1e6
}

fn print(what: &str, times: &mut [Duration]) {
    let [p50, p99, most] = [500, 990, 1_000].map(|share| micros(times, share));
    println!(
        "{what}: {} times, p50 {p50:.1} us, p99 {p99:.1} us, longest {most:.1} us",
        times.len()
    );
}

/// The CPU time of this thread: what a decision takes where nobody else wants the CPU meanwhile.
fn now() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

fn timed<T>(times: &mut Vec<Duration>, act: impl FnOnce() -> T) -> T {
    let begin = now();
    let answer = act();
    times.push(now() - begin);
    answer
}

fn main() {
    let inventory = busy::inventory();
    let mut dice = busy::Dice(0x9e37_79b9_7f4a_7c15);
    let mut built = Vec::new();
    for _ in 0..SEARCHES {
        timed(&mut built, || black_box(Machine::of(&inventory, None)));
    }
    let machine = Machine::of(&inventory, None);
    let mut taken = busy::filled(&machine, &mut dice);
    let (mut offers, mut refusals, mut by_the_clock) = (Vec::new(), Vec::new(), Vec::new());
    let (mut advised, mut proposed) = (Vec::new(), Vec::new());
    let mut moves = 0;
    for number in 0..DECISIONS {
        let ask = busy::ask(&mut dice);
        let mut once = Vec::new();
        let begin = Instant::now();
        let answer = timed(&mut once, || {
            place(black_box(&ask), &machine, &taken, Generation(1))
        });
        by_the_clock.push(begin.elapsed());
        match answer {
            Ok(offer) => {
                offers.extend(once);
                let gone = dice.roll(taken.len() as u64) as usize;
                taken[gone] = Taken::of(format!("n{number}").parse().unwrap(), &ask, &offer);
            }
            Err(_) => {
                refusals.extend(once);
                if advised.len() < SEARCHES {
                    timed(&mut advised, || black_box(advice(&ask, &machine, &taken)));
                    moves += usize::from(
                        timed(&mut proposed, || propose(&ask, &machine, &taken, DEFAULT_RATE)).is_some(),
                    );
                }
            }
        }
    }
    println!("256 CPUs, {} workloads; CPU time", taken.len());
    print("machine built from an inventory", &mut built);
    print("offer", &mut offers);
    print("refusal", &mut refusals);
    let mut all = [offers, refusals].concat();
    print("decision", &mut all);
    print(
        "decision by the wall clock, with whatever else runs here",
        &mut by_the_clock,
    );
    print("advice after a refusal", &mut advised);
    print("search for moves", &mut proposed);
    println!("moves found for {moves} of {SEARCHES} refusals");
}
