//! Limits at node BMCs over DCMI, which switch nobody off: what `ipmitool` reads of them, and what is done where another hand made one lethal.

use rack_api::RackClient;
use rack_api::v1::{BayLife, RackView};

use super::house::{House, Running, ask, shelf, until, watts};

/// n02 over IPMI, and what is promised to it is more than it draws idle and less than its load wants.
async fn raised(limiter: &str) -> Option<(House, Running, RackClient)> {
    let house = House::raise_with(&[("n02", limiter)])?;
    house.configure_over("enforce", "", &["n02"]);
    house.ipmitool("n02", &["chassis", "power", "status"])?;
    let (running, client) = house.serve();
    until(&client, "six supplies in service", |rack| {
        shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
    })
    .await;
    client
        .claim(&ask("web", 1_500, Some("n02")), None, false)
        .await
        .unwrap();
    house.world(&["demand", "n02", "3000"]);
    until(&client, "the limit to be read", |rack| {
        rack.nodes[1].cap_watts == Some(watts(1_500))
    })
    .await;
    Some((house, running, client))
}

fn limit(house: &House) -> String {
    house.ipmitool("n02", &["dcmi", "power", "get_limit"]).unwrap()
}

/// A line of what it says, without the blanks between its name and its value.
fn says(text: &str, name: &str, value: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split_once(':');
        line.is_some_and(|(found, told)| found.trim() == name && told.trim().starts_with(value))
    })
}

fn is_harmless(text: &str) {
    assert!(says(text, "Current Limit State", "Power Limit Active"), "{text}");
    assert!(says(text, "Power Limit", "1500"), "{text}");
    assert!(
        text.contains("Log Event to SEL") && !text.contains("Hard Power Off"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_over_dcmi_bites_and_a_stranger_reads_it() {
    let Some((house, running, client)) = raised("").await else {
        return;
    };
    is_harmless(&limit(&house));
    until(&client, "what the limit leaves", |rack| {
        // The BMC's meter errs by 5 %.
        rack.nodes[1]
            .drawn_watts
            .is_some_and(|drawn| drawn < watts(1_600))
    })
    .await;
    assert_eq!(house.node("n02")["on"], true);
    let held = held(&client.rack().await.unwrap());
    assert_eq!(
        held,
        watts(16_000),
        "all that it can draw, as long as no drill has shown more"
    );
    assert_eq!(running.stop(), Some(0));
}

fn held(rack: &RackView) -> facts::Power {
    let room = rack.domains.iter().find(|domain| domain.name == "room");
    room.unwrap().held_watts
}

/// Nothing holds the limit, so that it is broken all the time: our limit only logs that. Then another hand tells the BMC to switch the node
/// off for it, and it does. The claim stands, nobody brings the node back unasked, and whoever does finds a harmless limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_limit_switches_nobody_off_unless_another_hand_says_so() {
    let Some((house, running, client)) = raised("limiter = \"none\"").await else {
        return;
    };
    is_harmless(&limit(&house));
    until(&client, "the draw above the limit", |rack| {
        rack.nodes[1]
            .drawn_watts
            .is_some_and(|drawn| drawn > watts(2_700))
    })
    .await;
    // Three times its correction time.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(house.node("n02")["on"], true, "exceeding our limit is harmless");

    house
        .ipmitool("n02", &["dcmi", "power", "set_limit", "action", "power_off"])
        .unwrap();
    let rack = until(&client, "a BMC that switched its node off", |rack| {
        rack.nodes[1].state == "powered_off"
    })
    .await;
    assert_eq!(house.node("n02")["on"], false, "the BMC did it");
    assert_eq!(rack.claims.len(), 1, "what was promised stands");
    assert_eq!(
        held(&rack),
        watts(13_500),
        "the others, and what is claimed on it"
    );
    let rack = until(&client, "the doubt", |rack| {
        rack.doubts.iter().any(|doubt| doubt.doubt.kind == "limit")
    })
    .await;
    let doubt = rack
        .doubts
        .iter()
        .find(|doubt| doubt.doubt.kind == "limit")
        .unwrap();
    assert!(doubt.doubt.message.contains("HardPowerOff"), "{doubt:?}");
    assert_eq!(house.node("n02")["on"], false, "nobody asked for it");

    client.power_on("n02", false).await.unwrap();
    until(&client, "a harmless limit", |rack| {
        rack.nodes[1].cap_watts == Some(watts(1_500)) && rack.nodes[1].drawn_watts.is_some()
    })
    .await;
    is_harmless(&limit(&house));
    assert_eq!(running.stop(), Some(0));
}
