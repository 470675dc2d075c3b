//! Terms of claims: reserved and applied, with a time to live and renewed, within quotas.

use facts::{Moment, Power};
use rack_api::v1::PowerAsk;
use rack_controller::decide::{Input, Refusal};
use rack_controller::rack::Event;

use super::bench::{Bench, ask, config, kinds, watts};

fn shelf(more: &str) -> Bench {
    Bench::new(&config("n+1", "0", more))
}

fn with(bench: &mut Bench, change: impl FnOnce(&mut PowerAsk)) -> Result<Vec<Event>, Refusal> {
    let mut ask = ask("web", 1_000);
    change(&mut ask);
    bench.run(&Input::ClaimPower { ask, key: None })
}

fn at(bench: &mut Bench, millis: u64) -> Vec<Event> {
    bench.now = Moment::from_millis(bench.now.millis() + millis);
    bench.run(&Input::Tick).unwrap()
}

#[test]
fn a_reservation_keeps_watts_free_until_it_is_applied_or_its_time_is_over() {
    let mut bench = shelf("");
    with(&mut bench, |ask| {
        ask.node = Some("n01".to_owned());
        ask.reserve_seconds = Some(60);
    })
    .unwrap();
    assert_eq!(bench.sums().held, watts(1_000));
    let claim = bench.rack.claim_named("web").unwrap().clone();
    assert_eq!(claim.draws_on(), None, "it grants no cap");
    assert!(at(&mut bench, 59_999).is_empty());
    let events = at(&mut bench, 1);
    assert_eq!(kinds(&events), ["claim_expired"]);
    assert!(
        events[0].message().contains("was not applied in time"),
        "{}",
        events[0].message()
    );
    assert_eq!(bench.sums().held, Power::ZERO);

    with(&mut bench, |ask| {
        ask.node = Some("n01".to_owned());
        ask.reserve_seconds = Some(60);
    })
    .unwrap();
    let apply = Input::ApplyClaim {
        claim: "web".to_owned(),
    };
    assert_eq!(kinds(&bench.run(&apply).unwrap()), ["claim_applied"]);
    assert!(bench.run(&apply).unwrap().is_empty(), "applied twice is applied");
    assert!(at(&mut bench, 600_000).is_empty());
    assert_eq!(bench.rack.claim_named("web").unwrap().draws_on(), Some("n01"));
}

#[test]
fn a_claim_that_its_asker_never_had_is_forgotten_with_its_key() {
    let mut bench = shelf("");
    let input = Input::ClaimPower {
        ask: ask("web", 1_000),
        key: Some("k".to_owned()),
    };
    bench.run(&input).unwrap();
    let first = bench.rack.claim_named("web").unwrap().id;
    assert!(bench.run(&input).unwrap().is_empty(), "answered again");
    let events = bench.run(&Input::WithdrawClaim(first)).unwrap();
    assert_eq!(kinds(&events), ["claim_withdrawn"]);
    assert_eq!(bench.sums().held, Power::ZERO);
    assert!(bench.run(&Input::WithdrawClaim(first)).unwrap().is_empty());
    assert_eq!(
        kinds(&bench.run(&input).unwrap()),
        ["claim_admitted"],
        "asked anew"
    );
    assert!(bench.rack.claim_named("web").unwrap().id > first);
}

#[test]
fn a_claim_with_a_time_to_live_stands_as_long_as_it_is_renewed() {
    let mut bench = shelf("");
    with(&mut bench, |ask| ask.ttl_seconds = Some(10)).unwrap();
    let renew = Input::RenewClaim {
        claim: "web".to_owned(),
    };
    for _ in 0..5 {
        assert!(at(&mut bench, 9_000).is_empty());
        assert_eq!(kinds(&bench.run(&renew).unwrap()), ["claim_renewed"]);
    }
    assert_eq!(kinds(&at(&mut bench, 10_000)), ["claim_expired"]);
    assert_eq!(bench.run(&renew).unwrap_err().code(), "not_found");

    bench.claim("for good", 100).unwrap();
    let renew = Input::RenewClaim {
        claim: "for good".to_owned(),
    };
    assert!(
        bench
            .run(&renew)
            .unwrap_err()
            .to_string()
            .contains("it stands until it is released")
    );
}

#[test]
fn times_that_nobody_can_keep_are_refused() {
    let mut bench = shelf("");
    for seconds in [0, 4, 2_592_001, u32::MAX] {
        for which in [0, 1] {
            let refused = with(&mut bench, |ask| {
                if which == 0 {
                    ask.ttl_seconds = Some(seconds);
                } else {
                    ask.reserve_seconds = Some(seconds);
                }
            })
            .unwrap_err();
            assert!(
                refused.to_string().contains("expected 5 to 2592000 seconds"),
                "{refused}"
            );
        }
    }
}

#[test]
fn a_node_is_not_promised_more_than_it_can_draw() {
    let mut bench = shelf("");
    let mut on_n01 = |name: &str, power| {
        with(&mut bench, |ask| {
            ask.node = Some("n01".to_owned());
            ask.watts = watts(power);
            name.clone_into(&mut ask.purpose);
        })
    };
    on_n01("a", 3_000).unwrap();
    let refused = on_n01("b", 1_001).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "n01 cannot draw that much: 3000 W are claimed for it and it draws 4000 W at most; ask for at most 1000 W"
    );
    on_n01("b", 1_000).unwrap();
}

#[test]
fn tenants_keep_to_their_quotas() {
    let mut bench = shelf(
        "\n[[tenant]]\nname = \"research\"\nfirm_watts = 2000\n[[tenant]]\nname = \"web\"\n[[domain]]\nname = \"c\"\nsource = \"budget\"\nbudget_watts = 1\n",
    );
    let mut of = |tenant: Option<&str>, name: &str, power| {
        with(&mut bench, |ask| {
            ask.domain = Some("shelf".to_owned());
            ask.tenant = tenant.map(str::to_owned);
            ask.watts = watts(power);
            name.clone_into(&mut ask.purpose);
        })
    };
    let refused = of(None, "a", 10).unwrap_err().to_string();
    assert!(refused.contains("expected one of: research, web"), "{refused}");
    let refused = of(Some("sales"), "a", 10).unwrap_err().to_string();
    assert!(refused.contains("there is no tenant \"sales\""), "{refused}");
    of(Some("research"), "a", 1_500).unwrap();
    let refused = of(Some("research"), "b", 501).unwrap_err().to_string();
    assert_eq!(
        refused,
        "research may hold 2000 W firm and holds 1500 W: 501 W more do not fit; release one of its claims, or ask for at most 500 W"
    );
    of(Some("web"), "c", 5_000).unwrap();
    of(Some("research"), "b", 500).unwrap();
}
