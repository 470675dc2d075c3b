//! What else stops a swap: a part of another maker or model, and one that is put into another bay.

use rack_api::v1::BayLife;

use super::aisle::{Aisle, PLACE};
use super::house::{bay, shelf, until, watts};

/// A bay of the same shelf that nobody meant.
const OTHER: &str = "shelf/psu-1";

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_another_maker_or_model_stops_a_swap() {
    let Some(aisle) = Aisle::enter().await else { return };
    let mut steps = aisle.swapping(&["swap", PLACE]);
    steps.until("pull");
    aisle.house.world(&["pull", PLACE]);
    steps.until("insert");
    aisle
        .house
        .world(&["insert", PLACE, "--maker", "Anonymous Power", "--serial", "X-1"]);
    let stopped = steps.until("wrong_part");
    let sentence = stopped["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("the maker \"Anonymous Power\", expected \"Delta Norte\""),
        "{sentence}"
    );
    assert_eq!(steps.code(), 3);
    let held = until(&aisle.client, "given up and lit", |rack| {
        bay(rack, PLACE).life == BayLife::Condemned && bay(rack, PLACE).led == Some(true)
    })
    .await;
    assert_eq!(shelf(&held).installed_watts, watts(15_000), "it does not count");

    aisle.house.world(&["pull", PLACE]);
    aisle.is(PLACE, BayLife::Empty).await;
    let mut again = aisle.swapping(&["swap", PLACE]);
    again.until("insert");
    aisle
        .house
        .world(&["insert", PLACE, "--model", "ECD-3000X", "--serial", "X-2"]);
    let stopped = again.until("wrong_part");
    let sentence = stopped["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("the model \"ECD-3000X\", expected \"ECD-3000\""),
        "{sentence}"
    );
    assert_eq!(again.code(), 3);

    aisle.house.world(&["pull", PLACE]);
    aisle.is(PLACE, BayLife::Empty).await;
    let mut last = aisle.swapping(&["swap", PLACE]);
    last.until("insert");
    aisle.house.world(&["insert", PLACE, "--serial", "NEW-1"]);
    last.until("done");
    assert_eq!(last.code(), 0);
    assert_eq!(
        aisle.events("swap_begun").await.len(),
        1,
        "all of it was one swap"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_put_into_the_wrong_bay_stops_a_swap() {
    let Some(aisle) = Aisle::enter().await else { return };
    // Two bays are empty, and one of them is meant.
    aisle.house.world(&["pull", OTHER]);
    aisle.is(OTHER, BayLife::Empty).await;
    let mut steps = aisle.swapping(&["swap", PLACE]);
    steps.until("pull");
    aisle.house.world(&["pull", PLACE]);
    steps.until("insert");
    until(&aisle.client, "the empty bay lit, and no other", |rack| {
        shelf(rack)
            .bays
            .iter()
            .all(|bay| bay.led == Some(bay.place == PLACE))
    })
    .await;
    // The BMC's own word for it, past everything of ours.
    let world = aisle.house.world(&["status"]);
    assert!(is_lit(&world, "psu-3") && !is_lit(&world, "psu-1"), "{world}");

    aisle.house.world(&["insert", OTHER, "--serial", "NEW-1"]);
    let stopped = steps.until("wrong_bay");
    let sentence = stopped["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("put into PSU 2 (shelf/psu-1)")
            && sentence.contains("PSU 4 (shelf/psu-3) is the empty bay"),
        "{sentence}"
    );
    assert_eq!(steps.code(), 3);

    let mut again = aisle.swapping(&["swap", PLACE]);
    again.until("insert");
    aisle.house.world(&["insert", PLACE, "--serial", "NEW-2"]);
    let done = again.until("done");
    assert!(
        done["sentence"].as_str().unwrap().contains("serial NEW-2"),
        "{done}"
    );
    assert_eq!(again.code(), 0);
}

/// Whether the simulated shelf says that this bay's light burns.
fn is_lit(world: &serde_json::Value, name: &str) -> bool {
    let supplies = world["supplies"].as_array().unwrap();
    let of_bay = |supply: &&serde_json::Value| {
        supply["place"]
            .as_str()
            .is_some_and(|place| place.ends_with(name))
    };
    let supply = supplies.iter().find(of_bay).unwrap();
    supply["locate"] == true
}
