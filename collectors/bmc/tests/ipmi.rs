//! Our RMCP+ client against OpenIPMI's simulator, with ipmitool as the second opinion.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]
#![allow(clippy::wildcard_enum_match_arm)]

mod ipmi_lab;

use std::time::Duration;

use bmc::Credentials;
use bmc::ipmi::act::{self, Identify, NewLimit};
use bmc::ipmi::observe::{self, Event, ExceptionAction};
use bmc::ipmi::{Endpoint, Ipmi, IpmiError, Privilege, Suite};
use facts::Power;
use facts::supply::SupplyState;
use ipmi_lab::{Sim, at};

#[tokio::test]
async fn every_sensor_has_the_value_that_ipmitool_gives() {
    let Some(sim) = Sim::start().await else { return };
    let ipmi = sim.client();
    let refresh = observe::refresh(&ipmi).await.unwrap();
    let value = |name: &str| {
        let (_, reading) = refresh
            .sensors()
            .find(|(sensor, _)| sensor.name.as_deref() == Some(name))
            .unwrap_or_else(|| panic!("no {name}"));
        reading
            .value
            .value()
            .unwrap_or_else(|| panic!("{name}: {reading:?}"))
    };
    assert_eq!(
        (value("CPU1 Temp"), value("3.3V"), value("FAN1")),
        (41.0, 3.3, 8520.0)
    );
    assert_eq!(
        (value("Twos"), value("Ones"), value("Minus")),
        (-10.0, -9.0, -0.12)
    );
    assert!((value("L7") - 1.0 / 6.7).abs() < 1e-9);
    let Some(said) = sim.ipmitool(&["-c", "sdr", "list", "full"]) else {
        return;
    };
    let mut compared = 0;
    for line in said.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [name, number, unit, ..] = fields.as_slice() else {
            continue;
        };
        let Ok(theirs) = number.parse::<f64>() else {
            continue;
        };
        let ours = value(name);
        // ipmitool shows three digits after the point, and single precision in between.
        assert!(
            (ours - theirs).abs() <= 0.0006 + theirs.abs() * 1e-6,
            "{line}: {ours}"
        );
        let sensor = refresh
            .sensors()
            .find(|(sensor, _)| sensor.name.as_deref() == Some(name));
        assert_eq!(sensor.unwrap().0.unit.words(), *unit);
        compared += 1;
    }
    assert!(
        compared >= 40,
        "{compared} of {} compared:\n{said}",
        refresh.readings.len()
    );
    println!("{compared} values as ipmitool gives them");
}

#[tokio::test]
async fn a_refresh_costs_sensors_and_four_packets_and_the_repository_is_read_once() {
    let Some(sim) = Sim::start().await else { return };
    let ipmi = sim.client();
    let first = observe::refresh(&ipmi).await.unwrap();
    let second = observe::refresh(&ipmi).await.unwrap();
    let sensors = u64::try_from(second.readings.len()).unwrap();
    println!(
        "first refresh {} packets, then {} for {sensors} sensors",
        first.sent, second.sent
    );
    assert!(
        sensors >= 50 && second.sent <= sensors + 4,
        "{} for {sensors}",
        second.sent
    );
    assert_eq!(first.repository, second.repository);
    let packets = ipmi.packets();
    assert_eq!(
        (packets.sessions, packets.resent, packets.late, packets.stray),
        (1, 0, 0, 0)
    );
    let expected: Vec<SupplyState> = second.supplies().map(|(_, state)| state).collect();
    assert_eq!(expected, [SupplyState::Ok, SupplyState::Ok]);
    assert!(second.chassis.value().unwrap().is_on);
    assert_eq!(second.log.value().unwrap().entries, 5);
    if sim.has_dcmi {
        assert_eq!(
            second.power.value().unwrap().current,
            Power::from_milliwatts(404_000)
        );
        std::fs::write(sim.folder.path().join("power_watts"), "617").unwrap();
        let before = ipmi.packets().sent;
        let power = observe::power(&ipmi).await.unwrap();
        assert_eq!(ipmi.packets().sent - before, 1);
        assert_eq!(power.current, Power::from_milliwatts(617_000));
        assert!(second.doubts.is_empty(), "{:?}", second.doubts);
    }
    ipmi.keep_alive().await.unwrap();
    let sent = ipmi.packets().sent;
    ipmi.close().await.unwrap();
    assert_eq!(
        ipmi.packets().sent,
        sent + 1,
        "the session was not idle, so only its end was sent"
    );
}

#[tokio::test]
async fn identity_log_inventory_and_thresholds_are_read() {
    let Some(sim) = Sim::start().await else { return };
    let ipmi = sim.client();
    let device = observe::device(&ipmi).await.unwrap();
    assert_eq!((device.manufacturer, device.ipmi.as_str()), (0x2A2, "2.0"));
    let entries = observe::log_entries(&ipmi, None, 100).await.unwrap();
    assert_eq!(entries.len(), 5);
    let supply = entries.iter().find_map(|entry| match &entry.what {
        Event::Sensor { kind: 8, offset, .. } => Some((entry.id, *offset)),
        _ => None,
    });
    let (id, offset) = supply.unwrap();
    assert_eq!(offset, 1);
    let later = observe::log_entries(&ipmi, Some(id), 100).await.unwrap();
    assert_eq!(later.len(), 1);
    let repository = observe::repository(&ipmi).await.unwrap();
    let [locator] = repository.inventories.as_slice() else {
        panic!("{repository:?}")
    };
    let inventory = observe::inventory(&ipmi, locator.id).await.unwrap();
    assert_eq!(inventory.chassis_serial.as_deref(), Some("CH-SERIAL-42"));
    assert_eq!(inventory.board.serial.as_deref(), Some("BD-SERIAL-42"));
    assert_eq!(inventory.product.name.as_deref(), Some("SimServer 2U"));
    assert_eq!(inventory.asset.as_deref(), Some("ASSET-0007"));
    assert!(inventory.doubts.is_empty(), "{:?}", inventory.doubts);
    let fan = repository
        .sensors
        .iter()
        .find(|sensor| sensor.name.as_deref() == Some("FAN1"))
        .unwrap();
    let thresholds = observe::thresholds(&ipmi, fan).await.unwrap();
    assert_eq!(fan.thresholds.lower_critical, Some(600.0));
    assert_eq!(fan.thresholds.upper_critical, None);
    assert_eq!(thresholds, fan.thresholds);
}

#[tokio::test]
async fn a_limit_that_could_switch_the_node_off_is_neither_set_nor_put_in_force() {
    let Some(sim) = Sim::start().await else { return };
    if !sim.has_dcmi {
        return;
    }
    let ipmi = sim.client();
    assert_eq!(observe::power_limit(&ipmi).await.unwrap(), None);
    let new = NewLimit {
        watts: 480,
        exception: ExceptionAction::HardPowerOff,
        correction: Duration::from_millis(1000),
        sampling: Duration::from_secs(1),
    };
    let sent = ipmi.packets().sent;
    let refused = act::set_limit(&ipmi, new).await.unwrap_err().to_string();
    assert!(refused.contains("could switch the node off"), "{refused}");
    assert_eq!(ipmi.packets().sent, sent, "nothing was sent");
    // Somebody else left one with HardPowerOff behind.
    let harmful = [
        "raw", "0x2c", "4", "0xdc", "0", "0", "0", "1", "0xf4", "1", "0xe8", "3", "0", "0", "0", "0", "1",
        "0",
    ];
    if sim.ipmitool(&harmful).is_some() {
        let refused = act::activate(&ipmi, true).await.unwrap_err().to_string();
        assert!(refused.contains("500 W would do HardPowerOff"), "{refused}");
        assert!(!observe::power_limit(&ipmi).await.unwrap().unwrap().is_active);
    }
    let exception = ExceptionAction::LogEventOnly;
    let limit = act::set_limit(&ipmi, NewLimit { exception, ..new })
        .await
        .unwrap();
    assert_eq!(
        (limit.watts, limit.exception, limit.is_active),
        (480, exception, false)
    );
    act::activate(&ipmi, true).await.unwrap();
    assert!(observe::power_limit(&ipmi).await.unwrap().unwrap().is_active);
    act::activate(&ipmi, false).await.unwrap();
    assert!(!observe::power_limit(&ipmi).await.unwrap().unwrap().is_active);
}

#[tokio::test]
async fn identify_needs_the_raised_privilege_and_happens_once() {
    let Some(sim) = Sim::start().await else { return };
    let ipmi = sim.client();
    act::identify(&ipmi, Identify::For(20)).await.unwrap();
    assert_eq!(sim.read("chassis.log").matches("identify").count(), 1);
    let user = Ipmi::new(Endpoint {
        privilege: Privilege::User,
        ..sim.endpoint()
    });
    let refused = act::identify(&user, Identify::For(20))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("Chassis Identify (NetFn 00h, cmd 04h)"),
        "{refused}"
    );
    assert!(refused.contains("D4h (insufficient privilege)"), "{refused}");
}

#[tokio::test]
async fn suite_17_is_preferred_and_suite_3_taken_where_it_is_not_spoken() {
    let Some(sim) = Sim::start().await else { return };
    let ipmi = sim.client();
    observe::device(&ipmi).await.unwrap();
    assert_eq!(
        ipmi.suite().await,
        Some(Suite::Three),
        "ipmi_sim does not speak 17"
    );
    let only = Ipmi::new(sim.endpoint().with_suites(&[17]).unwrap());
    let refused = observe::device(&only).await.unwrap_err();
    assert!(matches!(refused, IpmiError::NoneOfOurs { .. }), "{refused}");
    let words = refused.to_string();
    assert!(
        words.contains("offers cipher suites 0, 1, 2, 3, 4") && words.contains("expected one of 17"),
        "{words}"
    );
    assert_eq!(only.packets().sessions, 0);
    assert!(sim.endpoint().with_suites(&[0]).is_err());
    let Some((_process, port)) = sim.front().await else {
        return;
    };
    let ipmi = Ipmi::new(at(port));
    let refresh = observe::refresh(&ipmi).await.unwrap();
    assert_eq!(ipmi.suite().await, Some(Suite::Seventeen));
    assert_eq!(refresh.readings.len(), sim_sensors(&sim).await);
    ipmi.close().await.unwrap();
    let wrong = Endpoint::new(
        format!("127.0.0.1:{port}"),
        Credentials::new("ADMIN", "not-the-password"),
    );
    let refused = observe::device(&Ipmi::new(wrong)).await.unwrap_err();
    assert!(matches!(refused, IpmiError::Unproven { .. }), "{refused}");
}

async fn sim_sensors(sim: &Sim) -> usize {
    observe::repository(&sim.client()).await.unwrap().sensors.len()
}

#[tokio::test]
async fn a_wrong_password_and_a_stranger_are_told_apart_and_never_shown() {
    let Some(sim) = Sim::start().await else { return };
    let with = |user: &str, password: &str| {
        Ipmi::new(Endpoint {
            credentials: Credentials::new(user, password),
            ..sim.endpoint()
        })
    };
    let wrong = observe::device(&with("ADMIN", "not-the-password"))
        .await
        .unwrap_err();
    assert!(matches!(wrong, IpmiError::Unproven { .. }), "{wrong}");
    assert!(!format!("{wrong} {wrong:?}").contains("not-the-password"));
    let stranger = observe::device(&with("nobody", "x"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        stranger.contains("no such user") || stranger.contains("\"nobody\""),
        "{stranger}"
    );
    let keyed = Endpoint {
        kg: Some(bmc::ipmi::Kg::new(b"not-its-kg").unwrap()),
        ..sim.endpoint()
    };
    let refused = observe::device(&Ipmi::new(keyed)).await.unwrap_err();
    assert!(matches!(refused, IpmiError::Unproven { .. }), "{refused}");
}
