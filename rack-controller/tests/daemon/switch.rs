//! Nodes are switched off and on at their BMCs, by the real daemon, over Redfish and over IPMI.

use std::time::Duration;

use rack_api::RackClient;
use rack_api::v1::{BayLife, DomainState, RackView};
use serde_json::Value;

use super::house::{House, bay, shelf, until};

/// Longer than the controller waits for contacts that bounce, and for its BMCs' next look.
const LONG: Duration = Duration::from_secs(5);

/// What the world says of a node's power.
fn is_on(house: &House, node: &str) -> bool {
    house.node(node)["on"] == Value::Bool(true)
}

async fn node_is(client: &RackClient, node: &str, on: bool) {
    until(client, &format!("{node} on: {on}"), |rack| {
        let node = rack.nodes.iter().find(|found| found.name == node).unwrap();
        (node.state != "powered_off") == on && (node.drawn_watts.is_some() || !on)
    })
    .await;
}

/// These over IPMI; n03 and n04 on the shelf, and n04 may be switched off.
fn configure(house: &House, over_ipmi: &[&str]) {
    let path = house.configure_over("enforce", "", over_ipmi);
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

async fn all_in_service(client: &RackClient) -> RackView {
    until(client, "six supplies in service", |rack| {
        shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
    })
    .await
}

/// The last shed over IPMI, as `ipmitool` sees it, who is no part of the house.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_switched_off_as_the_last_shed_over_ipmi() {
    let Some(house) = House::raise() else { return };
    configure(&house, &["n04"]);
    let Some(power) = house.ipmitool("n04", &["chassis", "power", "status"]) else {
        return;
    };
    assert!(power.contains("is on"), "{power}");
    let (running, client) = house.serve();
    all_in_service(&client).await;
    for number in 0..5 {
        house.world(&["pull", &format!("shelf/psu-{number}")]);
    }
    node_is(&client, "n04", false).await;
    let power = house.ipmitool("n04", &["chassis", "power", "status"]).unwrap();
    assert!(power.contains("is off"), "{power}");
    assert!(!is_on(&house, "n04") && is_on(&house, "n03"));
    for number in 0..5 {
        house.world(&["insert", &format!("shelf/psu-{number}")]);
    }
    node_is(&client, "n04", true).await;
    let power = house.ipmitool("n04", &["chassis", "power", "status"]).unwrap();
    assert!(power.contains("is on"), "it comes back by itself: {power}");
    assert_eq!(running.stop(), Some(0));
}

/// Its BMC belongs to another machine than rack.toml says: nothing is asked of it.
#[tokio::test(flavor = "multi_thread")]
async fn another_machine_is_not_switched_off_over_ipmi() {
    let Some(house) = House::raise() else { return };
    configure(&house, &["n04"]);
    let path = house.path("rack.toml");
    let toml = std::fs::read_to_string(&path).unwrap();
    assert!(toml.contains("256d5c1e"));
    std::fs::write(&path, toml.replace("256d5c1e", "256d5c1f")).unwrap();
    let (running, client) = house.serve();
    all_in_service(&client).await;
    for number in 0..5 {
        house.world(&["pull", &format!("shelf/psu-{number}")]);
    }
    let rack = until(&client, "a deficit", |rack| {
        shelf(rack).state == DomainState::Deficit
    })
    .await;
    let identity = rack.doubts.iter().find(|doubt| doubt.doubt.kind == "identity");
    assert!(
        identity.is_some_and(|doubt| doubt.doubt.resource == "n04"),
        "{:?}",
        rack.doubts
    );
    tokio::time::sleep(LONG).await;
    assert!(
        is_on(&house, "n04") && is_on(&house, "n03"),
        "shown, and nobody is switched"
    );
    assert_eq!(running.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_switched_on_as_asked_and_one_off_as_the_last_shed() {
    let Some(house) = House::raise() else { return };
    configure(&house, &["n02"]);
    let (running, client) = house.serve();
    let rack = all_in_service(&client).await;
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
    let rack = all_in_service(&client).await;
    assert_eq!(bay(&rack, "shelf/psu-0").life, BayLife::InService);
    node_is(&client, "n04", true).await;
    assert!(is_on(&house, "n04"), "it comes back by itself");
    assert_eq!(running.stop(), Some(0));
}
