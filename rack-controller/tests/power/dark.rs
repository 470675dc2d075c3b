//! A controller that starts anew knows of nobody: nothing is raised, and nobody is switched on, until every node was heard, is off, or
//! counts with all that it can draw (power.md, rule 6 and the dark start).

use facts::Power;
use rack_api::v1::DomainState;
use rack_controller::decide::Input;
use rack_controller::pools::power::plan;

use super::bench::{kinds, watts};
use super::house_of_64::{House, Plan};

/// Twenty nodes of 1.1 kW with 700 W each: their caps leave room for one that boots, what they can draw uncapped does not.
fn promised() -> House {
    let plan = Plan {
        nodes: 20,
        ..Plan::default()
    };
    let mut house = House::new(&plan);
    for node in house.names() {
        house.claim(&node, &format!("w-{node}"), 700, 0).unwrap();
    }
    house.obey();
    house
}

/// Starts anew, and sees the shelf and every node's BMC: n01 is off where `off` says so.
fn starts(house: &mut House, off: bool) {
    house.restart();
    house.bench.look();
    for node in house.names() {
        house.bench.switched(&node, !off || node != "n01");
    }
    assert_eq!(
        house.bench.sums().state,
        DomainState::Redundant,
        "the hardware is seen"
    );
}

#[test]
fn nobody_is_switched_on_before_everybody_is_known() {
    let mut house = promised();
    starts(&mut house, true);
    let node = "n01".to_owned();
    let asked = house.bench.run(&Input::PowerOn { node }).unwrap();
    assert_eq!(kinds(&asked), ["node_power_asked"], "nobody has answered yet");
    let others: Vec<String> = house.names().into_iter().skip(1).collect();
    for node in &others {
        let before = house.bench.events.len();
        house.answer(node);
        let goes = kinds(&house.bench.events[before..]).contains(&"node_goes_on");
        assert_eq!(goes, node == "n20", "{node} has answered");
    }
}

#[test]
fn who_is_never_heard_counts_with_all_that_it_can_draw() {
    let mut house = promised();
    starts(&mut house, true);
    let names = house.names();
    for node in names
        .iter()
        .filter(|node| !["n01", "n19", "n20"].contains(&node.as_str()))
    {
        house.answer(node);
    }
    for node in ["n19", "n20"] {
        house.node_falls_silent(node);
    }
    let node = "n01".to_owned();
    let asked = house.bench.run(&Input::PowerOn { node }).unwrap();
    // 17 nodes of 700 W, two that may have booted, and all of n01: 15.2 kW of 15.0.
    assert_eq!(kinds(&asked), ["node_power_asked"]);
    house.bench.switched("n20", false);
    let told = kinds(&house.bench.events);
    assert!(told.contains(&"node_goes_on"), "n20 is known to be off: {told:?}");
}

#[test]
fn an_agent_that_only_refuses_holds_nobody_back_and_counts_in_full() {
    let mut house = promised();
    starts(&mut house, true);
    let names = house.names();
    for node in names
        .iter()
        .filter(|node| !["n01", "n20"].contains(&node.as_str()))
    {
        house.answer(node);
    }
    house.say("n20", |seen| seen.reason = Some("another rack's".to_owned()));
    let rack = &house.bench.rack;
    let last = rack.config.node("n20").unwrap();
    assert_eq!(plan::counted(rack, last, house.bench.now).cap, watts(1_100));
    let node = "n01".to_owned();
    let asked = house.bench.run(&Input::PowerOn { node }).unwrap();
    // 18 nodes of 700 W, and twice 1.1 kW: 14.8 kW of 15.0.
    assert_eq!(kinds(&asked), ["node_power_asked", "node_goes_on"]);
}

#[test]
fn no_cap_is_raised_before_everybody_is_known() {
    let mut house = promised();
    let claim = "w-n02".to_owned();
    house.bench.run(&Input::ReleaseClaim { claim }).unwrap();
    house.obey();
    starts(&mut house, false);
    house.claim("n03", "more", 300, 0).unwrap();
    assert_eq!(house.order("n03").cap, watts(700), "nobody has answered yet");
    for node in house.names() {
        let before = house.order("n03").cap;
        assert_eq!(before, watts(700), "before {node} has answered");
        house.answer(&node);
    }
    assert_eq!(house.order("n03").cap, watts(1_000));
}

/// What the first node counts with.
fn counted(house: &House) -> Power {
    let rack = &house.bench.rack;
    plan::counted(rack, &rack.config.nodes[0], house.bench.now).cap
}

/// Off and on again in less time than a silent node is believed to keep its cap: a boot has undone it all the same.
#[test]
fn whoever_is_switched_on_counts_with_all_that_it_can_draw_until_it_answers() {
    for is_silent in [true, false] {
        let mut house = promised();
        if is_silent {
            house.node_falls_silent("n01");
        }
        house.bench.switched("n01", false);
        assert_eq!(counted(&house), Power::ZERO);
        let node = "n01".to_owned();
        let asked = house.bench.run(&Input::PowerOn { node }).unwrap();
        assert_eq!(kinds(&asked), ["node_power_asked", "node_goes_on"]);
        assert_eq!(counted(&house), watts(1_100), "silent: {is_silent}");
        let before = house.bench.events.len();
        house.bench.switched("n01", true);
        let told = kinds(&house.bench.events[before..]);
        assert!(
            !told.contains(&"node_is_up"),
            "its agent has not answered: {told:?}"
        );
        house.answer("n01");
        let told = kinds(&house.bench.events[before..]);
        assert!(told.contains(&"node_is_up"), "{told:?}");
        assert_eq!(counted(&house), watts(700));
    }
}
