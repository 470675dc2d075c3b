//! Asks: what makes no sense, what is repeated, and which of nested domains is the tightest.

use facts::Power;
use rack_api::v1::{LocateRequest, PowerAsk};
use rack_controller::decide::{Input, Refusal};
use rack_controller::rack::What;
use rack_controller::view::view;

use super::bench::{Bench, ask, config, drain_of, kinds, watts};

#[test]
fn asks_that_make_no_sense_are_told_what_was_expected() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.claim("web", 1_000).unwrap();
    let base = ask("x", 10);
    for (wrong, expected) in [
        (ask("x", 0), "expected more than 0 watts"),
        (
            PowerAsk {
                watts: Power::MAX,
                ..base.clone()
            },
            "expected at most 1000000000 W",
        ),
        (
            PowerAsk {
                domain: Some("roof".to_owned()),
                ..base.clone()
            },
            "expected one of: shelf",
        ),
        (
            PowerAsk {
                node: Some("n09".to_owned()),
                ..base.clone()
            },
            "expected one of: n01, n02, n03, n04",
        ),
        (
            PowerAsk {
                priority: Some(0),
                ..base.clone()
            },
            "expected 1 (kept longest) to 9",
        ),
        (
            PowerAsk {
                priority: Some(10),
                ..base.clone()
            },
            "expected 1 (kept longest) to 9",
        ),
        (ask("", 10), "expected what it is for"),
        (ask("c7", 10), "expected another name"),
    ] {
        let refused = bench
            .run(&Input::ClaimPower {
                ask: wrong.clone(),
                key: None,
            })
            .unwrap_err();
        assert_eq!(refused.code(), "bad_request", "{wrong:?}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.claim("web", 1_000).unwrap();
    assert_eq!(bench.claim("web", 10).unwrap_err().code(), "conflict");
    assert_eq!(bench.claim("huge", 20_000).unwrap_err().code(), "shortfall");
    let unknown = bench
        .run(&Input::ReleaseClaim {
            claim: "nobody".to_owned(),
        })
        .unwrap_err();
    assert_eq!(unknown.code(), "not_found");
    let place = bench.run(&Input::Drain(drain_of("PSU 4"))).unwrap_err();
    assert!(
        place.to_string().contains("PSU 4 is the bay shelf/psu-3"),
        "{place}"
    );
    let light = LocateRequest {
        place: "shelf/psu-3".to_owned(),
        on: true,
        for_seconds: Some(1_801),
    };
    assert_eq!(
        bench.run(&Input::Locate(light)).unwrap_err().code(),
        "bad_request"
    );
}

#[test]
fn the_same_key_gets_the_same_answer() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    let asked = Input::ClaimPower {
        ask: ask("web", 1_000),
        key: Some("k1".to_owned()),
    };
    let first = bench.run(&asked).unwrap();
    assert_eq!(kinds(&first), ["claim_admitted"]);
    assert!(bench.run(&asked).unwrap().is_empty());
    let answer =
        rack_controller::decide::admitted(&bench.rack, &ask("web", 1_000), Some("k1"), bench.now).unwrap();
    assert_eq!(answer.id, "c1");
    bench
        .run(&Input::ReleaseClaim {
            claim: "c1".to_owned(),
        })
        .unwrap();
    assert!(
        bench.run(&asked).unwrap().is_empty(),
        "a repeated ask is no new claim"
    );
    assert_eq!(bench.sums().held, Power::ZERO);
    let other = Input::ClaimPower {
        ask: ask("web", 2_000),
        key: Some("k1".to_owned()),
    };
    assert_eq!(bench.run(&other).unwrap_err().code(), "conflict");
}

#[test]
fn what_a_claim_leaves_free_is_told_with_it_and_without_it_once_it_is_released() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    let free = |bench: &Bench| bench.sums().headroom;
    let all = free(&bench);
    for (name, takes, left) in [("web", 1_000, 1_000), ("db", 2_500, 3_500)] {
        let events = bench.claim(name, takes).unwrap();
        let What::ClaimAdmitted { headroom, .. } = &events[0].what else {
            panic!("{events:?}");
        };
        assert_eq!(*headroom, all.saturating_sub(watts(left)), "told with {name}");
        assert_eq!(*headroom, free(&bench), "summed afterwards");
    }
    let release = Input::ReleaseClaim {
        claim: "web".to_owned(),
    };
    let events = bench.run(&release).unwrap();
    let What::ClaimReleased { headroom, .. } = &events[0].what else {
        panic!("{events:?}");
    };
    assert_eq!(*headroom, all.saturating_sub(watts(2_500)));
    assert_eq!(*headroom, free(&bench));
}

#[test]
fn the_tightest_of_nested_domains_wins() {
    let more = "within = [\"contract\"]\n[[domain]]\nname = \"contract\"\nsource = \"budget\"\nbudget_watts = 10000\nmargin = 0\n\
[[domain]]\nname = \"spare\"\nsource = \"budget\"\nbudget_watts = 4000\nmargin = 0\nwithin = \"contract\"";
    let mut bench = Bench::new(&config("n+1", "0", more));
    let several = bench.claim("web", 1_000).unwrap_err();
    assert!(
        several.to_string().contains("shelf, contract, spare"),
        "{several}"
    );
    let on_shelf = |power| Input::ClaimPower {
        ask: PowerAsk {
            domain: Some("shelf".to_owned()),
            ..ask("web", power)
        },
        key: None,
    };
    let Err(Refusal::Shortfall { shortfall, .. }) = bench.run(&on_shelf(10_001)) else {
        panic!("the contract is tighter than the shelf");
    };
    assert_eq!(
        (shortfall.domain.as_str(), shortfall.headroom_watts),
        ("contract", watts(10_000))
    );
    bench.run(&on_shelf(9_000)).unwrap();
    let spare = Input::ClaimPower {
        ask: PowerAsk {
            domain: Some("spare".to_owned()),
            ..ask("x", 1_001)
        },
        key: None,
    };
    assert_eq!(bench.run(&spare).unwrap_err().code(), "shortfall");
    let seen = view(&bench.rack, bench.now);
    let headrooms: Vec<Power> = seen.domains.iter().map(|domain| domain.headroom_watts).collect();
    assert_eq!(headrooms, [watts(1_000); 3]);
}
