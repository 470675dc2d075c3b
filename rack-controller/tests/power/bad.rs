//! What lies, repeats itself or makes no sense: nothing of it may sell a watt that is not there. The table of docs/power.md, "Bad input",
//! names these tests.

use facts::supply::Supplies;
use facts::{Power, Reading};
use rack_controller::decide::Input;
use rack_controller::pools::power::plan;
use rack_controller::rack::Event;

use super::bench::{Bench, ask, config, watts};
use super::house_of_64::{House, Plan};

fn look(bench: &mut Bench, change: impl FnOnce(&mut Supplies)) -> Vec<Event> {
    let mut supplies = bench.supplies();
    change(&mut supplies);
    let input = Input::SuppliesSeen {
        bmc: "shelf".to_owned(),
        supplies,
        read_at: bench.now,
    };
    bench.run(&input).unwrap()
}

#[test]
fn one_supply_that_boasts_sells_nothing_because_it_is_the_one_that_may_fail() {
    for boast in [watts(1_000_000_000), Power::MAX] {
        let mut bench = Bench::new(&config("n+1", "0", ""));
        look(&mut bench, |supplies| {
            supplies.domains[0].supplies[0].rated_watts = Reading::Value(boast);
        });
        let sums = bench.sums();
        assert_eq!(sums.firm, watts(15_000), "{boast}: {sums:?}");
        bench.claim("all", 15_000).unwrap();
        assert_eq!(bench.claim("more", 1).unwrap_err().code(), "shortfall");
    }
}

#[test]
fn a_shelf_that_renumbers_its_bays_sells_nothing_until_they_have_been_tried() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    look(&mut bench, |supplies| {
        let all = &mut supplies.domains[0].supplies;
        let names: Vec<String> = all.iter().map(|supply| supply.bay.clone()).collect();
        for (index, supply) in all.iter_mut().enumerate() {
            supply.bay.clone_from(&names[(index + 1) % names.len()]);
        }
    });
    // Each bay has another part: what was put in just now is not believed yet.
    assert_eq!(bench.sums().firm, Power::ZERO, "{:?}", bench.sums());
    assert_eq!(bench.claim("web", 1).unwrap_err().code(), "shortfall");
}

#[test]
fn claims_that_overflow_a_sum_are_refused() {
    let mut bench = Bench::new(&config("n+1", "0", "preempt = true"));
    bench.claim("web", 15_000).unwrap();
    for preempt in [false, true] {
        let huge = rack_api::v1::PowerAsk {
            preempt,
            priority: Some(1),
            ..ask("huge", 1_000_000_000)
        };
        let input = Input::ClaimPower { ask: huge, key: None };
        assert_eq!(bench.run(&input).unwrap_err().code(), "shortfall");
    }
    assert_eq!(bench.sums().held, watts(15_000));
}

#[test]
fn an_agent_that_acknowledges_what_it_was_not_told_counts_with_its_old_cap() {
    let mut house = House::new(&Plan::default());
    house.claim("n01", "web", 500, 0).unwrap();
    house.obey();
    house
        .bench
        .run(&Input::ReleaseClaim {
            claim: "web".to_owned(),
        })
        .unwrap();
    let order = house.order("n01").clone();
    assert_eq!(order.cap, watts(120));
    let node = house.bench.rack.config.node("n01").unwrap().clone();
    // An order that was never given, and one of before: both say nothing about this one.
    for answered in [order.number + 7, order.number - 1] {
        house.say("n01", |seen| {
            seen.answered = answered;
            seen.in_force = Some(watts(120));
            seen.applied = true;
        });
        let counted = plan::counted(&house.bench.rack, &node, house.bench.now);
        assert_eq!(counted.cap, watts(500), "{answered}: {counted:?}");
    }
    // It was ordered again under a number that is later than what was claimed: that order itself, with a higher cap read back.
    let again = house.order("n01").number;
    assert!(again > order.number);
    house.say("n01", |seen| {
        seen.answered = again;
        seen.in_force = Some(watts(480));
        seen.applied = true;
    });
    let counted = plan::counted(&house.bench.rack, &node, house.bench.now);
    assert_eq!(counted.cap, watts(480), "{counted:?}");
}
