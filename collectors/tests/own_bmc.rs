//! The node's own BMC over Redfish, on a real socket: what it says, what becomes of it when the service is sick, and that it comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bmc_stand_in;

use bmc_stand_in::{Mood, Service};
use collectors::collector::Collector;
use collectors::local_bmc::{BmcWish, DeviceWish, LocalBmcCollector, RedfishTrust, RedfishWish};
use collectors::root::Root;
use facts::observation::Observation;
use facts::power::{HostMeter, SensorState};
use facts::supply::SupplyState;
use facts::{NoData, Power, Reading};

fn collector(service: &Service) -> LocalBmcCollector {
    let wish = BmcWish {
        device: DeviceWish::None,
        redfish: Some(RedfishWish {
            url: service.url.clone(),
            credentials_file: None,
            trust: RedfishTrust::Insecure,
        }),
    };
    LocalBmcCollector::new(Root::host(), wish)
}

fn states(seen: &Observation) -> Vec<(String, SupplyState)> {
    let supplies = &seen.bmc.as_ref().unwrap().supplies;
    supplies
        .iter()
        .map(|supply| (supply.name.clone(), supply.state))
        .collect()
}

#[test]
fn sensors_supplies_and_the_hosts_power_are_read() {
    let service = Service::start(Mood::Well);
    let seen = collector(&service).collect().unwrap();
    let watts = |watts: u64| Reading::Value(Power::from_watts(watts).unwrap());
    let [power] = seen.host_power.as_deref().unwrap() else {
        panic!("{:?}", seen.host_power)
    };
    assert_eq!((power.source, power.watts), (HostMeter::Redfish, watts(412)));
    let bmc = seen.bmc.as_ref().unwrap();
    assert_eq!(bmc.supplies.len(), 2);
    assert_eq!(
        (bmc.supplies[0].input_watts, bmc.supplies[0].rated_watts),
        (watts(206), watts(800))
    );
    assert_eq!(bmc.redfish.as_ref().unwrap().serial.as_deref(), Some("BOX-1"));
    let sensors = seen.sensors.as_deref().unwrap();
    let read: Vec<_> = sensors
        .iter()
        .map(|one| (one.device.as_str(), one.value))
        .collect();
    let expected = [
        ("Inlet Temp", Reading::Value(24.0)),
        ("DIMM Temp", Reading::none(NoData::Garbled)),
        ("DIMM Temp 2", Reading::Value(41.0)),
        ("Fan1", Reading::Value(8520.0)),
        ("P12V", Reading::Value(12.1)),
    ];
    assert_eq!(read, expected);
    assert!(sensors.iter().all(|one| one.chip == "bmc"));
    assert_eq!(
        (sensors[0].limits[0].value, sensors[2].state),
        (47.0, Some(SensorState::Warning))
    );
    assert!(seen.missing.is_empty());
}

#[test]
fn a_service_that_is_sick_is_named_its_word_is_kept_a_while_and_it_comes_back() {
    let service = Service::start(Mood::Unauthorized);
    let mut collector = collector(&service);
    let error = collector.collect().unwrap_err();
    assert_eq!(error.reason, NoData::Refused, "{}", error.explain());
    assert!(
        error.explain().contains("401") && error.explain().contains(&service.url[7..]),
        "{}",
        error.explain()
    );
    service.is(Mood::Garbage);
    let error = collector.collect().unwrap_err();
    assert_eq!(error.reason, NoData::Garbled, "{}", error.explain());
    service.is(Mood::Well);
    let well = collector.collect().unwrap();
    let all_well: Vec<SupplyState> = states(&well).into_iter().map(|(_, state)| state).collect();
    assert_eq!(all_well, [SupplyState::Ok, SupplyState::Ok]);
    for (mood, reason) in [
        (Mood::Unauthorized, NoData::Refused),
        (Mood::Garbage, NoData::Garbled),
        (Mood::Hangup, NoData::Timeout),
    ] {
        service.is(mood);
        // The service is asked every third turn, and its word stands between; what failed is named where it is asked.
        let mut missing = Vec::new();
        for _ in 0..3 {
            let seen = collector.collect().expect("what it said stands");
            assert_eq!(states(&seen), states(&well));
            missing.extend(seen.missing);
        }
        assert_eq!(missing.len(), 1, "{mood:?}: {missing:?}");
        assert_eq!(
            (missing[0].name.as_str(), missing[0].reason),
            ("bmc/redfish", reason),
            "{missing:?}"
        );
        service.is(Mood::Well);
        for (health, second) in [("Critical", SupplyState::Faulted), ("OK", SupplyState::Ok)] {
            service.second_supply_is(health);
            let last = (0..3).map(|_| collector.collect().unwrap()).last().unwrap();
            assert_eq!(states(&last)[1].1, second, "it is read again after {mood:?}");
            assert!(last.missing.is_empty());
        }
    }
    service.is(Mood::Unauthorized);
    for _ in 0..6 {
        collector.collect().expect("two readings may fail");
    }
    let error = collector
        .collect()
        .expect_err("the third one drops what was said");
    assert_eq!(error.reason, NoData::Refused);
    service.is(Mood::Well);
    assert_eq!(states(&collector.collect().unwrap()), states(&well));
}
