//! What nodes leave unused is lent slowly, only where it can be taken back, and taken back at once.

use facts::supply::SupplyState;
use facts::{Moment, Power};
use rack_api::v1::{Asked, Lending, PauseRequest, PowerAsk};
use rack_controller::decide::{Input, decide_for};
use rack_controller::rack::{Event, Rack, What, evolve};
use rack_controller::view::view;

use super::bench::{kinds, watts};
use super::house_of_64::{House, Plan, kind_of};

const SELLS: &str = "sell_revocable = true\ndetect_within = \"250ms\"\nlend_window = \"10s\"";

fn lendable(node: &str, firm: u64) -> PowerAsk {
    PowerAsk {
        watts: watts(firm),
        purpose: format!("lender-{node}"),
        node: Some(node.to_owned()),
        lendable: true,
        ..PowerAsk::default()
    }
}

/// Sixteen nodes that are sold out: n01 with 880 W that may be lent; n16 has nothing but its floor and asks for 400 W that are revocable.
fn sold_out(redundancy: &'static str, more: &'static str, others: u64) -> House {
    let mut house = House::new(&Plan {
        nodes: 16,
        redundancy,
        more,
        ..Plan::default()
    });
    house.ask(lendable("n01", 880)).unwrap();
    for node in 2..=15 {
        house
            .claim(&format!("n{node:02}"), &format!("w{node}"), others, 0)
            .unwrap();
    }
    house.claim("n16", "borrower", 0, 400).unwrap();
    house.obey();
    house
}

/// A second in which n01 is told to draw so much.
fn second(house: &mut House, drawn: u64) -> Vec<Event> {
    let mut events = house.later(1_000);
    events.extend(house.draws("n01", drawn));
    events
}

/// A house in which n01 lends to n16.
fn lent() -> House {
    let mut house = sold_out("n+1", SELLS, 1_000);
    (0..=10).for_each(|_| drop(second(&mut house, 300)));
    house.obey();
    assert!(house.granted("borrower"));
    house
}

fn lending(house: &House) -> Lending {
    let rack = view(&house.bench.rack, house.bench.now);
    let mut claims = rack.claims.into_iter();
    claims
        .find(|claim| claim.purpose == "lender-n01")
        .unwrap()
        .lending
        .unwrap()
}

#[test]
fn unused_watts_are_lent_after_the_window_and_only_when_the_lender_was_read_back() {
    let mut house = sold_out("n+1", SELLS, 1_000);
    assert!(!house.granted("borrower"), "everything is sold");
    for _ in 0..10 {
        let events = second(&mut house, 300);
        assert_eq!(
            kind_of(&events, "watts_lent"),
            None,
            "nothing is lent before the window is over"
        );
    }
    assert_eq!(
        lending(&house).reason.unwrap(),
        "what it draws was not watched for 10 s yet"
    );
    let events = second(&mut house, 300);
    assert_eq!(
        kind_of(&events, "watts_lent").unwrap(),
        "n01 lends 550 W of its firm watts and keeps 330 W: it drew 300 W at the most"
    );
    assert_eq!(house.order("n01").cap, watts(330), "its cap is lowered to that");
    assert_eq!(
        house.order("n16").cap,
        watts(120),
        "nobody is raised before the lender has answered"
    );
    assert!(!house.granted("borrower"));
    assert_eq!(house.broken(), Vec::<String>::new());
    house.answer("n01");
    assert_eq!(
        (house.order("n16").cap, house.order("n16").levels.as_slice()),
        (watts(520), [watts(120)].as_slice()),
        "a loss takes them at once"
    );
    house.obey();
    assert!(house.granted("borrower"));
    assert_eq!(house.broken(), Vec::<String>::new());
    let told = lending(&house);
    assert_eq!((told.lent_watts, told.reason), (watts(550), None));
    assert_eq!(
        (told.drawn_watts, told.peak_watts),
        (watts(300), Some(watts(300)))
    );
    // 5 s until its BMC is read again, and two lowerings of 20 ms: the borrower's, and its own answer.
    assert_eq!(told.take_back_millis, Some(5_040));
    assert_eq!(house.shelf().lent_watts, Some(watts(550)));
}

#[test]
fn what_is_lent_is_taken_back_in_the_turn_in_which_the_draw_rises() {
    let mut house = lent();
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 200);
    assert_eq!(
        kind_of(&house.draws("n01", 313), "lent_watts_recalled"),
        None,
        "a little more is borne by the margin"
    );
    let events = house.draws("n01", 314);
    assert_eq!(
        kind_of(&events, "lent_watts_recalled").unwrap(),
        "n01 takes back the 550 W that it lent: it draws 314 W of the 330 W that it kept"
    );
    assert_eq!(
        house.order("n16").cap,
        watts(120),
        "the borrower is lowered at once"
    );
    assert_eq!(
        house.order("n01").cap,
        watts(330),
        "and the lender waits until that was read back"
    );
    assert!(!house.granted("borrower"));
    assert_eq!(lending(&house).recalled_at, Some(house.bench.now));
    assert_eq!(house.broken(), Vec::<String>::new());
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 70);
    house.answer("n16");
    assert_eq!(house.order("n01").cap, watts(880));
    assert_eq!(house.broken(), Vec::<String>::new());
    house.answer("n01");
    let events = &house.bench.events;
    assert_eq!(
        kind_of(events, "lent_watts_returned").unwrap(),
        "n01 has back what it lent, 70 ms after it was asked for"
    );
    // It is watched anew for a whole window before anything is lent again.
    for _ in 0..10 {
        assert_eq!(kind_of(&second(&mut house, 200), "watts_lent"), None);
    }
    assert!(kind_of(&second(&mut house, 200), "watts_lent").is_some());
    assert_eq!(
        lending(&house).take_back_millis,
        Some(5_140),
        "the borrower needed 70 ms this time, which counts for both halves"
    );
}

#[test]
fn whatever_makes_a_lender_doubtful_takes_back() {
    let node = || "n01".to_owned();
    let mut stale = lent();
    assert_eq!(
        kind_of(&stale.later(15_000), "lent_watts_recalled"),
        None,
        "three readings may be missed"
    );
    let events = stale.later(1_000);
    assert!(
        kind_of(&events, "lent_watts_recalled")
            .unwrap()
            .ends_with("nobody tells what it draws")
    );

    let mut silent = lent();
    silent.node_falls_silent("n01");
    let told = kind_of(&silent.bench.events, "lent_watts_recalled").unwrap();
    assert!(told.ends_with("its agent does not answer"), "{told}");

    let mut doubted = lent();
    let reason = "it drew more".to_owned();
    let what = What::CapDoubted { node: node(), reason };
    evolve(&mut doubted.bench.rack, &Event::new(doubted.bench.now, what));
    let told = kind_of(&second(&mut doubted, 300), "lent_watts_recalled").unwrap();
    assert!(told.ends_with("no drill has shown that its cap bites"), "{told}");

    let mut lost = lent();
    lost.bench.shelf[1] = None;
    let told = kind_of(&lost.later(1_000), "lent_watts_recalled").unwrap();
    assert!(told.ends_with("shelf is not redundant"), "{told}");
    assert_eq!(lost.order("n16").cap, watts(120));

    let mut slow = lent();
    slow.time(700);
    let told = kind_of(&second(&mut slow, 300), "lent_watts_recalled").unwrap();
    assert!(
        told.contains("shelf sells nothing revocable: a loss is seen within 250 ms"),
        "{told}"
    );

    let mut released = lent();
    let claim = "borrower".to_owned();
    let events = released.bench.run(&Input::ReleaseClaim { claim }).unwrap();
    let told = kind_of(&events, "lent_watts_recalled").unwrap();
    assert!(
        told.ends_with("nobody who could borrow asks for revocable watts"),
        "{told}"
    );

    let mut smaller = lent();
    let claim = "lender-n01".to_owned();
    let events = smaller.bench.run(&Input::ReleaseClaim { claim }).unwrap();
    assert!(
        kind_of(&events, "lent_watts_recalled")
            .unwrap()
            .ends_with("nothing that is claimed on it is lendable")
    );
}

#[test]
fn what_is_not_lendable_or_not_proven_is_not_lent() {
    let mut house = sold_out("n+1", SELLS, 1_000);
    for _ in 0..15 {
        house.later(1_000);
        let events = house.draws("n02", 200);
        assert_eq!(
            kind_of(&events, "watts_lent"),
            None,
            "n02's claim says nothing of lending"
        );
    }
    // What is claimed beside it on the same node, and says nothing of lending, is kept.
    let mut house = sold_out("n+1", SELLS, 970);
    let claim = "lender-n01".to_owned();
    house.bench.run(&Input::ReleaseClaim { claim }).unwrap();
    house.ask(lendable("n01", 400)).unwrap();
    house.claim("n01", "beside", 600, 0).unwrap();
    house.obey();
    let mut told = None;
    for _ in 0..=10 {
        told = kind_of(&second(&mut house, 300), "watts_lent");
    }
    assert_eq!(
        told.unwrap(),
        "n01 lends 400 W of its firm watts and keeps 600 W: it drew 300 W at the most"
    );
    // A drill has shown only that a cap of 700 W bites: no lower one carries anybody's watts.
    let mut house = sold_out("n+1", SELLS, 1_000);
    house.prove("n01", watts(700));
    let mut told = None;
    for _ in 0..=10 {
        told = kind_of(&second(&mut house, 300), "watts_lent");
    }
    assert_eq!(
        told.unwrap(),
        "n01 lends 180 W of its firm watts and keeps 700 W: it drew 300 W at the most"
    );
    house.obey();
    assert!(!house.granted("borrower"), "180 W are not 400 W");
}

#[test]
fn after_losses_everybody_is_due_all_firm_watts_and_nobody_borrows() {
    // n+2: 12.0 kW survive. After one loss another one is still covered, and what is free then could be granted; lent watts could not.
    let mut house = sold_out("n+2", SELLS, 780);
    (0..=10).for_each(|_| drop(second(&mut house, 300)));
    house.obey();
    assert!(house.granted("borrower"));
    assert_eq!(house.order("n16").levels, [watts(120), watts(120)]);
    assert_eq!(
        house.order("n01").levels,
        [watts(330), watts(330)],
        "it has its own back after that was read back"
    );
}

#[test]
fn a_restart_leaves_what_is_lent_and_a_pause_gives_it_back() {
    let mut house = lent();
    house.restart();
    house.bench.look();
    house.later(10_000);
    assert!(
        house.granted("borrower"),
        "who has just started is given time to look"
    );
    assert!(
        kind_of(&house.later(5_001), "lent_watts_recalled")
            .unwrap()
            .ends_with("nobody tells what it draws")
    );
    // The journal gives the same.
    let house = lent();
    let mut again = Rack::new(&house.bench.rack.config);
    for event in house.bench.events.iter().filter(|event| event.is_journaled()) {
        evolve(&mut again, event);
    }
    assert_eq!(again.kept.lent, house.bench.rack.kept.lent);
    assert!(!again.kept.lent.is_empty());

    let mut paused = lent();
    let pause = Input::Pause(PauseRequest {
        for_seconds: Some(600),
        ..PauseRequest::default()
    });
    let asked = Asked {
        reason: Some("work".to_owned()),
        ..Asked::default()
    };
    for event in decide_for(&paused.bench.rack, &pause, paused.bench.now, Some(&asked)).unwrap() {
        evolve(&mut paused.bench.rack, &event);
    }
    assert!(kind_of(&second(&mut paused, 330), "lent_watts_recalled").is_some());
    paused.answer("n16");
    assert_eq!(
        paused.order("n01").cap,
        watts(880),
        "a pause holds back no firm watts"
    );
}

#[test]
fn an_ask_that_could_never_lend_is_refused() {
    let mut house = sold_out("n+1", SELLS, 900);
    let no_node = PowerAsk {
        node: None,
        ..lendable("n03", 10)
    };
    for (ask, why) in [
        (no_node, "expected the node with the ask"),
        (lendable("n03", 0), "expected"),
    ] {
        let refusal = house.ask(ask).unwrap_err().to_string();
        assert!(refusal.contains(why), "{refusal}");
    }
    let events = house.ask(lendable("n03", 10)).unwrap();
    assert_eq!(kinds(&events)[0], "claim_admitted");
    let claims = view(&house.bench.rack, house.bench.now).claims;
    let told: Vec<bool> = claims.iter().map(|claim| claim.lendable).collect();
    assert_eq!(told.iter().filter(|lendable| **lendable).count(), 2);
    let whole: Power = house.bench.rack.kept.orders.values().map(|order| order.cap).sum();
    assert!(whole <= watts(15_000));
    assert_eq!(house.bench.shelf[0], Some(SupplyState::Ok));
}
