//! Claims that take the watts of others: who loses them, who does not, and what comes first, lowering or raising.

use rack_api::v1::PowerAsk;
use rack_controller::decide::{Input, Refusal};
use rack_controller::rack::Event;
use rack_controller::view::view;

use super::bench::{Bench, ask, config, kinds, watts};
use super::house_of_64::{House, Plan};

fn asks(name: &str, power: u64, priority: u8) -> PowerAsk {
    PowerAsk {
        priority: Some(priority),
        ..ask(name, power)
    }
}

fn taking(name: &str, power: u64, priority: u8) -> PowerAsk {
    PowerAsk {
        preempt: true,
        ..asks(name, power, priority)
    }
}

fn run(bench: &mut Bench, ask: PowerAsk) -> Result<Vec<Event>, Refusal> {
    bench.run(&Input::ClaimPower { ask, key: None })
}

/// 15.0 kW firm, and 12.4 kW of them held by four claims.
fn shelf(more: &str) -> Bench {
    let mut bench = Bench::new(&config("n+1", "0", more));
    for (name, power, priority) in [
        ("web", 6_000, 2),
        ("db", 3_600, 5),
        ("cache", 2_000, 7),
        ("batch", 800, 9),
    ] {
        run(&mut bench, asks(name, power, priority)).unwrap();
    }
    bench
}

fn names(bench: &Bench) -> Vec<&str> {
    let claims = bench.rack.kept.claims.values();
    claims.map(|claim| claim.purpose.as_str()).collect()
}

#[test]
fn nobody_loses_watts_where_the_configuration_does_not_say_so() {
    let mut bench = shelf("");
    let refused = run(&mut bench, taking("urgent", 4_000, 1)).unwrap_err();
    assert_eq!(refused.code(), "conflict");
    assert!(
        refused
            .to_string()
            .contains("expected preempt = true in its [[domain]]"),
        "{refused}"
    );
    let refused = run(&mut bench, asks("urgent", 4_000, 1)).unwrap_err();
    let Refusal::Shortfall { shortfall, .. } = &refused else {
        panic!("{refused}");
    };
    assert!(
        !shortfall.would_fit.iter().any(|way| way.contains("preempt")),
        "{shortfall:?}"
    );
    assert_eq!(names(&bench), ["web", "db", "cache", "batch"]);
}

#[test]
fn nobody_loses_watts_that_the_node_draws_all_the_same() {
    let mut bench = Bench::new(&config("n+1", "0", "preempt = true"));
    let on_node = |name: &str, power, priority| PowerAsk {
        node: Some("n01".to_owned()),
        ..asks(name, power, priority)
    };
    run(&mut bench, on_node("last", 3_000, 9)).unwrap();
    run(&mut bench, asks("web", 9_000, 8)).unwrap();
    // Nothing caps it, so it counts with its 4 kW whatever is claimed on it: only the other one frees anything.
    bench.switched("n01", true);
    run(&mut bench, taking("urgent", 3_000, 1)).unwrap();
    assert_eq!(names(&bench), ["last", "urgent"]);
}

#[test]
fn nobody_loses_watts_in_a_domain_that_does_not_allow_it() {
    let side = "preempt = true\n[[domain]]\nname = \"side\"\nsource = \"budget\"\nbudget_watts = 15000\nwithin = [\"shelf\"]";
    let mut bench = Bench::new(&config("n+1", "0", side));
    let within = |domain: &str, ask: PowerAsk| PowerAsk {
        domain: Some(domain.to_owned()),
        ..ask
    };
    run(&mut bench, within("side", asks("aside", 9_000, 9))).unwrap();
    run(&mut bench, within("shelf", asks("batch", 5_000, 8))).unwrap();
    run(&mut bench, within("shelf", taking("urgent", 6_000, 1))).unwrap();
    assert_eq!(names(&bench), ["aside", "urgent"]);
}

#[test]
fn as_few_as_are_needed_end_the_last_in_rank_first() {
    let mut bench = shelf("preempt = true");
    // 2.6 kW are free. Without the word nobody ends, and the refusal says whom it would take.
    let refused = run(&mut bench, asks("urgent", 4_000, 3)).unwrap_err();
    let Refusal::Shortfall { shortfall, .. } = &refused else {
        panic!("{refused}");
    };
    assert!(
        shortfall
            .would_fit
            .contains(&"say preempt, which ends \"cache\" (2.0 kW)".to_owned()),
        "{shortfall:?}"
    );
    // "batch" alone would not do, and with "cache" it is not needed.
    let events = run(&mut bench, taking("urgent", 4_000, 3)).unwrap();
    assert_eq!(kinds(&events), ["claim_preempted", "claim_admitted"]);
    assert_eq!(
        events[0].message(),
        "\"cache\" (c3, priority 7) ended: \"urgent\" (c5, priority 3) took its 2000 W firm in shelf; 4.6 kW free meanwhile"
    );
    assert!(
        events[1]
            .message()
            .contains(", with the watts of \"cache\"; 0.6 kW free"),
        "{}",
        events[1].message()
    );
    assert_eq!(names(&bench), ["web", "db", "batch", "urgent"]);
    assert_eq!(bench.sums().held, watts(14_400), "no watt is held twice");

    let seen = view(&bench.rack, bench.now);
    assert_eq!(seen.preemptions, 1);
    assert_eq!(
        (
            seen.preempted[0].claim.purpose.as_str(),
            seen.preempted[0].by_for.as_str()
        ),
        ("cache", "urgent")
    );
    assert_eq!(seen.claims[3].took[0].purpose, "cache");
    let gone = bench
        .run(&Input::ReleaseClaim {
            claim: "cache".to_owned(),
        })
        .unwrap_err();
    assert!(
        gone.to_string()
            .contains("because \"urgent\" (c5, priority 3) took its watts"),
        "{gone}"
    );
}

#[test]
fn a_claim_that_fits_takes_nothing() {
    let mut bench = shelf("preempt = true");
    let events = run(&mut bench, taking("urgent", 2_600, 1)).unwrap();
    assert_eq!(kinds(&events), ["claim_admitted"]);
}

#[test]
fn the_same_priority_loses_nothing_and_what_is_not_enough_is_not_taken() {
    let mut bench = shelf("preempt = true");
    // Whoever comes after 7 has 0.8 kW: with the free 2.6 kW not 4.
    let refused = run(&mut bench, taking("urgent", 4_000, 7)).unwrap_err();
    assert_eq!(refused.code(), "shortfall");
    // All that come after 1 end, and it still is not enough.
    let refused = run(&mut bench, taking("urgent", 15_001, 1)).unwrap_err();
    assert_eq!(refused.code(), "shortfall");
    assert_eq!(names(&bench), ["web", "db", "cache", "batch"], "all or nothing");
    assert_eq!(view(&bench.rack, bench.now).preemptions, 0);
}

#[test]
fn the_same_key_takes_once() {
    let mut bench = shelf("preempt = true");
    let input = Input::ClaimPower {
        ask: taking("urgent", 4_000, 3),
        key: Some("k".to_owned()),
    };
    assert_eq!(
        kinds(&bench.run(&input).unwrap()),
        ["claim_preempted", "claim_admitted"]
    );
    assert!(bench.run(&input).unwrap().is_empty());
    assert_eq!(view(&bench.rack, bench.now).preemptions, 1);
}

#[test]
fn whoever_was_never_told_of_the_claim_has_taken_nothing() {
    let mut bench = shelf("preempt = true");
    let before = bench.rack.kept.claims.clone();
    run(&mut bench, taking("urgent", 8_000, 1)).unwrap();
    let urgent = bench.rack.claim_named("urgent").unwrap().id;
    let took = bench.rack.claim_named("urgent").unwrap().took.len();
    assert!(took >= 2, "{took}");
    let events = bench.run(&Input::WithdrawClaim(urgent)).unwrap();
    let mut expected = vec!["claim_withdrawn"];
    expected.extend(vec!["claim_restored"; took]);
    assert_eq!(kinds(&events), expected);
    assert_eq!(bench.rack.kept.claims, before);
    assert!(view(&bench.rack, bench.now).preempted.is_empty());
}

#[test]
fn a_tenant_takes_only_where_its_section_lets_it() {
    let mut bench = Bench::new(&config(
        "n+1",
        "0",
        "preempt = true\n[[tenant]]\nname = \"research\"\n[[tenant]]\nname = \"web\"\npreempt = true\n[[domain]]\nname = \"c\"\n\
source = \"budget\"\nbudget_watts = 1",
    ));
    let of = |tenant: &str, ask: PowerAsk| PowerAsk {
        tenant: Some(tenant.to_owned()),
        domain: Some("shelf".to_owned()),
        ..ask
    };
    run(&mut bench, of("research", asks("a", 14_000, 5))).unwrap();
    run(&mut bench, of("web", asks("b", 1_000, 5))).unwrap();
    let refused = run(&mut bench, of("research", taking("c", 500, 1))).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("research may not take the watts of others; expected preempt = true in its [[tenant]]"),
        "{refused}"
    );
    let events = run(&mut bench, of("web", taking("c", 500, 1))).unwrap();
    assert!(
        events[0].message().starts_with("\"b\" (c2"),
        "{}",
        events[0].message()
    );
}

#[test]
fn the_preempted_are_lowered_and_read_back_before_the_new_claim_is_raised() {
    let mut house = House::new(&Plan {
        more: "sell_revocable = true\ndetect_within = \"250ms\"\naccept_silence = true\npreempt = true",
        ..Plan::default()
    });
    for node in house.names() {
        house.claim(&node, &format!("w-{node}"), 234, 46).unwrap();
    }
    house.obey();
    let urgent = PowerAsk {
        node: Some("n02".to_owned()),
        ..taking("urgent", 200, 1)
    };
    let events = house.ask(urgent).unwrap();
    // Each node keeps its floor of 120 W: a claim that ends frees 114 W.
    assert_eq!(
        kinds(&events)[..3],
        ["claim_preempted", "claim_preempted", "claim_admitted"]
    );
    assert_eq!(house.order("n64").cap, watts(120), "it is lowered at once");
    assert_eq!(house.order("n63").cap, watts(120), "it is lowered at once");
    assert_eq!(
        house.order("n02").cap,
        watts(280),
        "nothing is raised before they have answered"
    );
    assert_eq!(house.broken(), Vec::<String>::new());
    house.answer("n64");
    house.answer("n63");
    assert!(house.order("n02").cap > watts(280), "{:?}", house.order("n02"));
    assert_eq!(house.broken(), Vec::<String>::new());
    house.obey();
    assert!(house.order("n02").cap >= watts(434), "{:?}", house.order("n02"));
    assert_eq!(house.broken(), Vec::<String>::new());
}

/// Numbers without a pattern, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % most
    }
}

#[test]
fn whoever_takes_takes_from_the_weaker_only_and_no_claim_too_many() {
    let mut numbers = Numbers(5);
    let mut took = 0;
    for _ in 0..60 {
        let mut bench = Bench::new(&config("n+1", "0", "preempt = true"));
        for number in 0..60 {
            let priority = 1 + u8::try_from(numbers.below(9)).unwrap();
            let node = (numbers.below(3) > 0).then(|| format!("n0{}", 1 + numbers.below(4)));
            let ask = PowerAsk {
                node: node.clone(),
                reserve_seconds: (numbers.below(4) == 0).then_some(60),
                ..taking(&format!("w{number}"), 1 + numbers.below(2_500), priority)
            };
            let before = bench.rack.clone();
            if run(&mut bench, ask.clone()).is_err() {
                assert_eq!(bench.rack.kept.claims, before.kept.claims, "all or nothing");
                continue;
            }
            let sums = bench.sums();
            assert!(sums.held <= sums.firm, "{sums:?}");
            let gone: Vec<_> = before
                .kept
                .claims
                .values()
                .filter(|claim| !bench.rack.kept.claims.contains_key(&claim.id))
                .cloned()
                .collect();
            took += gone.len();
            let taken = &bench.rack.claim_named(&ask.purpose).unwrap().took;
            assert_eq!(taken.len(), gone.len());
            for spared in &gone {
                assert!(spared.priority > priority, "{spared:?}");
                // With only the others gone the ask does not fit.
                let mut other = Bench {
                    rack: before.clone(),
                    now: bench.now,
                    shelf: bench.shelf.clone(),
                    led: bench.led.clone(),
                    events: Vec::new(),
                };
                for claim in gone.iter().filter(|claim| claim.id != spared.id) {
                    other
                        .run(&Input::ReleaseClaim {
                            claim: claim.id.to_string(),
                        })
                        .unwrap();
                }
                let alone = PowerAsk {
                    preempt: false,
                    ..ask.clone()
                };
                assert!(
                    run(&mut other, alone).is_err(),
                    "{spared:?} had not to end for {ask:?}"
                );
            }
        }
    }
    assert!(took > 100, "{took}");
}

#[test]
fn in_a_deficit_nobody_is_lowered_for_a_claim_that_grants_no_cap() {
    let mut house = House::new(&Plan {
        nodes: 4,
        more: "",
        ..Plan::default()
    });
    for node in house.names() {
        let ask = PowerAsk {
            node: Some(node.clone()),
            ..asks(&format!("w-{node}"), 1_000, 9)
        };
        house.ask(ask).unwrap();
    }
    house.ask(asks("room", 8_000, 1)).unwrap();
    let kept = PowerAsk {
        reserve_seconds: Some(600),
        node: Some("n01".to_owned()),
        ..asks("later", 100, 1)
    };
    house.ask(kept).unwrap();
    house.obey();
    for bay in 0..4 {
        house.bench.shelf[bay] = None;
    }
    house.later(1_000);
    house.obey();
    // 6 kW are installed, and whoever draws gets 4 of them. 8 more are not there, and who comes after that in rank gets nothing either.
    let seen = view(&house.bench.rack, house.bench.now);
    let short: Vec<&str> = seen
        .claims
        .iter()
        .filter(|claim| claim.shed)
        .map(|claim| claim.purpose.as_str())
        .collect();
    assert_eq!(
        short,
        ["room", "later"],
        "what is only promised comes after what draws"
    );
    for node in house.names() {
        assert_eq!(house.order(&node).cap, watts(1_000), "{node}");
    }
    assert_eq!(house.broken(), Vec::<String>::new());

    // It cannot become a claim that draws while its watts are not there.
    let apply = Input::ApplyClaim {
        claim: "later".to_owned(),
    };
    let refused = house.bench.run(&apply).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the 100 W of \"later\" are not there now: shelf is short"),
        "{refused}"
    );
}
