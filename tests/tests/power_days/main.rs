//! Random days of whole racks: the controller's core, the agents' lease machines and the world's physics, on a network that loses, delays
//! and reorders, with controllers and agents that are killed, machines that boot and supplies and feeds that go. What must hold is asked
//! of the world, not of us.
//!
//! An *operation* is a happening (somebody asks or releases, something breaks or comes back) or a message whose way the dice decide.
//! `BUSBAR_OPERATIONS=N` lives days until all tests together have made so many; `BUSBAR_SEED=N` lives one day again.
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
mod lent;
mod losses;
mod node;
mod oath;
mod post;
mod rest;
mod scene;
mod site;
mod switch;

use std::time::Instant;

use day::{Counted, Day};
use scene::Kind;

/// Operations of all tests of this file together.
const OPERATIONS: u64 = 100_000;
/// What is done on each day; forty servers make three times as many messages meanwhile as twelve nodes.
const fn happenings(kind: Kind) -> u64 {
    match kind {
        Kind::Shelf | Kind::Floors | Kind::Feeds => 400,
        Kind::Servers => 130,
    }
}

/// A run of fewer operations than this is too short for what comes about on most days.
const ENOUGH: u64 = 100_000;
/// A run of fewer operations than this is too short for what few days meet.
const ENOUGH_FOR_ALL: u64 = 1_000_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Lives days of one kind of rack until its percents of all operations are made.
fn days(test: &str, kind: Kind, first: u64, percents: u64, seldom: &[&str]) {
    if let Some(seed) = number("BUSBAR_SEED") {
        println!("{:?}", Day::new(kind, seed).live(happenings(kind)));
        return;
    }
    let all = number("BUSBAR_OPERATIONS").unwrap_or(OPERATIONS);
    let (began, mut counted, mut seed) = (Instant::now(), Counted::default(), first);
    let operations = |counted: &Counted| counted.of("happening") + counted.of("message");
    while operations(&counted) < all * percents / 100 {
        let lived = std::panic::catch_unwind(|| Day::new(kind, seed).live(happenings(kind)));
        match lived {
            Ok(lived) => counted.add(&lived),
            Err(cause) => {
                println!(
                    "this day again: BUSBAR_SEED={seed} cargo test -p house-tests --test power_days {test} -- --nocapture"
                );
                std::panic::resume_unwind(cause);
            }
        }
        seed += 1;
    }
    println!(
        "{test}: {} operations ({} happenings, {} messages) on {} days in {:.1} s",
        operations(&counted),
        counted.of("happening"),
        counted.of("message"),
        seed - first,
        began.elapsed().as_secs_f64()
    );
    println!("{:?}", counted.0);
    let few_meet = seldom.iter().chain(&SELDOM).filter(|_| all >= ENOUGH_FOR_ALL);
    // A tenth of all operations are too few for most things.
    let is_large = all >= ENOUGH && percents > 10 || all >= ENOUGH_FOR_ALL;
    let most_meet = OFTEN.iter().filter(|_| is_large);
    for happened in most_meet.chain(few_meet) {
        assert!(counted.of(happened) > 0, "there was no {happened}");
    }
}

/// What every kind of rack meets on most days.
const OFTEN: [&str; 16] = [
    "claimed",
    "released",
    "demand",
    "supply_lost",
    "agent_killed",
    "node_booted",
    "cut_off",
    "controller_killed",
    "bmc_silent",
    "moved_away",
    "lease_taken",
    "lease_refused",
    "came_twice",
    "granted",
    "taken_back",
    "judged",
];

/// What every kind of rack meets on some days.
const SELDOM: [&str; 5] = [
    "supply_back",
    "weaker_put_in",
    "contacts_flapped",
    "preempted",
    "silence_and_a_loss",
];

/// What nodes that are measured meet.
const LENDING: [&str; 3] = ["lent", "recalled", "returned"];

// Several tests, so that they run beside each other.

#[test]
fn a_shelf_breaks_no_promise_1() {
    days("a_shelf_breaks_no_promise_1", Kind::Shelf, 1, 30, &LENDING);
}

#[test]
fn a_shelf_breaks_no_promise_2() {
    let all: Vec<&str> = ["feed_failed_uncovered"].into_iter().chain(LENDING).collect();
    days("a_shelf_breaks_no_promise_2", Kind::Shelf, 1_000_001, 30, &all);
}

#[test]
fn feeds_break_no_promise() {
    days(
        "feeds_break_no_promise",
        Kind::Feeds,
        2_000_001,
        30,
        &["feed_failed"],
    );
}

#[test]
fn floors_break_no_promise() {
    let also = [
        "feed_failed_uncovered",
        "shed_off",
        "switched_on",
        "off_by_hand",
        "asked_on",
        "switch_failed",
        "beyond_its_quota",
    ];
    days("floors_break_no_promise", Kind::Floors, 4_000_001, 10, &also);
}

#[test]
fn servers_break_no_promise() {
    days("servers_break_no_promise", Kind::Servers, 3_000_001, 10, &[]);
}
