//! Nodes that nobody can lower, while a loss has taken all that was redundant: the others pay for them by rank, and that is told.

use facts::Power;
use facts::supply::SupplyState;
use rack_api::v1::{DomainState, PowerAsk};
use rack_controller::decide::Input;
use rack_controller::pools::power::plan;
use rack_controller::view::view;

use super::bench::watts;
use super::house_of_64::{House, Plan, kind_of};

/// What a feed that has begun to fail leaves when it fails wholly is what a raise must fit, also while somebody stands above its order.
#[test]
fn the_rest_of_a_failing_feed_raises_nobody() {
    // Three supplies of 3 kW on each feed; ten nodes with 900 W firm each: all that one feed bears.
    let mut house = House::new(&Plan {
        redundancy: "n+n",
        nodes: 10,
        ..Plan::default()
    });
    (1..=10).for_each(|node| ask(&mut house, node, 900, 0, 1));
    house.obey();
    let claim = "w1".to_owned();
    house.bench.run(&Input::ReleaseClaim { claim }).unwrap();
    house.claim("n02", "more", 200, 0).unwrap();
    // The first supply of a feed goes while n01 has not answered its lowering.
    house.bench.shelf[5] = None;
    house.later(1_000);
    assert_eq!(house.shelf().state, DomainState::Exposed);
    assert_eq!(house.order("n02").cap, watts(900), "n01 draws 900 W still");
    assert!(counted(&house) <= watts(9_000));
    house.answer("n01");
    assert_eq!(house.order("n02").cap, watts(1_100));
}

/// Everything that nodes may draw, as the controller counts it.
fn counted(house: &House) -> Power {
    let rack = &house.bench.rack;
    let nodes = rack.config.nodes.iter();
    nodes
        .map(|node| plan::counted(rack, node, house.bench.now).cap)
        .sum()
}

fn shed(house: &House) -> Vec<String> {
    let claims = view(&house.bench.rack, house.bench.now).claims;
    let shed = claims.into_iter().filter(|claim| claim.shed);
    shed.map(|claim| claim.purpose).collect()
}

fn ask(house: &mut House, node: usize, firm: u64, revocable: u64, priority: u8) {
    house
        .ask(PowerAsk {
            watts: watts(firm),
            revocable_watts: watts(revocable),
            purpose: format!("w{node}"),
            node: Some(format!("n{node:02}")),
            priority: Some(priority),
            ..PowerAsk::default()
        })
        .unwrap();
}

#[test]
fn a_dead_agents_watts_are_paid_for_by_the_last_in_rank() {
    // Fifteen nodes with 1,000 W firm each: 15.0 kW of 15.0 kW. The first six have 50 W of the redundant share beside that.
    let mut house = House::new(&Plan {
        nodes: 15,
        ..Plan::default()
    });
    for node in 1..=15 {
        ask(
            &mut house,
            node,
            1_000,
            if node <= 6 { 50 } else { 0 },
            u8::try_from(1 + node / 2).unwrap(),
        );
    }
    house.obey();
    assert!(house.granted("w3"));
    house.node_falls_silent("n03");
    house.bench.shelf[2] = None;
    let events = house.later(1_000);
    for node in house.names() {
        if node != "n03" {
            house.answer(&node);
        }
    }
    assert!(
        counted(&house) <= watts(15_000),
        "{} are in force on 15 kW",
        counted(&house)
    );
    assert_eq!(house.shelf().state, DomainState::Deficit);
    assert_eq!(house.shelf().deficit_watts, watts(50));
    assert!(kind_of(&events, "domain_deficit").is_some());
    assert_eq!(shed(&house), ["w15"], "the last in rank, and nobody else");
    assert_eq!(house.order("n15").cap, watts(120));
    assert_eq!(house.order("n14").cap, watts(1_000));
    // It answers again: everybody has what was promised.
    house.say("n03", |seen| seen.silent_since = None);
    house.answer("n03");
    house.later(1_000);
    house.obey();
    assert_eq!(house.shelf().state, DomainState::Exposed);
    assert_eq!((shed(&house).len(), house.order("n15").cap), (0, watts(1_000)));
    assert_eq!(counted(&house), watts(15_000));
}

#[test]
fn in_a_deficit_too_who_is_served_again_is_raised() {
    let mut house = House::new(&Plan {
        nodes: 9,
        ..Plan::default()
    });
    for node in 1..=9 {
        ask(&mut house, node, 1_000, 0, u8::try_from(node).unwrap());
    }
    house.obey();
    for bay in 0..4 {
        house.bench.shelf[bay] = None;
    }
    house.later(1_000);
    house.obey();
    assert_eq!(house.shelf().state, DomainState::Deficit);
    let caps = |house: &House| {
        let orders = house.bench.rack.kept.orders.values();
        orders.filter(|order| order.cap == watts(1_000)).count()
    };
    // 6.0 kW: all floors are 1.08 kW, and each of five more than its floor costs 880 W.
    assert_eq!((caps(&house), shed(&house).len()), (5, 4));
    house.bench.shelf[0] = Some(SupplyState::Ok);
    for _ in 0..10 {
        house.later(1_000);
        house.bench.pass(0);
    }
    house.obey();
    // 9.0 kW are there again, and that is just what is promised.
    assert_eq!((caps(&house), shed(&house).len()), (9, 0));
    assert_eq!(house.shelf().state, DomainState::Exposed);
    // One that is worth less: the deficit stays, and who is served by rank is raised within it.
    let rack_of = |lost: usize| {
        let mut house = House::new(&Plan {
            nodes: 15,
            ..Plan::default()
        });
        for node in 1..=15 {
            ask(&mut house, node, 1_000, 0, u8::try_from(1 + node / 2).unwrap());
        }
        house.obey();
        (0..lost).for_each(|bay| house.bench.shelf[bay] = None);
        house.later(1_000);
        house.obey();
        house
    };
    let mut house = rack_of(4);
    let before = caps(&house);
    house.bench.shelf[0] = Some(SupplyState::Ok);
    for _ in 0..10 {
        house.later(1_000);
        house.bench.pass(0);
    }
    house.obey();
    assert_eq!(house.shelf().state, DomainState::Deficit);
    assert_eq!(
        (before, caps(&house)),
        (4, 8),
        "9.0 kW serve eight of fifteen, and they have it"
    );
    assert_eq!(shed(&house).len(), 7);
    assert!(counted(&house) <= watts(9_000));
}

/// One lost renewal is enough to be silent: what the node has already is paid for once, and not by its neighbours once more.
#[test]
fn silence_alone_takes_nobodys_revocable_watts() {
    let mut house = House::new(&Plan::default());
    for node in house.names() {
        house.claim(&node, &format!("w-{node}"), 234, 46).unwrap();
    }
    house.obey();
    // 17,920 W are sold of 18,000: now all of it.
    house.claim("n64", "rest", 0, 80).unwrap();
    house.obey();
    assert!(house.granted("rest"));
    let before = house.bench.rack.kept.orders.clone();
    house.node_falls_silent("n07");
    house.later(1_000);
    assert!(
        house
            .names()
            .iter()
            .all(|node| house.granted(&format!("w-{node}")))
    );
    assert_eq!(house.bench.rack.kept.orders, before);
    // Who asks for more meanwhile gets nothing of what the silent one may still draw.
    house.claim("n01", "more", 0, 40).unwrap();
    assert!(!house.granted("more"));
    house.later(20_000);
    assert!(
        !house.granted("w-n64"),
        "it may have booted: others pay for all that it can draw"
    );
}
