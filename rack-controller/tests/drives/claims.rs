//! Asks for drives: all of it or nothing, the same answer to the same key, quotas, watts with them.

use facts::{Bytes, Power};
use rack_controller::decide::{Input, Refusal};

use crate::bench::{Bench, ask};
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
