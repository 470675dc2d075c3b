//! What must always hold in the world, with seeds, and the moments that power.md names, by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]
#![allow(clippy::wildcard_enum_match_arm)]

use std::path::Path;

use proptest::prelude::*;

use super::*;

mod bmcs;

const DEMO: &str = include_str!("../../racks/demo.toml");

fn demo() -> World {
    World::new(Plan::parse(DEMO, Path::new("demo.toml")).unwrap())
}

fn place(bay: &str) -> String {
    format!("shelf/{bay}")
}

fn pull(world: &mut World, bay: &str) {
    world.act(&Verb::Pull { place: place(bay) }).unwrap();
}

fn demand(world: &mut World, watts: u64) {
    for node in ["n01", "n02", "n03", "n04"] {
        world
            .act(&Verb::Demand {
                node: node.to_owned(),
                milliwatts: watts * 1_000,
            })
            .unwrap();
    }
    world.advance_by(100);
}

fn happenings(world: &mut World) -> Vec<Happening> {
    world
        .take_events()
        .into_iter()
        .map(|event| event.happening)
        .collect()
}

#[test]
fn the_rack_rides_the_overload_time_and_then_goes_dark() {
    let mut world = demo();
    demand(&mut world, 3_900);
    assert_eq!((world.draw(), world.available()), (15_600_000, 18_000_000));
    pull(&mut world, "psu-3");
    world.take_events();
    world.advance_by(1_000);
    assert!(!world.is_dark(), "15.6 kW on 15 kW is bearable for one second");
    world.advance_by(STEP_MS);
    assert!(world.is_dark());
    let said = happenings(&mut world);
    assert_eq!(
        said.iter()
            .filter(|h| matches!(h, Happening::Tripped { .. }))
            .count(),
        5
    );
    assert!(
        matches!(
            said.last(),
            Some(Happening::Dark {
                draw_milliwatts: 15_600_000,
                ..
            })
        ),
        "{said:?}"
    );
    assert_eq!(world.draw(), 0);
}

#[test]
fn beyond_the_factor_it_is_dark_at_once_and_in_time_limits_save_it() {
    let mut world = demo();
    demand(&mut world, 3_700);
    for bay in ["psu-0", "psu-1"] {
        pull(&mut world, bay);
    }
    assert!(world.is_dark(), "14.8 kW is more than 120 % of 12 kW");
    let mut world = demo();
    demand(&mut world, 3_900);
    pull(&mut world, "psu-3");
    world.advance_by(300);
    for node in ["n01", "n02", "n03", "n04"] {
        assert!(world.set_limit(node, Some(3_000_000)));
    }
    world.advance_by(5_000);
    assert!(!world.is_dark());
    assert_eq!(world.draw(), 12_000_000);
    assert_eq!(world.overloaded_ms(), 0);
    let ride = world.ride();
    assert_eq!((ride.times, ride.since_ms), (1, None), "it is over");
    assert!(
        (5..=1_000).contains(&ride.last_ms) && ride.longest_ms == ride.last_ms,
        "as long as the limits needed: {ride:?}"
    );
}

#[test]
fn a_supply_holds_up_20_ms_at_full_load_and_longer_at_less() {
    let mut world = demo();
    demand(&mut world, 4_000);
    for bay in ["psu-3", "psu-4", "psu-5"] {
        world.act(&Verb::FeedLoss { feed: "B".to_owned() }).ok();
        assert_eq!(world.supply(bay).unwrap().phase(), Phase::HoldUp);
    }
    // 16 kW over six is 2.67 kW each: the capacitors, made for 20 ms at 3 kW, last 22.5 ms.
    world.advance_by(20);
    assert!(!world.is_dark());
    world.advance_by(5);
    assert!(world.is_dark(), "9 kW carry no 16 kW");
    let mut world = demo();
    world.act(&Verb::FeedLoss { feed: "B".to_owned() }).unwrap();
    world.advance_by(100);
    assert_eq!(
        world.supply("psu-3").unwrap().phase(),
        Phase::HoldUp,
        "1.6 kW drain them slowly"
    );
    world.advance_by(200);
    assert_eq!(world.supply("psu-3").unwrap().phase(), Phase::NoInput);
    assert!(!world.is_dark());
}

#[test]
fn a_limit_acts_with_lag_and_never_below_idle() {
    let mut world = demo();
    demand(&mut world, 3_000);
    assert!(world.set_limit("n01", Some(1_000_000)));
    let draw = |world: &World| world.node("n01").unwrap().draw(world.now_ms());
    assert_eq!(draw(&world), 3_000_000);
    world.advance_by(250);
    assert_eq!(draw(&world), 2_000_000);
    world.advance_by(250);
    assert_eq!(draw(&world), 1_000_000);
    assert!(world.set_limit("n01", Some(1)));
    world.advance_by(500);
    assert_eq!(draw(&world), 400_000);
    assert!(world.set_limit("n01", None));
    world.advance_by(500);
    assert_eq!(draw(&world), 3_000_000);
    assert!(!world.set_limit("n99", None));
}

#[test]
fn a_dark_rack_comes_back_uncapped_when_it_is_reset() {
    let mut world = demo();
    assert!(world.set_limit("n01", Some(500_000)));
    demand(&mut world, 4_000);
    for bay in ["psu-0", "psu-1", "psu-2"] {
        pull(&mut world, bay);
    }
    assert!(world.is_dark());
    demand(&mut world, 1_000);
    world.act(&Verb::Restart).unwrap();
    world.advance_by(1_000);
    assert!(!world.is_dark());
    assert_eq!(world.node("n01").unwrap().limit(), None);
    assert_eq!(world.draw(), 4_000_000);
    assert!(matches!(world.act(&Verb::Restart), Err(Refusal::NotNow(_))));
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let mut world = demo();
    pull(&mut world, "psu-3");
    let before = world.snapshot();
    for verb in [
        Verb::Pull {
            place: place("psu-3"),
        },
        Verb::Pull {
            place: place("psu-9"),
        },
        Verb::Pull {
            place: "psu-1".to_owned(),
        },
        Verb::Insert {
            place: place("psu-1"),
            maker: None,
            model: None,
            serial: None,
            milliwatts: None,
            bytes: None,
        },
        Verb::Insert {
            place: place("psu-3"),
            maker: None,
            model: None,
            serial: None,
            milliwatts: Some(0),
            bytes: None,
        },
        Verb::Fail {
            place: place("psu-3"),
        },
        Verb::Repair {
            place: place("psu-1"),
        },
        Verb::FeedRestore { feed: "A".to_owned() },
        Verb::FeedLoss { feed: "Z".to_owned() },
        Verb::Demand {
            node: "n77".to_owned(),
            milliwatts: 1,
        },
        Verb::Power {
            node: "n01".to_owned(),
            on: true,
        },
    ] {
        let refusal = world.act(&verb);
        assert!(refusal.is_err(), "{verb:?} gave {refusal:?}");
    }
    assert_eq!(world.snapshot(), before);
}

#[test]
fn what_a_hand_changed_is_remembered() {
    let mut world = demo();
    pull(&mut world, "psu-3");
    world
        .act(&Verb::Fail {
            place: place("psu-1"),
        })
        .unwrap();
    world.act(&Verb::FeedLoss { feed: "B".to_owned() }).unwrap();
    world
        .act(&Verb::Bmc {
            bmc: "n02".to_owned(),
            answer: Answer::Half,
        })
        .unwrap();
    assert!(world.set_limit("n04", Some(900_000)) && world.set_bay_locate("psu-3", true));
    let text = serde_json::to_string(&world.snapshot()).unwrap();
    let memory: Snapshot = serde_json::from_str(&text).unwrap();
    let again = World::restore(world.plan().clone(), &memory).unwrap();
    assert_eq!(again.snapshot(), world.snapshot());
    assert_eq!(again.supply("psu-3").unwrap().phase(), Phase::Absent);
    assert_eq!(again.supply("psu-1").unwrap().phase(), Phase::Failed);
    assert_eq!(again.supply("psu-4").unwrap().phase(), Phase::NoInput);
    assert_eq!(again.answer("n02"), Answer::Half);
    let other = DEMO.replacen("\"demo\"", "\"other\"", 1);
    let other = Plan::parse(&other, Path::new("other.toml")).unwrap();
    assert!(matches!(
        World::restore(other, &memory),
        Err(SnapshotError::World { .. })
    ));
}

/// A deed picked by three numbers, as property tests need it.
fn deed(kind: u8, which: u8, much: u64) -> Verb {
    let bay = place(&format!("psu-{}", which % 6));
    let feed = if which.is_multiple_of(2) { "A" } else { "B" }.to_owned();
    let node = format!("n0{}", which % 4 + 1);
    match kind % 9 {
        0 => Verb::Pull { place: bay },
        1 => Verb::Insert {
            place: bay,
            maker: None,
            model: None,
            serial: None,
            milliwatts: Some(much % 4_000_000 + 1),
            bytes: None,
        },
        2 => Verb::Fail { place: bay },
        3 => Verb::Repair { place: bay },
        4 => Verb::FeedLoss { feed },
        5 => Verb::FeedRestore { feed },
        6 => Verb::Power {
            node,
            on: much.is_multiple_of(2),
        },
        7 => Verb::Restart,
        _ => Verb::Demand {
            node,
            milliwatts: much % 5_000_000,
        },
    }
}

fn run(deeds: &[(u8, u8, u64, u64)], mut look: impl FnMut(&World)) -> (World, Vec<Event>) {
    let mut world = demo();
    let mut events = Vec::new();
    for (kind, which, much, wait) in deeds {
        let _ = world.act(&deed(*kind, *which, *much));
        look(&world);
        if kind % 3 == 0 {
            world.set_limit(
                &format!("n0{}", which % 4 + 1),
                (much % 3 != 0).then_some(much % 4_000_000),
            );
        }
        for _ in 0..wait % 40 {
            world.advance_by(STEP_MS);
            look(&world);
        }
        events.extend(world.take_events());
    }
    (world, events)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn power_is_conserved_and_only_who_can_carry_carries(
        deeds in proptest::collection::vec((0_u8..9, any::<u8>(), 0_u64..6_000_000, 0_u64..40), 1..40)
    ) {
        run(&deeds, |world| {
            let carried: u64 = world.supplies().iter().map(Supply::output).sum();
            let drawn: u64 = world.nodes().iter().map(|n| n.draw(world.now_ms())).sum();
            assert!(world.is_dark() || carried == drawn, "carried {carried}, drawn {drawn}");
            assert_eq!(world.is_dark(), world.available() == 0);
            for supply in world.supplies() {
                let carries = matches!(supply.phase(), Phase::Running | Phase::HoldUp);
                assert!(carries || supply.output() == 0, "{supply:?}");
                assert!(supply.part().is_some() || supply.phase() == Phase::Absent);
            }
            for node in world.nodes() {
                let draw = node.draw(world.now_ms());
                assert!(draw == 0 || (draw <= node.max_draw()));
                assert!(!world.is_dark() || draw == 0);
            }
        });
    }

    #[test]
    fn the_same_deeds_give_the_same_run(
        deeds in proptest::collection::vec((0_u8..9, any::<u8>(), 0_u64..6_000_000, 0_u64..40), 1..30)
    ) {
        let (one, first) = run(&deeds, |_| ());
        let (two, second) = run(&deeds, |_| ());
        prop_assert_eq!(first, second);
        prop_assert_eq!(one.snapshot(), two.snapshot());
        prop_assert_eq!(one.draw(), two.draw());
    }

    #[test]
    fn the_heavier_overload_never_trips_later(light in 3_760_u64..4_000, more in 0_u64..200) {
        let trip_moment = |watts: u64| {
            let mut world = demo();
            demand(&mut world, watts);
            pull(&mut world, "psu-3");
            for _ in 0..400 {
                if world.is_dark() {
                    return world.now_ms();
                }
                world.advance_by(STEP_MS);
            }
            u64::MAX
        };
        let heavy = (light + more).min(4_000);
        prop_assert!(trip_moment(heavy) <= trip_moment(light));
    }

    #[test]
    fn a_meter_errs_within_its_bound_and_repeats_itself(
        truth in 0_u64..20_000_000, now in 0_u64..1_000_000, seed in any::<u64>()
    ) {
        let meter = Meter { seed, name: "n01", error_permille: 50 };
        let shown = meter.shows(truth, now);
        prop_assert!(shown.abs_diff(truth) <= truth / 20);
        prop_assert_eq!(shown, meter.shows(truth, now));
    }
}
