//! `busbar swap`: step by step, over the loss of its terminal and of its controller, stopped by a wrong bay and a wrong part.

use rack_api::v1::BayLife;

use super::aisle::{Aisle, PLACE};
use super::house::{ask, bay, shelf, until, watts};

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_outlives_its_terminal_and_its_controller() {
    let Some(mut aisle) = Aisle::enter().await else {
        return;
    };
    aisle
        .client
        .claim(&ask("web", 11_600, None), None, false)
        .await
        .unwrap();
    let mut first = aisle.swapping(&["swap", PLACE, "--reason", "fan noise"]);
    let pull = first.until("pull");
    assert!(
        pull["sentence"].as_str().unwrap().starts_with("pull PSU 4 now"),
        "{pull}"
    );
    assert_eq!(pull["led"], true, "whoever pulls sees where");
    first.leave();
    aisle.restart().await;

    let mut again = aisle.swapping(&["swap", PLACE]);
    again.until("pull");
    aisle.house.world(&["pull", PLACE]);
    let insert = again.until("insert");
    assert!(
        insert["sentence"].as_str().unwrap().contains("at least 3000 W"),
        "{insert}"
    );
    aisle.house.world(&["insert", PLACE, "--serial", "NEW-1"]);
    let done = again.until("done");
    assert!(
        done["sentence"]
            .as_str()
            .unwrap()
            .contains("replaced by serial NEW-1"),
        "{done}"
    );
    assert_eq!(again.code(), 0);

    let begun = aisle.events("swap_begun").await;
    assert_eq!(begun.len(), 1, "it went on and did not begin twice");
    let asked = begun[0].asked.clone().unwrap();
    assert!(asked.by.unwrap().starts_with("anna@"));
    assert_eq!(asked.reason.as_deref(), Some("fan noise"));
    assert_eq!(
        aisle.events("drain_begun").await[0]
            .asked
            .clone()
            .unwrap()
            .reason
            .as_deref(),
        Some("fan noise")
    );
    assert!(
        aisle.events("swap_done").await[0].asked.is_none(),
        "that happened by itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_bay_stops_a_swap_and_the_right_one_goes_back_to_service() {
    let Some(aisle) = Aisle::enter().await else { return };
    let mut steps = aisle.swapping(&["swap", PLACE]);
    steps.until("pull");
    aisle.house.world(&["pull", "shelf/psu-1"]);
    let stopped = steps.until("wrong_bay");
    let sentence = stopped["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("PSU 2 (shelf/psu-1) was pulled, and PSU 4") && sentence.contains("was meant"),
        "{sentence}"
    );
    assert_eq!(steps.code(), 3);
    aisle.is(PLACE, BayLife::InService).await;
    until(&aisle.client, "a light where it belongs", |rack| {
        bay(rack, "shelf/psu-1").led == Some(true) && bay(rack, PLACE).led == Some(false)
    })
    .await;
    // A second bay is not begun meanwhile.
    let (code, said) = aisle.say(&["swap", "shelf/psu-5"]);
    assert!(
        code == 3 && said.contains("one bay of shelf at a time"),
        "{code} {said}"
    );
    aisle.house.world(&["insert", "shelf/psu-1"]);
    aisle.is("shelf/psu-1", BayLife::InService).await;

    let mut again = aisle.swapping(&["swap", PLACE]);
    again.until("pull");
    aisle.house.world(&["pull", PLACE]);
    again.until("insert");
    aisle.house.world(&["insert", PLACE, "--serial", "NEW-1"]);
    again.until("done");
    assert_eq!(again.code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_part_stops_a_swap_and_counts_only_for_who_takes_it() {
    let Some(aisle) = Aisle::enter().await else { return };
    let (code, said) = aisle.say(&["swap", PLACE, "--no-wait"]);
    assert_eq!(code, 0, "{said}");
    aisle.is(PLACE, BayLife::ReadyToPull).await;
    aisle.house.world(&["pull", PLACE]);
    let mut steps = aisle.swapping(&["swap", PLACE]);
    steps.until("insert");
    aisle
        .house
        .world(&["insert", PLACE, "--serial", "WEAK-1", "--watts", "2000"]);
    let stopped = steps.until("wrong_part");
    let sentence = stopped["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("delivers 2000 W, expected 3000 W: 1000 W too little"),
        "{sentence}"
    );
    assert_eq!(steps.code(), 3);
    let held = until(&aisle.client, "given up", |rack| {
        bay(rack, PLACE).life == BayLife::Condemned
    })
    .await;
    assert_eq!(shelf(&held).installed_watts, watts(15_000));

    aisle.house.world(&["pull", PLACE]);
    aisle.is(PLACE, BayLife::Empty).await;
    aisle
        .house
        .world(&["insert", PLACE, "--serial", "WEAK-2", "--watts", "2500"]);
    aisle.is(PLACE, BayLife::Condemned).await;
    let (code, said) = aisle.say(&["swap", PLACE, "--accept-part", "--reason", "nothing else here"]);
    assert_eq!(code, 0, "{said}");
    let taken = until(&aisle.client, "in service", |rack| {
        bay(rack, PLACE).life == BayLife::InService
    })
    .await;
    assert_eq!(shelf(&taken).installed_watts, watts(17_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_refused_with_the_watts_and_given_up_without_a_trace() {
    let Some(aisle) = Aisle::enter().await else { return };
    aisle
        .client
        .claim(&ask("web", 12_400, None), None, false)
        .await
        .unwrap();
    // Nobody is at a terminal who could be asked.
    let (code, said) = aisle.say(&["swap", PLACE]);
    assert!(
        code == 3 && said.contains("12.4 kW firm") && said.contains("--exposed"),
        "{code} {said}"
    );
    assert!(aisle.events("swap_begun").await.is_empty());
    let (code, said) = aisle.say(&["swap", PLACE, "--exposed", "--no-wait"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = aisle.say(&["swap", PLACE, "--cancel"]);
    assert_eq!(code, 0, "{said}");
    aisle.is(PLACE, BayLife::InService).await;
    assert_eq!(aisle.events("swap_given_up").await.len(), 1);
}
