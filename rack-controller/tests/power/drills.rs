//! Drills: whether a node's cap bites, and how that is believed and doubted.

use facts::Moment;
use rack_controller::decide::Input;

use super::bench::watts;
use super::house_of_64::{House, Plan, kind_of};

#[test]
fn a_drill_shows_that_a_cap_bites_and_what_is_measured_can_take_that_back() {
    let mut house = House::unproven(&Plan {
        nodes: 4,
        ..Plan::default()
    });
    let refused = house
        .bench
        .run(&Input::Calibrate {
            node: "n01".to_owned(),
        })
        .unwrap_err();
    assert!(
        refused.to_string().contains("expected a BMC that tells it"),
        "{refused}"
    );
    house.draws("n01", 118);
    let calibrate = Input::Calibrate {
        node: "n01".to_owned(),
    };
    house.bench.run(&calibrate).unwrap();
    assert!(house.bench.run(&calibrate).is_err(), "one at a time");
    house.obey();
    assert_eq!(
        house.order("n01").cap,
        watts(1_100),
        "its load may draw what it wants"
    );
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 4_000);
    house.draws("n01", 125);
    assert_eq!(
        house.order("n01").cap,
        watts(1_100),
        "5 W more than its floor show nothing"
    );
    house.draws("n01", 600);
    assert_eq!(house.order("n01").cap, watts(120));
    house.obey();
    house.draws("n01", 110);
    assert!(
        house.bench.rack.kept.proofs.is_empty(),
        "a reading of before the limiter's window"
    );
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 4_000);
    let events = house.draws("n01", 121);
    assert!(
        kind_of(&events, "cap_proven")
            .unwrap()
            .contains("under 120 W, 121 W")
    );

    // Later it draws more than its cap, for longer than a limiter may take.
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 4_000);
    house.draws("n01", 200);
    house.bench.now = Moment::from_millis(house.bench.now.millis() + 11_000);
    let events = house.draws("n01", 201);
    let told = kind_of(&events, "cap_doubted").unwrap();
    assert!(told.contains("it draws 201 W under a cap of 120 W"), "{told}");
    assert!(house.bench.rack.kept.proofs.is_empty());
}

#[test]
fn a_drill_without_load_or_without_a_bite_ends_and_says_so() {
    for (drawn, after, kind, expected) in [
        (118, 118, "drill_showed_nothing", "put load on it"),
        (600, 600, "cap_doubted", "still more than that"),
    ] {
        let mut house = House::unproven(&Plan {
            nodes: 4,
            ..Plan::default()
        });
        house.prove("n01", watts(120));
        house.draws("n01", 118);
        house
            .bench
            .run(&Input::Calibrate {
                node: "n01".to_owned(),
            })
            .unwrap();
        house.obey();
        let mut told = None;
        for step in 0..40 {
            house.bench.now = Moment::from_millis(house.bench.now.millis() + 4_000);
            let events = house.draws("n01", if step == 0 { drawn } else { after });
            house.obey();
            told = told.or(kind_of(&events, kind));
        }
        assert!(told.unwrap().contains(expected));
        assert_eq!(house.order("n01").cap, watts(120));
        assert!(house.bench.rack.sight.drill.is_none());
        // An idle node keeps what an earlier drill showed; one whose cap did not bite does not.
        let is_believed = house.bench.rack.kept.proofs.contains_key("n01");
        assert_eq!(is_believed, kind == "drill_showed_nothing");
    }
}

/// The first contact has the handshakes of a whole rack in it. What an agent that is known needs is what a loss waits for.
#[test]
fn the_first_contact_with_an_agent_is_no_measure_of_lowering() {
    let mut house = House::unproven(&Plan::default());
    assert_eq!(house.bench.rack.kept.slowest_lowering, None);
    house.claim("n01", "web", 200, 0).unwrap();
    house.obey();
    assert_eq!(
        house.bench.rack.kept.slowest_lowering, None,
        "a raise is none either"
    );
    let release = Input::ReleaseClaim {
        claim: "web".to_owned(),
    };
    house.bench.run(&release).unwrap();
    house.bench.now = house.bench.now.after(std::time::Duration::from_millis(30));
    house.obey();
    let timed = house.bench.rack.kept.slowest_lowering.unwrap();
    assert_eq!(timed.0, std::time::Duration::from_millis(30));
}
