//! What goes wrong with drives: pulled, moved, doubled, lying, hanging, failing, in the wrong hands. Each is a clear state.

use std::collections::BTreeSet;

use agent_api::v1::DriveOrder;
use rack_api::v1::{BayLife, DrainRequest, Interlock, LocateRequest};
use rack_controller::decide::{DrivesInput, Input, Refusal, drain_answer, want};
use rack_controller::pools::drives::{Ending, Tenancy, plan};
use rack_controller::rack::What;
use rack_controller::view::{drive_doubts, drives};

use crate::bench::{Bench, ask};
use crate::world::Part;

#[test]
fn a_pulled_drive_stays_pulled_and_its_claim_never_slides_onto_another() {
    let mut bench = Bench::with_pool(&["S1"]);
    bench.world.works_for.insert("n01".to_owned(), "db".to_owned());
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    let part = bench.world.pull("box", "1");
    bench.pass(1);
    assert_eq!(bench.word("S1"), "releasing");
    bench.world.put("box", "1", Part::new("S9"));
    bench.settle();
    assert_eq!(bench.word("S9"), "foreign", "another drive is another drive");
    assert!(bench.world.reach("S9").is_empty());
    let claim = bench.rack.kept.drives.claim("db").unwrap();
    assert_eq!(claim.lost[0].ending, Ending::Pulled);

    // In another bay it is the same drive. Nothing was written to it, so its holder has it back with its data.
    let mut elsewhere = part.clone();
    bench.world.put("box", "5", part);
    bench.settle();
    assert_eq!(bench.word("S1"), "held");
    assert_eq!(bench.drive("S1").unsealed, None);
    assert_eq!(bench.drive("S1").seat.as_ref().unwrap().place, "jbof/bay-5");

    // Written to elsewhere, it goes back to nobody before somebody vouches for it.
    bench.world.pull("box", "5");
    bench.settle();
    elsewhere.written += 5;
    bench.world.put("box", "6", elsewhere);
    bench.settle();
    assert!(bench.drive("S1").unsealed.is_some());
    bench.release("db", None).unwrap();
    let again = bench.claim(&ask("db", "n01", "web")).unwrap_err();
    assert!(again.to_string().contains("nobody has vouched"), "{again}");
    let request = rack_api::v1::VouchDrive {
        serial: "S1".to_owned(),
        model: None,
    };
    let serial = "S1".to_owned();
    bench
        .run(&Input::Drives(DrivesInput::Vouch { serial, request }))
        .unwrap();
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    bench.replays();
}

#[test]
fn an_order_that_comes_late_lets_nobody_in() {
    let mut bench = Bench::with_pool(&["S1"]);
    bench.claim(&ask("db", "n01", "web")).unwrap();
    let wanted = want(&bench.rack, bench.now);
    let (node, late) = plan::order(&bench.rack, &wanted[0]).unwrap();
    assert!(matches!(late, DriveOrder::Admit { .. }), "{late:?}");
    bench.release("db", Some(0)).unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "free");
    bench.world.obey(&node, &late, bench.now).unwrap_err();
    bench.claim(&ask("other", "n02", "web")).unwrap();
    bench.settle();
    bench.world.obey(&node, &late, bench.now).unwrap_err();
    assert_eq!(bench.world.reach("S1"), ["n02".to_owned()].into());
}

#[test]
fn two_drives_of_one_serial_are_a_doubt_and_neither_is_lent_or_erased() {
    let mut bench = Bench::with_pool(&["S1"]);
    bench.world.put("box", "4", Part::new("S1"));
    bench.settle();
    let short = bench.claim(&ask("db", "n01", "web")).unwrap_err();
    assert!(short.to_string().contains("in two bays at once"), "{short}");
    let doubts = drive_doubts(&bench.rack);
    assert!(
        doubts[0].message.contains("jbof/bay-1 and jbof/bay-4"),
        "{doubts:?}"
    );
    bench.world.pull("box", "4");
    bench.settle();
    bench.claim(&ask("db", "n01", "web")).unwrap();

    let mut foreign = Bench::new(&["S2"]);
    foreign.world.put("box", "4", Part::new("S2"));
    foreign.settle();
    let refused = foreign.enrol("S2").unwrap_err();
    assert!(refused.to_string().contains("two drives say"), "{refused}");
    foreign.settle();
    assert!(foreign.world.erased.is_empty());
}

#[test]
fn a_drive_that_cannot_be_told_or_lies_is_never_lent() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    bench.world.put("box", "5", Part::new("    "));
    let mut nothing = Part::new("S3");
    nothing.size = 0;
    bench.world.put("box", "6", nothing);
    bench.settle();
    assert_eq!(
        bench.rack.kept.drives.all().count(),
        3,
        "one tells no serial number"
    );
    let doubts = drive_doubts(&bench.rack);
    assert!(doubts[0].message.contains("tells no serial number"), "{doubts:?}");
    bench.enrol("S3").unwrap();
    bench.world.part("S2").size = 1 << 50;
    bench.settle();
    assert_eq!(bench.word("S2"), "foreign");
    let mut three = ask("db", "n01", "web");
    three.count = 2;
    let short = bench.claim(&three).unwrap_err();
    assert!(short.to_string().contains("1 of no size"), "{short}");
    // Of one that is lent, what is on it is believed no more.
    three.count = 1;
    bench.claim(&three).unwrap();
    bench.settle();
    bench.world.part("S1").size = 7;
    bench.settle();
    assert_eq!(bench.word("S1"), "held");
    assert!(bench.drive("S1").unsealed.is_some());
    bench.replays();
}

#[test]
fn nothing_is_erased_that_is_in_use_or_was_not_named() {
    let mut bench = Bench::new(&["S1"]);
    let nobody = bench.enrol("S7");
    assert!(matches!(nobody, Err(Refusal::NotFound(_))), "{nobody:?}");
    bench.world.part("S1").obstacles = vec!["it is mounted on /srv".to_owned()];
    bench.look();
    let mounted = bench.enrol("S1").unwrap_err();
    assert!(mounted.to_string().contains("mounted on /srv"), "{mounted}");
    bench.world.part("S1").obstacles.clear();
    bench.world.nodes.get_mut("box").unwrap().is_silent = true;
    bench.look();
    let blind = bench.enrol("S1").unwrap_err();
    assert!(blind.to_string().contains("cannot be seen now"), "{blind}");
    bench.settle();
    assert!(bench.world.erased.is_empty());
    assert_eq!(bench.word("S1"), "foreign");
}

#[test]
fn an_erasure_that_shows_nothing_is_tried_again_and_then_the_drive_stays_out() {
    let mut bench = Bench::new(&["S1"]);
    bench.world.part("S1").dirty = 2;
    bench.enrol("S1").unwrap();
    bench.pass(30);
    assert_eq!(bench.word("S1"), "failed");
    assert_eq!(bench.world.erased.len(), 3, "each try is one of its own");
    let failed = bench.kinds(0);
    assert_eq!(
        failed.iter().filter(|kind| **kind == "drive_not_erased").count(),
        3
    );
    let short = bench.claim(&ask("db", "n01", "web")).unwrap_err();
    assert!(short.to_string().contains("could not be erased"), "{short}");
    let numbers: BTreeSet<u64> = bench
        .events
        .iter()
        .filter_map(|event| {
            let What::DriveChanged(change) = &event.what else {
                return None;
            };
            (event.kind() == "drive_not_erased").then_some(change.drive.generation)
        })
        .collect();
    assert_eq!(
        numbers.len(),
        3,
        "a late answer about one try says nothing of the next: {numbers:?}"
    );
    // Somebody looked at it.
    bench.world.part("S1").dirty = 0;
    bench.erase("S1").unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "free");
    bench.replays();
}

#[test]
fn a_hung_drive_is_lost_to_its_holder_and_blocks_no_other() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    let hung = if bench.word("S1") == "attached" {
        "S1"
    } else {
        "S2"
    };
    bench.world.part(hung).is_hung = true;
    bench.pass(70);
    assert_eq!(bench.word(hung), "attached");
    bench.claim(&ask("other", "n02", "web")).unwrap();
    bench.pass(10);
    let other = if hung == "S1" { "S2" } else { "S1" };
    assert_eq!(bench.word(other), "attached");
    assert!(
        matches!(
            &bench.drive(hung).tenancy,
            Tenancy::Releasing {
                ending: Ending::Failing,
                ..
            }
        ),
        "{:?}",
        bench.drive(hung)
    );
}

#[test]
fn a_drive_that_will_fail_is_replaced_and_taken_away_after_a_notice() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    let mut with = ask("db", "n01", "web");
    with.replace = true;
    bench.claim(&with).unwrap();
    bench.settle();
    let (had, other) = if bench.word("S1") == "attached" {
        ("S1", "S2")
    } else {
        ("S2", "S1")
    };
    bench.world.part(had).predicts_failure = true;
    bench.settle();
    assert_eq!(bench.word(had), "attached", "its holder has the time to copy");
    assert_eq!(bench.word(other), "attached");
    assert!(bench.kinds(0).contains(&"drive_claim_warned"));
    bench.skip(86_400);
    bench.settle();
    assert_eq!(bench.word(had), "held");
    assert!(bench.world.reach(had).is_empty());
    assert_eq!(bench.word(other), "attached");
    bench.replays();
}

#[test]
fn two_nodes_of_one_name_are_let_in_nowhere() {
    let mut bench = Bench::with_pool(&["S1"]);
    let twin = bench.world.nodes["n02"].nqn.clone();
    bench.world.nodes.get_mut("n01").unwrap().nqn = twin;
    bench.look();
    let refused = bench.claim(&ask("db", "n01", "web")).unwrap_err();
    assert!(refused.to_string().contains("ask under one name"), "{refused}");
    let doubts = drive_doubts(&bench.rack);
    assert!(doubts[0].message.contains("n01 and n02"), "{doubts:?}");
}

#[test]
fn a_bay_is_drained_with_who_loses_what_and_the_wrong_drive_is_named() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    let (lent, free) = if bench.word("S1") == "attached" {
        ("1", "2")
    } else {
        ("2", "1")
    };
    let drain = |slot: &str| DrainRequest {
        place: format!("jbof/bay-{slot}"),
        ..DrainRequest::default()
    };
    let answer = drain_answer(&bench.rack, &drain(lent), bench.now).unwrap();
    assert_eq!(answer.answer, Interlock::No);
    assert!(answer.sentence.contains("\"db\""), "{}", answer.sentence);
    assert!(!answer.begun);
    let refused = bench.run(&Input::Drain(drain(lent)));
    assert!(matches!(refused, Err(Refusal::Interlock(_))), "{refused:?}");

    bench.run(&Input::Drain(drain(free))).unwrap();
    bench.settle();
    assert!(bench.world.is_lit("box", free));
    // It is not lent while it is on its way out.
    let short = bench.claim(&ask("other", "n01", "web")).unwrap_err();
    assert!(short.to_string().contains("being emptied"), "{short}");
    let before = bench.events.len();
    let wrong = bench.world.pull("box", lent);
    bench.settle();
    let told = bench.events[before..]
        .iter()
        .find(|event| event.kind() == "drive_bay_wrong_serial");
    let told = told.unwrap().message();
    let expected =
        format!("jbof/bay-{free} was to lose S{free}, and S{lent} was pulled out of jbof/bay-{lent}");
    assert!(told.contains(&expected), "{told}");
    // While it is out nothing else is pulled there, and whoever looks at the bay reads why.
    let place = format!("jbof/bay-{free}");
    let shown = |bench: &Bench| {
        let view = drives(&bench.rack, bench.now);
        let mut bays = view.enclosures[0].bays.clone().into_iter();
        bays.find(|bay| bay.place == place).unwrap()
    };
    let bay = shown(&bench);
    assert_eq!(bay.wrong_pulled, Some(format!("S{lent}")));
    assert_eq!(bay.life, BayLife::Draining);
    assert_eq!(
        bay.reason,
        Some(format!(
            "jbof/bay-{free} was to lose S{free}, S{lent} was pulled: put it back"
        ))
    );
    let beside = bench.run(&Input::Drain(drain("5"))).unwrap_err();
    assert!(beside.to_string().contains("put it back"), "{beside}");
    bench.world.put("box", lent, wrong);
    bench.settle();
    let bay = shown(&bench);
    assert_eq!((bay.wrong_pulled, bay.life), (None, BayLife::ReadyToPull));
    bench.world.pull("box", free);
    bench.settle();
    assert!(
        bench.world.is_lit("box", free),
        "the next goes where the last one was"
    );
    bench.world.put("box", free, Part::new("S8"));
    bench.settle();
    assert!(!bench.world.is_lit("box", free));
    bench.replays();
}

#[test]
fn an_empty_bay_that_is_drained_waits_for_a_drive_and_has_it_when_one_comes() {
    let mut bench = Bench::new(&["S1"]);
    let place = "jbof/bay-5".to_owned();
    let drain = DrainRequest {
        place: place.clone(),
        ..DrainRequest::default()
    };
    bench.run(&Input::Drain(drain)).unwrap();
    bench.settle();
    assert!(bench.world.is_lit("box", "5"));
    bench.world.put("box", "5", Part::new("S7"));
    bench.settle();
    assert!(!bench.rack.kept.drives.leaving.contains_key(&place));
    assert!(!bench.world.is_lit("box", "5"));
    bench.replays();
}

#[test]
fn an_empty_bay_is_lit_and_goes_out_by_itself() {
    let mut bench = Bench::new(&["S1"]);
    let locate = |on: bool| {
        Input::Locate(LocateRequest {
            place: "jbof/bay-7".to_owned(),
            on,
            for_seconds: Some(60),
        })
    };
    bench.run(&locate(true)).unwrap();
    bench.pass(3);
    assert!(bench.world.is_lit("box", "7"));
    // Its agent puts it out, as it does when its time is over: what was read back counts, and somebody looks for it still.
    bench.world.put_out("box");
    bench.pass(3);
    assert!(bench.world.is_lit("box", "7"));
    bench.pass(60);
    assert!(!bench.world.is_lit("box", "7"));
    bench.run(&locate(true)).unwrap();
    bench.pass(3);
    bench.run(&locate(false)).unwrap();
    bench.pass(3);
    assert!(!bench.world.is_lit("box", "7"));
    bench.replays();
}
