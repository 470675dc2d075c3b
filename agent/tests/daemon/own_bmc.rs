//! The node's own BMC in the real agent: read over Redfish, on the metrics page, in the facts, and on the event stream.

use agent_api::EventStream;
use facts::power::HostMeter;
use tokio::time::timeout;

use crate::bmc_stand_in::{Mood, Service};
use crate::stand::{Home, LONG, until, wait};

async fn hears(events: &mut EventStream, kind: &str) -> String {
    loop {
        let event = timeout(LONG, events.next())
            .await
            .expect(kind)
            .expect("the stream goes on")
            .unwrap();
        if event.kind == kind && event.message.contains("power supply") {
            return event.message;
        }
    }
}

/// The BMC is asked every ten seconds and Redfish every thirty, so this takes a minute of waiting.
#[test]
fn a_service_that_says_no_is_named_then_read_and_a_supply_that_fails_is_told() {
    let service = Service::start(Mood::Unauthorized);
    let home = Home::new();
    let config = format!(
        "[bmc]\ndevice = \"none\"\nredfish = \"{}\"\ninsecure = true\n",
        service.url
    );
    home.write("agent.toml", &config);
    let agent = home.start(&[]);
    until("the refusal is named", || {
        let refused = "busbar_source_status_info{source=\"bmc\",reason=\"refused\"} 1";
        agent.get("/metrics").contains(refused).then_some(())
    });
    service.is(Mood::Well);
    let page = until("what it says then", || {
        let page = agent.get("/metrics");
        page.contains("busbar_host_power_watts{source=\"redfish\"} 412\n")
            .then_some(page)
    });
    for line in [
        "busbar_source_up{source=\"bmc\"} 1",
        "busbar_power_supply_capacity_watts{supply=\"2\"} 800",
        "busbar_power_supply_health{supply=\"2\"} 0",
    ] {
        assert!(page.lines().any(|seen| seen == line), "{line}\n{page}");
    }
    let is_inlet =
        |line: &&str| line.contains("chip=\"bmc\"") && line.contains("Inlet Temp") && line.ends_with(" 24");
    assert!(page.lines().any(|line| is_inlet(&line)), "{page}");
    wait(async {
        let mut events = home.client().events().await.unwrap();
        service.second_supply_is("Critical");
        let told = hears(&mut events, "part_changed").await;
        assert_eq!(told, "power supply 2 went from ok to faulted");
        let facts = home.client().facts().await.unwrap();
        let bmc = facts.bmc.unwrap();
        assert_eq!(bmc.redfish.unwrap().serial.as_deref(), Some("BOX-1"));
        assert_eq!(bmc.supplies.len(), 2);
        assert_eq!(
            facts
                .host_power
                .iter()
                .filter(|power| power.source == HostMeter::Redfish)
                .count(),
            1
        );
        assert!(
            facts
                .sensors
                .iter()
                .any(|sensor| sensor.chip == "bmc" && sensor.device == "Fan1")
        );
    });
    assert!(agent.stop().success());
}
