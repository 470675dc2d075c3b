//! Asks for drives: all of it or nothing, the same answer to the same key, quotas, watts with them.

use facts::{Bytes, Power};
use rack_api::v1::PowerAsk;
use rack_controller::decide::{Input, Refusal};
use rack_controller::pools::drives::{Ending, Tenancy};

use crate::bench::{Bench, CONFIG, ask};
use crate::world::Part;

#[test]
fn drives_and_watts_are_admitted_together_or_not_at_all() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    let before = bench.rack.kept.clone();
    let mut both = ask("db", "n01", "web");
    both.count = 2;
    both.watts = Power::from_watts(700).unwrap();
    let mut too_many = both.clone();
    too_many.count = 3;
    let mut too_much = both.clone();
    too_much.watts = Power::from_watts(900).unwrap();
    assert!(matches!(bench.claim(&too_many), Err(Refusal::DriveShort { .. })));
    assert!(matches!(bench.claim(&too_much), Err(Refusal::Conflict(_))));
    assert_eq!(bench.rack.kept, before, "nothing of either was done");

    bench.claim(&both).unwrap();
    let claim = bench.rack.kept.drives.claim("db").unwrap().clone();
    assert_eq!(bench.rack.kept.claims[&claim.id].watts, both.watts);
    assert_eq!(bench.rack.kept.drives.of_claim(claim.id).count(), 2);
    bench.settle();
    // Whoever gives back the watts gives back the drives.
    let name = "db".to_owned();
    bench.run(&Input::ReleaseClaim { claim: name }).unwrap();
    assert!(bench.rack.kept.claims.is_empty() && bench.rack.kept.drives.claims.is_empty());
    assert_eq!(bench.word("S1"), "releasing");
    bench.replays();
}

#[test]
fn the_same_key_is_the_same_claim_and_another_ask_with_it_is_refused() {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    let first = ask("db", "n01", "web");
    bench.claim_with(&first, Some("k1")).unwrap();
    let after = bench.rack.kept.drives.clone();
    bench.claim_with(&first, Some("k1")).unwrap();
    assert_eq!(bench.rack.kept.drives, after);
    let again = bench.claim_with(&ask("db2", "n01", "web"), Some("k1"));
    assert!(matches!(again, Err(Refusal::Conflict(_))), "{again:?}");
    let named = bench.claim(&ask("db", "n02", "web"));
    assert!(matches!(named, Err(Refusal::Conflict(_))), "{named:?}");
    bench.replays();
}

#[test]
fn a_claim_that_its_asker_was_not_told_of_is_taken_back_and_nothing_is_erased() {
    let mut bench = Bench::with_pool(&["S1"]);
    bench.claim_with(&ask("db", "n01", "web"), Some("k1")).unwrap();
    let id = bench.rack.kept.drives.claim("db").unwrap().id;
    bench.run(&Input::WithdrawClaim(id)).unwrap();
    bench.settle();
    assert!(bench.rack.kept.drives.claims.is_empty());
    assert_eq!(bench.word("S1"), "held");
    assert!(bench.world.erased.is_empty());
    // Who asks again with the same key asks anew, and has the same drive.
    bench.claim_with(&ask("db", "n01", "web"), Some("k1")).unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    bench.replays();
}

#[test]
fn what_is_held_for_a_tenant_counts_in_its_quota() {
    let mut bench = Bench::with_pool(&["S1", "S2", "S3", "S4"]);
    let mut three = ask("db", "n01", "research");
    three.count = 3;
    bench.claim(&three).unwrap();
    bench.settle();
    bench.release("db", None).unwrap();
    bench.settle();
    let more = bench.claim(&ask("other", "n01", "research")).unwrap_err();
    assert!(
        more.to_string().contains("may hold 3 drives and holds 3"),
        "{more}"
    );
    bench.claim(&three).unwrap();
    let nobodys = bench.claim(&ask("x", "n01", "nobody")).unwrap_err();
    assert!(matches!(nobodys, Refusal::BadRequest(_)), "{nobodys}");
}

#[test]
fn an_ask_gets_what_it_describes_or_hears_what_lacks() {
    let mut bench = Bench::with_pool(&["S1"]);
    let mut small = Part::new("S2");
    small.size = 1_000;
    bench.world.put("box", "2", small);
    bench.look();
    bench.enrol("S2").unwrap();
    bench.settle();
    let mut large = ask("db", "n01", "web");
    large.count = 2;
    large.at_least_bytes = Bytes::new(1_000_000);
    let Err(Refusal::DriveShort { short, message }) = bench.claim(&large) else {
        panic!("it fits");
    };
    assert_eq!((short.asked, short.fit), (2, 1));
    assert!(message.contains("1 too small"), "{message}");
    let mut none = ask("db", "n01", "web");
    none.count = 0;
    assert!(matches!(bench.claim(&none), Err(Refusal::BadRequest(_))));
    let elsewhere = bench.claim(&ask("db", "n09", "web"));
    assert!(matches!(elsewhere, Err(Refusal::BadRequest(_))), "{elsewhere:?}");
    let mut spread = ask("db", "n01", "web");
    spread.count = 2;
    spread.spread = true;
    let one = bench.claim(&spread).unwrap_err();
    assert!(
        one.to_string().contains("in an enclosure that is used already"),
        "{one}"
    );
}

#[test]
fn bytes_that_are_held_for_a_tenant_count_in_its_quota() {
    let config = CONFIG.replace("drives = 3", "drive_bytes = \"8T\"");
    let mut bench = Bench::with_pool(&["S1", "S2", "S3"]).on(&config);
    let mut two = ask("db", "n01", "research");
    two.count = 2;
    bench.claim(&two).unwrap();
    bench.settle();
    bench.release("db", None).unwrap();
    bench.settle();
    let more = bench.claim(&ask("other", "n01", "research")).unwrap_err();
    assert!(
        more.to_string()
            .contains("may hold 8 TiB on drives and holds 7.2 TiB: 3.6 TiB more do not fit"),
        "{more}"
    );
    bench.claim(&two).unwrap();
}

#[test]
fn spares_are_kept_from_asks_and_stand_in_for_what_fails() {
    let config = CONFIG.replace("bays = 8", "bays = 8\nspares = 1");
    let mut bench = Bench::new(&["S1", "S2"]);
    let mut large = Part::new("S3");
    large.size *= 2;
    bench.world.put("box", "3", large);
    bench = bench.on(&config);
    for serial in ["S1", "S2", "S3"] {
        bench.enrol(serial).unwrap();
    }
    bench.settle();
    let mut two = ask("db", "n01", "web");
    two.count = 2;
    two.replace = true;
    let mut three = two.clone();
    three.count = 3;
    let short = bench.claim(&three).unwrap_err();
    assert!(short.to_string().contains("1 kept as spares"), "{short}");
    bench.claim(&two).unwrap();
    bench.settle();
    assert_eq!(
        bench.word("S3"),
        "free",
        "the largest is the spare: it can stand in for any other"
    );
    let none = bench.claim(&ask("more", "n01", "web")).unwrap_err();
    assert!(none.to_string().contains("1 kept as spares"), "{none}");
    bench.world.pull("box", "1");
    bench.settle();
    assert_eq!(bench.word("S3"), "attached", "it stands in for what was pulled");
    bench.replays();
}

#[test]
fn a_claim_whose_watts_are_taken_ends_whole_and_nothing_on_its_drives_is_erased() {
    let config = CONFIG.replace("budget_watts = 3000", "budget_watts = 1500\npreempt = true");
    let config = config.replace(
        "max_draw_watts = 800",
        "max_draw_watts = 800\nfloor_watts = 150\nrest_watts = 100",
    );
    let config = config.replace("name = \"web\"", "name = \"web\"\npreempt = true");
    let mut bench = Bench::with_pool(&["S1"]).on(&config);
    let mut both = ask("db", "n01", "web");
    both.watts = Power::from_watts(700).unwrap();
    both.priority = Some(9);
    bench.claim(&both).unwrap();
    bench.settle();
    let events = bench.events.len();
    let urgent = PowerAsk {
        watts: Power::from_watts(700).unwrap(),
        purpose: "urgent".to_owned(),
        node: Some("n02".to_owned()),
        tenant: Some("web".to_owned()),
        priority: Some(1),
        preempt: true,
        ..PowerAsk::default()
    };
    let key = None;
    bench.run(&Input::ClaimPower { ask: urgent, key }).unwrap();
    assert!(bench.rack.kept.drives.claims.is_empty(), "both or neither");
    let told = bench.events[events..]
        .iter()
        .find(|event| event.kind() == "claim_preempted");
    let told = told.unwrap().message();
    assert!(told.contains("its drives (S1) are fenced and held"), "{told}");
    bench.settle();
    assert_eq!(bench.word("S1"), "held");
    let Tenancy::Held { until, ending, .. } = &bench.drive("S1").tenancy else {
        panic!("it is not held");
    };
    assert_eq!((*until, *ending), (None, Ending::Preempted));
    assert!(bench.world.reach("S1").is_empty() && bench.world.erased.is_empty());
    // Nobody got the watts after all: they are not given back without the drives.
    let by = bench.rack.claim_named("urgent").unwrap().id;
    bench.run(&Input::WithdrawClaim(by)).unwrap();
    assert!(bench.rack.kept.claims.is_empty());
    both.watts = Power::ZERO;
    bench.claim(&both).unwrap();
    bench.settle();
    assert_eq!(
        bench.word("S1"),
        "attached",
        "who asks again for the same has it back"
    );
    bench.replays();
}
