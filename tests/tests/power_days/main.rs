//! Random days of a whole rack's power: the controller's core, the agents' lease machines and the world's physics, on a network that
//! loses, delays and reorders, with controllers and agents that are killed, machines that boot and supplies that go. What must hold is
//! asked of the world, not of us. `BUSBAR_SEED=N` lives one day again; `BUSBAR_DAYS=N` lives more of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod controller;
mod day;
mod dice;
mod hands;
mod judge;
mod node;
mod shelf;

use day::{Counted, Day};

/// Days of one test, and what is done on each.
const DAYS: u64 = 20;
const HAPPENINGS: u64 = 120;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn days(first: u64) {
    if let Some(seed) = number("BUSBAR_SEED") {
        println!("BUSBAR_SEED={seed}");
        println!("{:?}", Day::new(seed).live(HAPPENINGS));
        return;
    }
    let mut counted = Counted::default();
    for seed in first..first + number("BUSBAR_DAYS").unwrap_or(DAYS) {
        let lived = std::panic::catch_unwind(|| Day::new(seed).live(HAPPENINGS));
        match lived {
            Ok(lived) => counted.add(&lived),
            Err(cause) => {
                println!("this day can be lived again with BUSBAR_SEED={seed}");
                std::panic::resume_unwind(cause);
            }
        }
    }
    println!("{counted:?}");
    counted.assert_everything_happened();
}

// Two tests, so that they run beside each other.

#[test]
fn no_day_breaks_a_promise_or_goes_dark_1() {
    days(1);
}

#[test]
fn no_day_breaks_a_promise_or_goes_dark_2() {
    days(1_000_001);
}
