//! The heart under random days: pulls, strangers, faults, blindness, claims, drains, lights, restarts by replay, against
//! a naive second opinion. A failure prints its seed, and `BUSBAR_SEED=N` plays it again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod acts;
mod day;
mod judge;
mod oracle;
mod people;
mod shelf;

use day::Day;

/// Days in one test, and what happens in each.
const DAYS: u64 = 52;
const HAPPENINGS: u64 = 800;

fn days(first: u64) {
    if let Some(seed) = std::env::var("BUSBAR_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        println!("BUSBAR_SEED={seed}");
        Day::new(seed).live(HAPPENINGS);
        return;
    }
    let mut counted = day::Counted::default();
    for seed in first..first + DAYS {
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

// Four tests, so that they run beside each other: 166,400 happenings in all.

#[test]
fn random_days_keep_every_promise_1() {
    days(1);
}

#[test]
fn random_days_keep_every_promise_2() {
    days(1_001);
}

#[test]
fn random_days_keep_every_promise_3() {
    days(2_001);
}

#[test]
fn random_days_keep_every_promise_4() {
    days(3_001);
}
