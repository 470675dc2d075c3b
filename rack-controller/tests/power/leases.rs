//! Caps that agents hold: who gets what, what goes first, and what counts until it is answered.

use facts::supply::SupplyState;
use facts::{Moment, Power};
use rack_api::v1::{DomainState, PowerAsk};
use rack_controller::decide::Input;
use rack_controller::pools::power::plan;
use rack_controller::rack::What;

use super::bench::watts;
use super::house_of_64::{House, Plan, kind_of};

/// Sells a shelf out: 64 claims of as much firm as there is, and as many revocable watts as are given.
fn sold(plan: &Plan, firm: u64, revocable: u64) -> House {
    let mut house = House::new(plan);
    for node in house.names() {
        house.claim(&node, &format!("w-{node}"), firm, revocable).unwrap();
    }
    house.obey();
    house
}

fn caps(house: &House) -> Power {
    house.bench.rack.kept.orders.values().map(|order| order.cap).sum()
}

#[test]
fn the_worked_example_is_sold_to_the_watt() {
    // 6 × 3 kW, n+1: 15.0 kW firm and 18.0 kW in all; with the usual margin 14.55 and 17.46; n+n 9.0 and 10.8.
    for (redundancy, margin, floor, firm, revocable, total) in [
        ("n+1", "0", 120, 234, 46, 18_000_000),
        ("n+1", "0.03", 120, 227, 45, 17_460_000),
        ("n+n", "0", 60, 140, 28, 10_800_000),
    ] {
        let plan = Plan {
            redundancy,
            margin,
            floor,
            ..Plan::default()
        };
        let mut house = sold(&plan, firm, revocable);
        let shelf = house.shelf();
        assert_eq!(
            shelf.total_watts.unwrap().milliwatts(),
            total,
            "{redundancy} {margin}"
        );
        assert_eq!(
            shelf.revocable_watts,
            watts(64 * revocable),
            "{redundancy} {margin}"
        );
        assert_eq!(caps(&house), watts(64 * (firm + revocable)));
        assert_eq!(house.broken(), Vec::<String>::new());
        for order in house.bench.rack.kept.orders.values() {
            assert_eq!(
                order.levels,
                [watts(firm)],
                "what a loss leaves is what was promised firm"
            );
        }
        // One more kilowatt is neither firm nor revocable.
        house.claim("n01", "more", 0, 600).unwrap();
        assert!(!house.granted("more"));
        assert!(house.claim("n02", "firm", 400, 0).is_err());
    }
}

#[test]
fn a_loss_takes_revocable_watts_in_one_breath_and_gives_them_back_after_the_trial() {
    let mut house = sold(&Plan::default(), 234, 46);
    house.bench.shelf[2] = None;
    let events = house.later(1_000);
    let told = kind_of(&events, "caps_ordered").unwrap();
    assert!(
        told.contains("64 nodes shall hold 15.0 kW together") && told.contains("2944 W revocable taken back"),
        "{told}"
    );
    assert_eq!(house.shelf().state, DomainState::Exposed);
    assert_eq!(caps(&house), watts(64 * 234));
    // Until the agents have answered, what they may still draw counts.
    let counted = plan::counted(
        &house.bench.rack,
        &house.bench.rack.config.nodes[0].clone(),
        house.bench.now,
    );
    assert_eq!((counted.cap, counted.next), (watts(280), watts(234)));
    house.obey();
    assert_eq!(house.broken(), Vec::<String>::new());
    assert!(!house.granted("w-n01"));

    house.bench.shelf[2] = Some(SupplyState::Ok);
    for _ in 0..10 {
        house.later(1_000);
        house.bench.pass(0);
    }
    house.obey();
    assert_eq!(house.shelf().state, DomainState::Redundant);
    assert!(house.granted("w-n01"));
    assert_eq!(caps(&house), watts(64 * 280));
}

#[test]
fn what_pays_for_a_raise_is_lowered_and_read_back_first() {
    let mut house = sold(&Plan::default(), 234, 46);
    // One node's claim goes; another node would have its watts.
    house
        .bench
        .run(&Input::ReleaseClaim {
            claim: "w-n01".to_owned(),
        })
        .unwrap();
    assert_eq!(house.order("n01").cap, watts(120), "it is lowered at once");
    house.claim("n02", "second", 110, 0).unwrap();
    assert_eq!(
        house.order("n02").cap,
        watts(280),
        "nothing is raised before n01 has answered"
    );
    assert_eq!(house.broken(), Vec::<String>::new());
    house.answer("n01");
    assert!(house.order("n02").cap > watts(280), "{:?}", house.order("n02"));
    assert_eq!(house.broken(), Vec::<String>::new());
}

#[test]
fn a_silent_node_counts_with_what_it_may_still_draw() {
    let mut house = sold(&Plan::default(), 234, 46);
    house.node_falls_silent("n07");
    let node = house.bench.rack.config.node("n07").unwrap().clone();
    let counted = plan::counted(&house.bench.rack, &node, house.bench.now);
    assert_eq!((counted.cap, counted.next), (watts(280), watts(280)));
    // It is lowered by an order that nobody answers: the old cap goes on counting, also when its claim is gone.
    house
        .bench
        .run(&Input::ReleaseClaim {
            claim: "w-n07".to_owned(),
        })
        .unwrap();
    let counted = plan::counted(&house.bench.rack, &node, house.bench.now);
    assert_eq!((counted.cap, counted.next), (watts(280), watts(280)));
    // For so long that it may have booted: then it may draw all that it can.
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 20_000);
    let counted = plan::counted(&house.bench.rack, &node, house.bench.now);
    assert_eq!((counted.cap, counted.next), (watts(1_100), watts(1_100)));
    house.later(0);
    assert!(!house.granted("w-n64"), "others pay for it");
    house.say("n07", |seen| seen.silent_since = None);
    house.answer("n07");
    assert_eq!(
        plan::counted(&house.bench.rack, &node, house.bench.now).cap,
        watts(120)
    );
}

#[test]
fn a_restart_changes_no_cap_and_raises_nothing_before_agents_answer() {
    let mut house = sold(&Plan::default(), 234, 46);
    let before = house.bench.rack.kept.orders.clone();
    house.restart();
    assert_eq!(
        house.bench.rack.kept.orders, before,
        "blindness of a moment changes nothing"
    );
    house.later(100);
    assert_eq!(house.bench.rack.kept.orders, before);
    // A cap that was never answered since counts with what may be in force, now and after a loss.
    let node = house.bench.rack.config.nodes[0].clone();
    let counted = plan::counted(&house.bench.rack, &node, house.bench.now);
    assert_eq!((counted.cap, counted.next), (watts(280), watts(280)));
}

#[test]
fn nothing_revocable_is_given_where_a_loss_would_outlast_the_ride() {
    let slow = Plan {
        more: "sell_revocable = true\ndetect_within = \"900ms\"\naccept_silence = true",
        ..Plan::default()
    };
    let house = sold(&slow, 200, 40);
    assert!(!house.granted("w-n01"));
    let reason = house.shelf().revocable_reason.unwrap();
    assert!(
        reason.contains("900 ms") && reason.contains("for 1000 ms"),
        "{reason}"
    );

    let untold = Plan {
        more: "sell_revocable = true",
        ..Plan::default()
    };
    let house = sold(&untold, 200, 40);
    assert!(house.shelf().revocable_reason.unwrap().contains("detect_within"));

    let off = Plan {
        more: "sell_revocable = false",
        ..Plan::default()
    };
    let refused = House::new(&off)
        .claim("n01", "x", 10, 10)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("expected sell_revocable = true"), "{refused}");
}

#[test]
fn without_a_word_of_the_operator_no_more_is_lent_than_a_silent_rack_survives() {
    let careful = Plan {
        more: "sell_revocable = true\ndetect_within = \"250ms\"",
        ..Plan::default()
    };
    // 12.8 kW firm of 15.0 that survive: 2.2 kW are lent, and not the 5.2 that could be ridden.
    let house = sold(&careful, 200, 46);
    assert_eq!(house.shelf().total_watts.unwrap(), watts(15_000));
    assert_eq!(house.shelf().revocable_watts, watts(47 * 46));
    assert!(caps(&house) <= watts(15_000));
}

#[test]
fn what_a_node_gave_up_is_lent_to_nobody_before_it_has_answered() {
    let careful = Plan {
        more: "sell_revocable = true\ndetect_within = \"250ms\"",
        ..Plan::default()
    };
    let mut house = sold(&careful, 230, 40);
    assert!(!house.granted("w-n64"), "64 x 270 W are more than survive");
    let release = Input::ReleaseClaim {
        claim: "w-n01".to_owned(),
    };
    house.bench.run(&release).unwrap();
    let late = house.order("n01").clone();
    assert!(late.may > late.cap);
    for node in house.names().into_iter().skip(1) {
        house.answer(&node);
    }
    let others: Power = house
        .held
        .iter()
        .filter(|(node, _)| *node != "n01")
        .map(|(_, order)| order.cap)
        .sum();
    assert!(
        others.saturating_add(late.may) <= watts(15_000),
        "{others} and {}",
        late.may
    );
}

#[test]
fn an_agent_that_lowers_slowly_ends_the_sale() {
    let mut house = sold(&Plan::default(), 200, 40);
    assert!(house.granted("w-n64"));
    house
        .bench
        .run(&Input::ReleaseClaim {
            claim: "w-n01".to_owned(),
        })
        .unwrap();
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 600);
    house.answer("n01");
    assert!(!house.granted("w-n64"));
    let reason = house.shelf().revocable_reason.unwrap();
    assert!(reason.contains("the slowest agent lowered in 600 ms"), "{reason}");
}

#[test]
fn a_cap_that_no_drill_has_shown_carries_no_revocable_watt() {
    let mut house = House::unproven(&Plan {
        nodes: 4,
        ..Plan::default()
    });
    house.claim("n01", "web", 200, 100).unwrap();
    house.obey();
    assert!(!house.granted("web"));
    house.prove("n01", watts(200));
    house.time(20);
    house.later(0);
    house.obey();
    assert!(house.granted("web"));
    // Shown at 200 W, it is not believed at less.
    house
        .bench
        .run(&Input::ReleaseClaim {
            claim: "web".to_owned(),
        })
        .unwrap();
    house.claim("n01", "small", 150, 100).unwrap();
    house.obey();
    assert!(!house.granted("small"));
}

#[test]
fn sight_may_be_lost_for_ten_seconds() {
    let mut house = sold(&Plan::default(), 200, 40);
    let blind = Input::BmcSilent {
        bmc: "shelf".to_owned(),
        reason: facts::NoData::Timeout,
        detail: String::new(),
    };
    house.bench.run(&blind).unwrap();
    assert!(house.granted("w-n01"));
    house.claim("n01", "late", 0, 20).unwrap();
    assert!(!house.granted("late"), "nothing new is given unseen");
    let start = house.bench.now.millis();
    house.bench.now = Moment::from_millis(start + 9_999);
    house.bench.run(&Input::Tick).unwrap();
    assert!(house.granted("w-n01"));
    house.bench.now = Moment::from_millis(start + 10_000);
    house.bench.run(&Input::Tick).unwrap();
    assert!(!house.granted("w-n01"));
    assert_eq!(
        house.order("n01").cap,
        watts(200),
        "firm watts are never touched for our blindness"
    );
}

#[test]
fn a_deficit_sheds_the_last_in_rank_and_leaves_floors() {
    let mut house = House::new(&Plan {
        nodes: 4,
        ..Plan::default()
    });
    for (node, name, priority) in [("n01", "first", 1), ("n02", "fifth", 5), ("n03", "ninth", 9)] {
        house
            .ask(PowerAsk {
                watts: watts(1_000),
                purpose: name.to_owned(),
                node: Some(node.to_owned()),
                priority: Some(priority),
                ..PowerAsk::default()
            })
            .unwrap();
    }
    house.obey();
    // Supplies go, one after the other, until one of 3 kW is left and then none: only then is 3.12 kW too much.
    for bay in 0..5 {
        house.bench.shelf[bay] = None;
    }
    let events = house.later(1_000);
    assert_eq!(house.shelf().state, DomainState::Deficit);
    assert!(
        kind_of(&events, "caps_ordered")
            .unwrap()
            .contains("1 firm claims cannot be served")
    );
    assert_eq!(house.order("n03").cap, watts(120));
    assert_eq!(
        (house.order("n01").cap, house.order("n02").cap),
        (watts(1_000), watts(1_000))
    );
    house.obey();
    assert!(caps(&house) <= watts(3_000));
}

#[test]
fn an_order_that_the_journal_forgot_is_given_again_under_a_later_number() {
    let mut house = sold(&Plan::default(), 200, 40);
    let number = house.order("n01").number;
    house.say("n01", |seen| {
        seen.answered = number + 7;
        seen.applied = false;
        seen.ahead = Some(1_000_000);
    });
    assert_eq!(house.order("n01").number, number + 8);
    // And who forgot something raises nothing, wherever.
    house.claim("n02", "more", 100, 0).unwrap();
    assert_eq!(house.order("n02").cap, watts(240));
    house.say("n01", |seen| seen.ahead = None);
    house.answer("n01");
    assert_eq!(house.order("n02").cap, watts(340));
}

#[test]
fn in_observe_nothing_is_ordered() {
    let mut config = super::house_of_64::config(&Plan::default());
    config.actuators.mode = intent::Mode::Observe;
    let mut bench = super::bench::Bench::new(&config);
    bench.look();
    assert!(bench.rack.kept.orders.is_empty());
    assert!(
        !bench
            .events
            .iter()
            .any(|event| matches!(event.what, What::CapsOrdered { .. }))
    );
}
