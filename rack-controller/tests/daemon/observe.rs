//! In observe nothing is written at any BMC, whatever happens and whatever is asked.

use rack_api::v1::{BayLife, DrainRequest, LocateRequest};
use serde_json::Value;

use super::house::{House, ask, bay, until, watts};

#[tokio::test(flavor = "multi_thread")]
async fn a_long_run_in_observe_makes_no_write_at_any_bmc() {
    let Some((house, running, client)) = House::whole("observe").await else {
        return;
    };
    client
        .claim(&ask("web", 2_000, Some("n01")), None, false)
        .await
        .unwrap();
    client
        .claim(&ask("db", 3_000, Some("n02")), None, false)
        .await
        .unwrap();
    let request = DrainRequest {
        place: "shelf/psu-3".to_owned(),
        dry_run: true,
        exposed: false,
        force: false,
        reason: None,
        cancel: false,
        ..DrainRequest::default()
    };
    client.drain(&request).await.unwrap();
    let drained = client
        .drain(&DrainRequest {
            dry_run: false,
            ..request
        })
        .await
        .unwrap();
    assert!(drained.begun && drained.led.is_none(), "{}", drained.sentence);
    assert!(
        drained.sentence.contains("LED not lit") && drained.sentence.contains("led"),
        "{}",
        drained.sentence
    );
    let locate = LocateRequest {
        place: "shelf/psu-0".to_owned(),
        on: true,
        for_seconds: Some(60),
    };
    assert_eq!(client.locate(&locate).await.unwrap().led, None);

    shows_what_it_would_do(&client).await;
    for _ in 0..2 {
        house.world(&["pull", "shelf/psu-3"]);
        until(&client, "pulled", |rack| {
            bay(rack, "shelf/psu-3").life == BayLife::Empty
        })
        .await;
        house.world(&["insert", "shelf/psu-3"]);
        until(&client, "back", |rack| {
            bay(rack, "shelf/psu-3").life == BayLife::InService
        })
        .await;
    }
    client.release("web").await.unwrap();
    let rack = client.rack().await.unwrap();
    let held: facts::Power = rack.nodes.iter().map(|node| node.held_watts).sum();
    assert_eq!(held, watts(3_000), "what the other claim holds on its node");
    assert!(rack.bmcs.iter().all(|bmc| bmc.writes == 0), "{:?}", rack.bmcs);
    assert_eq!(running.stop(), Some(0));

    // The world's own word: no LED was touched, no limit was set, nothing was written at all.
    let world = house.world(&["status"]);
    nothing_written(&world);
    let text = world.to_string();
    assert!(text.contains("shelf") && text.contains("n04"), "{text}");
}

async fn shows_what_it_would_do(client: &rack_api::RackClient) {
    let metrics = scrape(client).await;
    for would in [
        "busbar_rack_would_actions{actuator=\"led\"} 2",
        "busbar_rack_would_actions{actuator=\"power_cap\"} 2",
        "busbar_rack_would_led{bay=\"shelf/psu-3\"} 1",
        "busbar_rack_would_power_limit_watts{node=\"n01\"} 2000",
    ] {
        assert!(metrics.contains(would), "{would} is missing");
    }
}

fn nothing_written(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "locate" | "led" => assert_ne!(value, &Value::Bool(true), "an LED is lit"),
                    "limit_watts" => assert!(value.is_null(), "a limit was set: {value}"),
                    "writes" => assert_eq!(value.as_u64(), Some(0), "the BMC counted writes"),
                    _ => nothing_written(value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(nothing_written),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn scrape(client: &rack_api::RackClient) -> String {
    super::closed::get(client.url(), "/metrics", "127.0.0.1").await.1
}
