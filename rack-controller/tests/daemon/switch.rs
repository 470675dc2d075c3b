//! Nodes are switched off and on at their BMCs, by the real daemon, over Redfish and over IPMI.

use rack_api::RackClient;
use rack_api::v1::{BayLife, DomainState};
use serde_json::Value;

use super::house::{House, bay, shelf, until};

/// What the world says of a node's power.
fn is_on(house: &House, node: &str) -> bool {
    let world = house.world(&["status"]);
    let nodes = world["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|found| found["name"] == node).unwrap();
    found["on"] == Value::Bool(true)
}

async fn node_is(client: &RackClient, node: &str, on: bool) {
    until(client, &format!("{node} on: {on}"), |rack| {
        let node = rack.nodes.iter().find(|found| found.name == node).unwrap();
        (node.state != "powered_off") == on && (node.drawn_watts.is_some() || !on)
    })
    .await;
}

/// n02 over IPMI; n03 and n04 on the shelf, and n04 may be switched off.
fn configure(house: &House) {
    let path = house.configure_over("enforce", "", &["n02"]);
    let mut toml = std::fs::read_to_string(&path).unwrap();
    for node in ["n03", "n04"] {
        let there = format!("name = \"{node}\"\ndomain = \"room\"");
        assert!(toml.contains(&there));
        toml = toml.replace(&there, &format!("name = \"{node}\"\ndomain = \"shelf\""));
    }
    // The last table is n04's. Its UUID is made of the world's seed.
    toml.push_str("allow_power_off = true\nuuid = \"256d5c1e-5351-4fe2-bc40-e7a8dd1b741e\"\n");
    std::fs::write(&path, toml).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_switched_on_as_asked_and_one_off_as_the_last_shed() {
    let Some(house) = House::raise() else { return };
    configure(&house);
    let (running, client) = house.serve();
    let all_in_service = |client: RackClient| async move {
        until(&client, "six supplies in service", |rack| {
            shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
        })
        .await
    };
    let rack = all_in_service(client.clone()).await;
    let writes: u64 = rack.bmcs.iter().map(|bmc| bmc.writes).sum();
    assert_eq!(writes, 0, "nobody is switched while supplies are on trial");

    for node in ["n01", "n02"] {
        house.world(&["power", node, "off"]);
        node_is(&client, node, false).await;
        let dry = client.power_on(node, true).await.unwrap();
        assert_eq!(dry.sentence, format!("{node} is being switched on"));
        assert!(!is_on(&house, node), "a dry run");
        client.power_on(node, false).await.unwrap();
        node_is(&client, node, true).await;
        assert!(is_on(&house, node));
    }
    let refused = client.power_on("n01", false).await.unwrap_err().to_string();
    assert!(refused.contains("on already"), "{refused}");

    // 3 kW are left for the 8 kW that n03 and n04 may draw: n04 goes, n03 may not.
    for number in 0..5 {
        house.world(&["pull", &format!("shelf/psu-{number}")]);
    }
    node_is(&client, "n04", false).await;
    assert!(!is_on(&house, "n04") && is_on(&house, "n03"));
    assert_eq!(
        shelf(&client.rack().await.unwrap()).state,
        DomainState::Deficit,
        "shown, and nobody else is switched"
    );
    for number in 0..5 {
        house.world(&["insert", &format!("shelf/psu-{number}")]);
    }
    let rack = all_in_service(client.clone()).await;
    assert_eq!(bay(&rack, "shelf/psu-0").life, BayLife::InService);
    node_is(&client, "n04", true).await;
    assert!(is_on(&house, "n04"), "it comes back by itself");
    assert_eq!(running.stop(), Some(0));
}
