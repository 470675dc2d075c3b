//! A drive's whole life, and what holds at each step of it.

use rack_controller::decide::Refusal;
use rack_controller::pools::drives::Tenancy;

use crate::bench::{Bench, ask};

#[test]
fn a_drive_goes_from_foreign_to_one_tenant_and_erased_to_the_next() {
    let mut bench = Bench::new(&["S1"]);
    assert_eq!(bench.word("S1"), "foreign");
    assert!(bench.world.erased.is_empty(), "nobody asked for that");
    bench.settle();
    assert!(bench.world.erased.is_empty(), "nor by waiting");

    bench.enrol("S1").unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "free");
    assert_eq!(bench.world.part("S1").content, None);
    let proven = bench.rack.kept.drives.proven[&bench.id("S1")].clone();
    assert!(!proven.lent_since && proven.proof.samples >= 16, "{proven:?}");
    let event = &bench.events[usize::try_from(proven.sequence).unwrap() - 1];
    assert_eq!(event.kind(), "drive_erased");

    bench.world.works_for.insert("n01".to_owned(), "db".to_owned());
    bench.claim(&ask("db", "n01", "web")).unwrap();
    assert_eq!(bench.word("S1"), "admitting");
    assert!(
        bench.world.reach("S1").is_empty(),
        "nobody is let in before it is ordered"
    );
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    assert!(bench.rack.kept.drives.proven[&bench.id("S1")].lent_since);
    assert_eq!(bench.world.part("S1").content.as_deref(), Some("db"));

    bench.release("db", Some(100)).unwrap();
    assert_eq!(bench.word("S1"), "releasing");
    bench.pass(3);
    assert_eq!(bench.word("S1"), "held");
    assert!(
        bench.world.view("n01").attached.is_empty(),
        "its node let go of it too"
    );
    let other = bench.claim(&ask("other", "n02", "research"));
    assert!(matches!(other, Err(Refusal::DriveShort { .. })), "{other:?}");
    assert_eq!(bench.world.erased.len(), 1, "it is held, not erased");
    bench.pass(90);
    assert_eq!(bench.word("S1"), "held");
    bench.pass(20);
    assert_eq!(bench.word("S1"), "free");
    assert_eq!(bench.world.part("S1").content, None);

    bench.claim(&ask("other", "n02", "research")).unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    assert_eq!(bench.world.reach("S1"), ["n02".to_owned()].into());
    bench.replays();
}

#[test]
fn who_asks_again_for_the_same_within_the_hold_has_the_same_drive_with_its_data() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    bench.world.works_for.insert("n01".to_owned(), "db".to_owned());
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    let had = if bench.word("S1") == "attached" {
        "S1"
    } else {
        "S2"
    };
    bench.release("db", Some(0)).unwrap();
    // The hold is over at once, but it counts from the fence: no second thoughts come later than that.
    bench.settle();
    assert_eq!(bench.word(had), "free");

    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    let had = if bench.word("S1") == "attached" {
        "S1"
    } else {
        "S2"
    };
    bench.release("db", None).unwrap();
    bench.settle();
    assert_eq!(bench.word(had), "held");
    let erased = bench.world.erased.len();
    bench.claim(&ask("db", "n02", "web")).unwrap();
    bench.settle();
    assert_eq!(bench.word(had), "attached");
    assert_eq!(bench.world.part(had).content.as_deref(), Some("db"));
    assert_eq!(bench.world.erased.len(), erased);
    let claim = bench.rack.kept.drives.claim("db").unwrap();
    assert_eq!(claim.kept, vec![bench.id(had)]);
    // The same name of another tenant is not the same.
    bench.release("db", None).unwrap();
    bench.settle();
    bench.claim(&ask("db", "n01", "research")).unwrap();
    assert_eq!(bench.word(had), "held");
    bench.replays();
}

#[test]
fn what_ran_out_is_fenced_and_held_and_never_erased() {
    let mut bench = Bench::with_pool(&["S1"]);
    let mut with_end = ask("db", "n01", "web");
    with_end.ttl_seconds = Some(30);
    with_end.erase_after_seconds = Some(0);
    bench.claim(&with_end).unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    bench.pass(40);
    assert_eq!(bench.word("S1"), "held");
    assert!(bench.world.reach("S1").is_empty());
    assert!(bench.rack.kept.drives.claims.is_empty());
    for _ in 0..40 {
        bench.skip(86_400);
        bench.act();
    }
    assert_eq!(bench.word("S1"), "held");
    assert!(bench.world.erased.is_empty(), "expiry never erases");
    // Somebody says so, and types which.
    let mistyped = bench.erase("S2");
    assert!(matches!(mistyped, Err(Refusal::NotFound(_))), "{mistyped:?}");
    bench.erase("S1").unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "free");
    bench.replays();
}

#[test]
fn a_node_that_is_lost_is_fenced_without_its_help() {
    let mut bench = Bench::with_pool(&["S1"]);
    bench.world.works_for.insert("n01".to_owned(), "db".to_owned());
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    bench.world.nodes.get_mut("n01").unwrap().is_silent = true;
    bench.pass(200);
    assert_eq!(bench.word("S1"), "attached", "an agent that is down may be back");
    bench.pass(120);
    assert_eq!(bench.word("S1"), "held");
    assert!(bench.world.reach("S1").is_empty(), "it writes no more");
    let content = bench.world.part("S1").content.clone();
    assert_eq!(content.as_deref(), Some("db"), "and nothing is lost");
    let claim = bench.rack.kept.drives.claim("db").unwrap();
    assert_eq!(claim.lost.len(), 1);
    bench.replays();
}

#[test]
fn an_enclosure_that_is_silent_is_blind_and_not_empty() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    let before = bench.events.len();
    bench.world.nodes.get_mut("box").unwrap().is_silent = true;
    bench.pass(400);
    // What others tell meanwhile says nothing of it.
    bench.world.nodes.get_mut("n02").unwrap().is_silent = true;
    bench.pass(2);
    bench.world.nodes.get_mut("n02").unwrap().is_silent = false;
    bench.pass(2);
    assert!(bench.kinds(before).iter().all(|kind| !kind.starts_with("drive")));
    let short = bench.claim(&ask("other", "n02", "web")).unwrap_err();
    assert!(short.to_string().contains("not seen now"), "{short}");
    // What was ended meanwhile ends as soon as it is back.
    bench.release("db", None).unwrap();
    bench.pass(5);
    assert!(bench.kinds(before).contains(&"drive_ending"));
    assert!(!bench.kinds(before).contains(&"drive_fenced"), "nobody read that");
    bench.world.nodes.get_mut("box").unwrap().is_silent = false;
    bench.settle();
    assert!(bench.kinds(before).contains(&"drive_fenced"));
    bench.replays();
}

#[test]
fn after_a_start_nothing_is_lent_that_was_not_seen() {
    let mut bench = Bench::with_pool(&["S1"]);
    let config = (*bench.rack.config).clone();
    let kept = bench.rack.kept.clone();
    bench.rack = rack_controller::rack::Rack::restored(&config, kept);
    let refused = bench.claim(&ask("db", "n01", "web")).unwrap_err();
    assert!(refused.to_string().contains("not asked yet"), "{refused}");
    bench.look();
    bench.claim(&ask("db", "n01", "web")).unwrap();
    assert!(matches!(bench.drive("S1").tenancy, Tenancy::Claimed(_)));
}

#[test]
fn a_clock_of_the_enclosure_that_is_behind_spoils_no_proof() {
    let mut bench = Bench::new(&["S1"]);
    bench.world.behind_millis = 3_600_000;
    bench.enrol("S1").unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "free");
}
