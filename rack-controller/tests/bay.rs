//! One bay's life, step by step: bounces, strangers, faults with back-off, blindness, and a supply that carries nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use std::time::Duration;

use facts::supply::SupplyState;
use facts::{Identity, Moment, Power};
use rack_api::v1::{BayLife, DrainFor};
use rack_controller::bay::{Bay, BayRules, Life, Present, Sighting, step};

const RULES: BayRules = BayRules::of_supplies(Duration::from_secs(1), Duration::from_secs(4));

struct Place {
    bay: Bay,
    millis: u64,
}

fn present(serial: &str, state: SupplyState) -> Present {
    Present {
        part: Identity {
            maker: Some("Maker".to_owned()),
            model: None,
            serial: Some(serial.to_owned()),
        },
        state,
        rated: Power::from_watts(3_000),
        carries: None,
    }
}

impl Place {
    fn in_service() -> Place {
        let mut place = Place {
            bay: Bay::unseen(),
            millis: 10_000,
        };
        assert_eq!(place.see("S1", SupplyState::Ok, 0), BayLife::Probation);
        assert_eq!(place.see("S1", SupplyState::Ok, 3_999), BayLife::Probation);
        assert_eq!(place.see("S1", SupplyState::Ok, 1), BayLife::InService);
        place
    }

    fn look(&mut self, seen: &Sighting, after: u64) -> BayLife {
        self.millis += after;
        for _ in 0..10 {
            match step(&self.bay, seen, Moment::from_millis(self.millis), &RULES) {
                Some(next) => self.bay = next,
                None => return self.bay.life.word(),
            }
        }
        panic!("a bay's life must come to rest: {:?}", self.bay);
    }

    fn see(&mut self, serial: &str, state: SupplyState, after: u64) -> BayLife {
        self.look(&Sighting::Present(present(serial, state)), after)
    }

    fn empty(&mut self, after: u64) -> BayLife {
        self.look(&Sighting::Empty, after)
    }
}

#[test]
fn an_insertion_settles_and_is_on_trial_before_it_counts() {
    let mut place = Place {
        bay: Bay::unseen(),
        millis: 0,
    };
    assert_eq!(place.empty(0), BayLife::Empty);
    assert_eq!(place.see("S1", SupplyState::Ok, 100), BayLife::Settling);
    // Contacts bounce: each bounce begins anew, and none is held against the supply.
    for _ in 0..20 {
        assert_eq!(place.empty(50), BayLife::Empty);
        assert_eq!(place.see("S1", SupplyState::Ok, 50), BayLife::Settling);
    }
    assert_eq!(place.bay.flaps, 0);
    assert_eq!(place.see("S1", SupplyState::Ok, 999), BayLife::Settling);
    assert_eq!(place.see("S1", SupplyState::Ok, 1), BayLife::Probation);
    assert_eq!(place.bay.installed(), Power::ZERO);
    assert_eq!(place.see("S1", SupplyState::Ok, 4_000), BayLife::InService);
    assert_eq!(place.bay.installed(), Power::from_watts(3_000).unwrap());
}

#[test]
fn another_serial_is_a_removal_and_an_insertion() {
    let mut place = Place::in_service();
    let stranger = Sighting::Present(present("S2", SupplyState::Ok));
    let now = Moment::from_millis(place.millis + 10);
    let removed = step(&place.bay, &stranger, now, &RULES).unwrap();
    assert_eq!((removed.life.clone(), removed.part.clone()), (Life::Empty, None));
    assert_eq!(place.look(&stranger, 10), BayLife::Settling);
    assert_eq!(place.bay.part.unwrap().serial.unwrap(), "S2");
    assert_eq!(place.bay.last_part.unwrap().serial.unwrap(), "S1");
}

#[test]
fn an_answer_without_a_serial_is_no_stranger() {
    let mut place = Place::in_service();
    let nameless = Present {
        part: Identity::default(),
        ..present("", SupplyState::Ok)
    };
    assert_eq!(place.look(&Sighting::Present(nameless), 10), BayLife::InService);
    assert_eq!(place.bay.part.unwrap().serial.unwrap(), "S1");
}

#[test]
fn contacts_that_flap_settle_longer_each_time() {
    let mut place = Place::in_service();
    let mut settling = Vec::new();
    for _ in 0..5 {
        place.empty(1_000);
        place.see("S1", SupplyState::Ok, 1_000);
        let until = place.bay.life.until().unwrap();
        settling.push(until.since(Moment::from_millis(place.millis)).as_millis());
        let wait = u64::try_from(*settling.last().unwrap()).unwrap();
        place.see("S1", SupplyState::Ok, wait);
        assert_eq!(place.see("S1", SupplyState::Ok, 4_000), BayLife::InService);
    }
    assert_eq!(settling, [1_000, 1_000 * 2, 4_000, 8_000, 16_000]);
    // After a quiet while the same pull is a pull, not a flap.
    place.empty(120_000);
    place.see("S1", SupplyState::Ok, 61_000);
    assert_eq!(place.bay.flaps, 0);
}

#[test]
fn faults_are_retried_with_back_off_and_condemned_in_the_end() {
    let mut place = Place::in_service();
    for (tries, wait) in [(1, 5_000), (2, 10_000), (3, 20_000), (4, 40_000), (5, 80_000)] {
        assert_eq!(place.see("S1", SupplyState::Faulted, 10), BayLife::Faulted);
        let Life::Faulted { tries: counted, .. } = place.bay.life else {
            panic!()
        };
        assert_eq!(counted, tries);
        assert_eq!(place.see("S1", SupplyState::Ok, wait - 1), BayLife::Faulted);
        assert_eq!(place.see("S1", SupplyState::Ok, 1), BayLife::Settling);
        place.see("S1", SupplyState::Ok, 1_000);
        assert_eq!(place.see("S1", SupplyState::Ok, 4_000), BayLife::InService);
    }
    assert_eq!(place.see("S1", SupplyState::Faulted, 10), BayLife::Condemned);
    assert_eq!(place.see("S1", SupplyState::Ok, 86_400_000), BayLife::Condemned);
    assert_eq!(place.empty(10), BayLife::Empty);
    assert_eq!(place.see("S1", SupplyState::Ok, 10), BayLife::Settling);
}

#[test]
fn long_service_forgives() {
    let mut place = Place::in_service();
    place.see("S1", SupplyState::Faulted, 10);
    place.see("S1", SupplyState::Ok, 5_000);
    place.see("S1", SupplyState::Ok, 1_000);
    place.see("S1", SupplyState::Ok, 4_000);
    place.see("S1", SupplyState::Faulted, 3_600_000);
    assert_eq!(place.bay.faults, 1);
}

#[test]
fn lost_input_is_not_held_against_a_supply() {
    let mut place = Place::in_service();
    for _ in 0..20 {
        assert_eq!(place.see("S1", SupplyState::InputLost, 10), BayLife::Faulted);
        assert_eq!(place.bay.life.reason().unwrap(), "no input");
        assert_eq!(place.see("S1", SupplyState::Ok, 10), BayLife::Settling);
        place.see("S1", SupplyState::Ok, 1_000);
        assert_eq!(place.see("S1", SupplyState::Ok, 4_000), BayLife::InService);
    }
}

#[test]
fn blindness_keeps_every_life() {
    let mut place = Place::in_service();
    assert_eq!(place.look(&Sighting::Blind, 86_400_000), BayLife::InService);
    place.empty(1);
    place.see("S1", SupplyState::Ok, 1);
    assert_eq!(place.look(&Sighting::Blind, 86_400_000), BayLife::Settling);
}

#[test]
fn a_supply_that_carries_nothing_does_not_pass_and_an_untold_output_does() {
    for (carries, expected) in [
        (Some(false), BayLife::Faulted),
        (Some(true), BayLife::InService),
        (None, BayLife::InService),
    ] {
        let mut place = Place {
            bay: Bay::unseen(),
            millis: 0,
        };
        let seen = Sighting::Present(Present {
            carries,
            ..present("S1", SupplyState::Ok)
        });
        place.look(&seen, 0);
        assert_eq!(place.look(&seen, 4_000), expected, "{carries:?}");
    }
}

#[test]
fn a_bay_on_its_way_out_stays_there_when_its_supply_fails() {
    let mut place = Place::in_service();
    let now = Moment::from_millis(place.millis);
    let back_at = Some(Moment::from_millis(place.millis + 1_000));
    place.bay = place
        .bay
        .drained(now, back_at, false, DrainFor::Pull)
        .unwrap()
        .ready(now)
        .unwrap();
    assert_eq!(place.see("S1", SupplyState::Faulted, 1), BayLife::ReadyToPull);
    assert_eq!(place.bay.life.until(), None);
    assert_eq!(
        place.bay.given_back(now, &RULES).unwrap().life.word(),
        BayLife::Settling
    );
    assert_eq!(place.empty(1), BayLife::Empty);
    assert_eq!(place.bay.lost_at, None, "a prepared pull is no flap");
}
