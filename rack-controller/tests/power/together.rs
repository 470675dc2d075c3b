//! Answers that come at one moment, as after a loss: decided together they come to the same rack as one after another.

use rack_controller::decide::{Input, decide_all};
use rack_controller::rack::{LeaseSight, evolve};

use super::bench::watts;
use super::house_of_64::{House, Plan};

#[test]
fn answers_that_come_together_come_to_the_same_rack() {
    let mut house = House::new(&Plan::default());
    for node in house.names() {
        house.claim(&node, &format!("w-{node}"), 234, 46).unwrap();
    }
    house.obey();
    house.bench.shelf[2] = None;
    house.later(1_000);
    let orders = house.bench.rack.kept.orders.clone();
    assert!(orders.values().all(|order| order.cap == watts(234)));
    let answers: Vec<Input> = orders
        .iter()
        .map(|(node, order)| Input::LeaseSeen {
            node: node.clone(),
            seen: LeaseSight {
                answered: order.number,
                in_force: Some(order.cap),
                applied: true,
                ..LeaseSight::default()
            },
        })
        .collect();
    let mut together = house.bench.rack.clone();
    let events = decide_all(&together, &answers, house.bench.now).unwrap();
    for event in &events {
        evolve(&mut together, event);
    }
    for answer in &answers {
        house.bench.run(answer).unwrap();
    }
    // Who is timed slowest is journaled each time one is slower; all of these are equally slow.
    assert_eq!(together.sight, house.bench.rack.sight);
    assert_eq!(together.kept.orders, house.bench.rack.kept.orders);
    assert_eq!(together.kept.granted, house.bench.rack.kept.granted);
    assert!(
        together
            .sight
            .nodes
            .values()
            .all(|node| node.lease.as_ref().is_some_and(|lease| lease.applied))
    );
}
