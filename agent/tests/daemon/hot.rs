//! Parts appear and vanish while the agent runs: on the event stream, in the facts and in the next scrape.

use std::fs;

use agent_api::EventStream;
use tokio::time::timeout;

use crate::stand::{Home, LONG, until, wait};

fn plug(home: &Home, nic: &str) {
    home.write(&format!("machine/sys/class/net/{nic}/operstate"), "up\n");
    home.write(
        &format!("machine/sys/class/net/{nic}/address"),
        "02:00:00:00:00:01\n",
    );
    fs::create_dir_all(home.path(&format!("machine/sys/class/net/{nic}/device"))).unwrap();
}

async fn hears(events: &mut EventStream, kind: &str, message: &str) {
    loop {
        let event = timeout(LONG, events.next())
            .await
            .expect(message)
            .expect("the stream goes on")
            .unwrap();
        if event.kind == kind && event.message.contains(message) {
            return;
        }
    }
}

#[test]
fn a_nic_is_plugged_and_pulled() {
    let home = Home::new();
    plug(&home, "eth0");
    let root = home.path("machine");
    let agent = home.start(&["--root", root.to_str().unwrap()]);
    until("the first NIC", || {
        agent
            .get("/metrics")
            .contains("busbar_network_up{device=\"eth0\"} 1")
            .then_some(())
    });
    wait(async {
        let mut events = home.client().events().await.unwrap();
        plug(&home, "eth1");
        hears(&mut events, "part_appeared", "NIC eth1").await;
        let nics = home.client().facts().await.unwrap().nics;
        assert_eq!(nics.len(), 2, "{nics:?}");
        fs::remove_dir_all(home.path("machine/sys/class/net/eth0")).unwrap();
        hears(&mut events, "part_vanished", "NIC eth0").await;
        fs::remove_dir_all(home.path("machine/sys/class/net")).unwrap();
        hears(&mut events, "source_down", "source nic is absent").await;
    });
    let page = agent.get("/metrics");
    assert!(
        !page.contains("eth0") && !page.contains("busbar_network"),
        "{page}"
    );
    assert!(
        page.contains("busbar_source_status_info{source=\"nic\",reason=\"absent\"} 1"),
        "{page}"
    );
}

/// Without uevents, as on a recorded machine: the beat of the sensors finds it.
#[test]
fn a_usb_power_meter_is_plugged_and_pulled() {
    let home = Home::new();
    home.write("machine/sys/class/hwmon/hwmon0/name", "board\n");
    home.write("machine/sys/class/hwmon/hwmon0/temp1_input", "40000\n");
    let root = home.path("machine");
    let agent = home.start(&["--root", root.to_str().unwrap()]);
    until("the board's sensor", || {
        agent
            .get("/metrics")
            .contains("busbar_temperature_celsius{chip=\"board\"")
            .then_some(())
    });
    let has_meter = || agent.get("/metrics").contains("chip=\"usbmeter\"");
    assert!(!has_meter());
    wait(async {
        let mut events = home.client().events().await.unwrap();
        home.write("machine/sys/class/hwmon/hwmon4/name", "usbmeter\n");
        home.write("machine/sys/class/hwmon/hwmon4/power1_input", "7250000\n");
        hears(&mut events, "part_appeared", "sensor chip hwmon4").await;
        let sensors = home.client().facts().await.unwrap().sensors;
        let meter = sensors.iter().find(|sensor| sensor.device == "hwmon4/power1");
        assert_eq!(meter.expect("the meter").value.value(), Some(7.25));
        assert!(has_meter(), "{}", agent.get("/metrics"));
        fs::remove_dir_all(home.path("machine/sys/class/hwmon/hwmon4")).unwrap();
        hears(&mut events, "part_vanished", "sensor chip hwmon4").await;
        assert!(!has_meter(), "its series go with it");
    });
}
