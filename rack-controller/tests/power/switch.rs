//! Nodes that no agent caps count with all that they can draw; who may be is switched off as the last shed; nodes come on one by one.

use facts::{Power, Reading};
use rack_api::v1::{DomainState, PowerAsk};
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, want};
use rack_controller::pools::power::plan;
use rack_controller::rack::sight::RestorePolicy;
use rack_controller::rack::state::Proof;
use rack_controller::rack::{Action, BmcFacts, Event, Outcome, SwitchTo, What, evolve};
use rack_controller::view::node_doubts;

use super::bench::{Bench, ask, config, kinds, watts};

const UUID: &str = "4c4c4544-0042-3510-8052-b4c04f564d32";
const OTHER: &str = "4c4c4544-0042-3510-8052-b4c04f564d33";

/// The shelf of six supplies with these nodes of 4 kW, whose caps their BMCs hold, and further lines for each.
fn rack(lines: &[&str]) -> RackConfig {
    let mut config = config("n", "0", "");
    config.nodes.truncate(lines.len());
    for (node, line) in config.nodes.iter_mut().zip(lines) {
        node.bmc = Some(node.name.clone());
        node.uuid = Some(UUID.to_owned());
        node.allow_power_off = line.contains("off");
    }
    config.actuators.mode = intent::Mode::Enforce;
    config
}

fn on(bench: &mut Bench, node: &str, uuid: &str) {
    say(bench, node, Some(true), uuid, None);
}

fn say(bench: &mut Bench, node: &str, on: Option<bool>, uuid: &str, cap: Option<Power>) {
    let mut facts = BmcFacts {
        powered_on: on,
        uuid: Some(uuid.to_owned()),
        ..BmcFacts::default()
    };
    if let Some(cap) = cap {
        facts.cap = Reading::Value(cap);
    }
    let input = Input::NodeBmcSeen {
        node: node.to_owned(),
        facts: Box::new(facts),
    };
    bench.run(&input).unwrap();
}

fn tick(bench: &mut Bench, millis: u64) -> Vec<&'static str> {
    bench.now = bench.now.after(std::time::Duration::from_millis(millis));
    kinds(&bench.run(&Input::Tick).unwrap())
}

fn switches(bench: &Bench) -> Vec<(String, SwitchTo)> {
    let wanted = want(&bench.rack, bench.now).into_iter();
    let switches = wanted.filter_map(|action| match action {
        Action::SwitchNode { node, to } => Some((node, to)),
        Action::SetLed { .. }
        | Action::SetCap { .. }
        | Action::OrderDrive { .. }
        | Action::DetachDrive { .. }
        | Action::ReadSupplies { .. } => None,
    });
    switches.collect()
}

/// What happened is the same after it was written down, and says something.
fn is_journaled_whole(bench: &Bench) {
    let told = bench
        .events
        .iter()
        .filter(|event| matches!(event.what, What::SwitchChanged(_)));
    assert!(told.clone().count() > 1);
    for event in told {
        let text = serde_json::to_string(event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), *event, "{text}");
        assert!(event.is_journaled() && event.message().contains(event.subject()));
    }
}

fn lose(bench: &mut Bench, supplies: usize) {
    for bay in 0..supplies {
        bench.shelf[bay] = None;
    }
    bench.look();
}

#[test]
fn a_limit_at_a_bmc_counts_only_where_a_drill_has_shown_that_it_bites() {
    let mut bench = Bench::new(&rack(&["", ""]));
    assert_eq!(bench.sums().held, Power::ZERO, "both are off");
    on(&mut bench, "n01", UUID);
    on(&mut bench, "n02", UUID);
    assert_eq!(bench.sums().held, watts(8_000), "nothing caps them");
    let node = PowerAsk {
        node: Some("n01".to_owned()),
        ..ask("web", 1_000)
    };
    bench.run(&Input::ClaimPower { ask: node, key: None }).unwrap();
    say(&mut bench, "n01", Some(true), UUID, Some(watts(1_000)));
    assert_eq!(
        bench.sums().held,
        watts(8_000),
        "a limit that nobody has seen bite"
    );
    let proof = Proof {
        cap: watts(900),
        before: watts(2_000),
        under: watts(900),
        at: bench.now,
    };
    let node = "n01".to_owned();
    let proven = Event::new(bench.now, What::CapProven { node, proof });
    evolve(&mut bench.rack, &proven);
    assert_eq!(bench.sums().held, watts(5_000), "its claim, and the other's draw");
    say(&mut bench, "n01", Some(true), UUID, Some(watts(600)));
    assert_eq!(bench.sums().held, watts(5_000), "never less than what is claimed");
    say(&mut bench, "n01", Some(true), UUID, None);
    assert_eq!(bench.sums().held, watts(8_000), "the limit is gone");
}

#[test]
fn the_last_in_rank_that_may_is_switched_off_and_nobody_else() {
    let mut bench = Bench::new(&rack(&["off", "off", ""]));
    for node in ["n01", "n02", "n03"] {
        on(&mut bench, node, UUID);
    }
    let best = PowerAsk {
        node: Some("n02".to_owned()),
        priority: Some(9),
        ..ask("web", 1_000)
    };
    bench.run(&Input::ClaimPower { ask: best, key: None }).unwrap();
    assert!(switches(&bench).is_empty());
    // 12 kW of nodes, and 9 kW are left: one must go. n01 has no claim, so it is the last in rank; n03 may not.
    lose(&mut bench, 3);
    assert_eq!(switches(&bench), [("n01".to_owned(), SwitchTo::Off)]);
    let action = Action::SwitchNode {
        node: "n01".to_owned(),
        to: SwitchTo::Off,
    };
    let outcome = Outcome::Done;
    bench.run(&Input::ActionDone { action, outcome }).unwrap();
    assert_eq!(bench.sums().state, DomainState::Redundant, "8 kW of 9 kW, at n");
    assert!(
        switches(&bench).is_empty(),
        "it is not asked again, and nobody else is"
    );
    // 6 kW are left: n02 goes although it has a claim, because n03 may not.
    lose(&mut bench, 4);
    assert_eq!(switches(&bench), [("n02".to_owned(), SwitchTo::Off)]);
    is_journaled_whole(&bench);
}

#[test]
fn nobody_is_switched_off_who_may_not_be_or_may_be_another_machine() {
    let mut bench = Bench::new(&rack(&["", "off", "off"]));
    let host = std::sync::Arc::make_mut(&mut bench.rack.config);
    host.controller_host = Some("n03".to_owned());
    on(&mut bench, "n01", UUID);
    on(&mut bench, "n02", OTHER);
    on(&mut bench, "n03", UUID);
    lose(&mut bench, 4);
    tick(&mut bench, 10_000);
    assert!(switches(&bench).is_empty());
    assert_eq!(
        bench.sums().state,
        DomainState::Deficit,
        "shown, and nothing is switched"
    );
    on(&mut bench, "n02", UUID);
    assert_eq!(switches(&bench), [("n02".to_owned(), SwitchTo::Off)]);
}

#[test]
fn nobody_is_switched_off_on_account_of_supplies_on_trial() {
    let mut bench = Bench::new(&rack(&["off", "off", "off"]));
    let whole = bench.shelf.clone();
    lose(&mut bench, 4);
    bench.shelf = whole;
    bench.look();
    for node in ["n01", "n02", "n03"] {
        on(&mut bench, node, UUID);
    }
    // 12 kW of nodes on 6 kW that count, and on four supplies that were put in a moment ago.
    assert_eq!(bench.sums().state, DomainState::Deficit);
    assert!(switches(&bench).is_empty(), "they deliver");
    lose(&mut bench, 4);
    assert_eq!(switches(&bench).len(), 2, "now they do not");
}

#[test]
fn a_node_that_somebody_has_switched_on_again_stays_on_where_it_need_not_be_off() {
    let mut bench = Bench::new(&rack(&["off", ""]));
    on(&mut bench, "n01", UUID);
    on(&mut bench, "n02", UUID);
    let whole = bench.shelf.clone();
    lose(&mut bench, 4);
    assert_eq!(switches(&bench), [("n01".to_owned(), SwitchTo::Off)]);
    let action = Action::SwitchNode {
        node: "n01".to_owned(),
        to: SwitchTo::Off,
    };
    let outcome = Outcome::Done;
    bench.run(&Input::ActionDone { action, outcome }).unwrap();
    on(&mut bench, "n01", UUID);
    assert_eq!(
        switches(&bench),
        [("n01".to_owned(), SwitchTo::Off)],
        "6 kW do not bear it"
    );
    bench.shelf = whole;
    for _ in 0..120 {
        bench.look();
        tick(&mut bench, 1_000);
    }
    let said = kinds(&bench.events);
    assert!(said.contains(&"node_spared"), "{said:?}");
    assert!(switches(&bench).is_empty(), "18 kW bear it");
}

#[test]
fn another_machine_and_a_restore_policy_that_would_overload_are_doubts() {
    let mut bench = Bench::new(&rack(&["off", "off"]));
    let says = |bench: &mut Bench, uuid: &str, restore: RestorePolicy| {
        let facts = BmcFacts {
            powered_on: Some(true),
            uuid: Some(uuid.to_owned()),
            restore: Some(restore),
            ..BmcFacts::default()
        };
        let facts = Box::new(facts);
        let node = "n01".to_owned();
        bench.run(&Input::NodeBmcSeen { node, facts }).unwrap();
        let doubts = node_doubts(&bench.rack).into_iter();
        let of = doubts.filter(|doubt| doubt.resource == "n01");
        of.map(|doubt| doubt.kind).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(
        says(&mut bench, UUID, RestorePolicy::AlwaysOn),
        none,
        "8 kW of 18 kW"
    );
    assert_eq!(says(&mut bench, OTHER, RestorePolicy::AlwaysOn), ["identity"]);
    lose(&mut bench, 4);
    assert_eq!(says(&mut bench, UUID, RestorePolicy::AlwaysOff), none);
    assert_eq!(says(&mut bench, UUID, RestorePolicy::AlwaysOn), ["restore"]);
    assert_eq!(says(&mut bench, UUID, RestorePolicy::LastState), ["restore"]);
}

#[test]
fn nodes_come_on_one_after_the_other_as_far_as_all_that_they_draw_fits() {
    let mut bench = Bench::new(&rack(&["", "", "", ""]));
    lose(&mut bench, 3);
    for node in ["n01", "n02", "n03", "n04"] {
        say(&mut bench, node, Some(false), UUID, None);
    }
    let best = PowerAsk {
        node: Some("n03".to_owned()),
        ..ask("web", 1_000)
    };
    bench.run(&Input::ClaimPower { ask: best, key: None }).unwrap();
    let host = std::sync::Arc::make_mut(&mut bench.rack.config);
    host.actuators
        .stricter
        .insert(intent::Actuator::NodePower, intent::Mode::Observe);
    let asked = |node: &str| Input::PowerOn {
        node: node.to_owned(),
    };
    assert_eq!(
        bench.run(&asked("n01")).unwrap_err().code(),
        "conflict",
        "the mode forbids it"
    );
    std::sync::Arc::make_mut(&mut bench.rack.config)
        .actuators
        .stricter
        .clear();
    assert_eq!(
        kinds(&bench.run(&asked("n01")).unwrap()),
        ["node_power_asked", "node_goes_on"]
    );
    for node in ["n02", "n03", "n04"] {
        assert_eq!(
            kinds(&bench.run(&asked(node)).unwrap()),
            ["node_power_asked"],
            "{node} waits"
        );
    }
    assert_eq!(
        bench.sums().held,
        watts(5_000),
        "it counts from the moment when it is told"
    );
    assert_eq!(switches(&bench), [("n01".to_owned(), SwitchTo::On)]);
    assert!(
        tick(&mut bench, 5_000).is_empty(),
        "the next waits until it is up"
    );
    on(&mut bench, "n01", UUID);
    assert_eq!(
        switches(&bench),
        [("n03".to_owned(), SwitchTo::On)],
        "the one with a claim"
    );
    on(&mut bench, "n03", UUID);
    // 8 kW of 9 kW are drawn at the most: the third does not fit.
    assert!(switches(&bench).is_empty());
    assert!(tick(&mut bench, 60_000).is_empty());
    assert_eq!(
        plan::next_on(&bench.rack, bench.now).map(|node| node.name.as_str()),
        None
    );
    say(&mut bench, "n01", Some(false), UUID, None);
    assert_eq!(switches(&bench), [("n02".to_owned(), SwitchTo::On)]);
    is_journaled_whole(&bench);
}
