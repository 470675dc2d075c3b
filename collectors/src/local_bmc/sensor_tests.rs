//! Sensors of a BMC: without a name, with one name twice, in other units, beyond their thresholds.
#![allow(clippy::unwrap_used)]

use bmc::ipmi::observe::{Mask, Record as Parsed, Thresholds};
use proptest::prelude::*;

use super::*;

/// A full sensor record: number, name, base unit.
fn record(number: u8, name: &str, unit: u8) -> Record {
    let mut body = vec![0x20, 0, number, 0x0A, 1, 0x7F, 0x68, 0x01, 0x01];
    body.extend_from_slice(&[0x95, 0x0A, 0x95, 0x0A, 0x3F, 0x3F]);
    body.extend_from_slice(&[0, unit, 0, 0, 1, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&[0, 0, 0, 0, 0xFF, 0, 90, 80, 70, 1, 5, 10, 1, 1, 0, 0, 0]);
    body.push(0xC0 | u8::try_from(name.len()).unwrap());
    body.extend_from_slice(name.as_bytes());
    let mut whole = vec![0, 0, 0x51, 0x01, u8::try_from(body.len()).unwrap()];
    whole.extend_from_slice(&body);
    match bmc::ipmi::observe::parse_record(&whole) {
        Ok(Parsed::Sensors(mut sensors)) => sensors.pop().unwrap(),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn each_sensor_has_a_name_of_its_own() {
    let other_unit = Record {
        lun: 1,
        ..record(7, "Temp", 1)
    };
    let records = [
        record(1, "Temp", 1),
        record(2, "Temp", 1),
        record(3, "", 1),
        record(4, "Inlet\u{1}", 1),
        other_unit,
    ];
    assert_eq!(
        names(&records),
        ["Temp 01h", "Temp 02h", "sensor 03h", "Inlet", "Temp 20h.1.07h"]
    );
    assert_eq!(place(&records[0]).as_deref(), Some("power supply 1"));
}

#[test]
fn units_become_ours_with_their_limits() {
    let (_, to_celsius) = kind(record(1, "F", FAHRENHEIT).unit).unwrap();
    assert!((to_celsius(212.0) - 100.0).abs() < 1e-9);
    let thresholds = Thresholds {
        upper_critical: Some(212.0),
        lower_noncritical: Some(32.0),
        ..Thresholds::default()
    };
    let found = limits(&thresholds, to_celsius);
    let kinds: Vec<LimitKind> = found.iter().map(|limit| limit.kind).collect();
    assert_eq!(kinds, [LimitKind::LowerWarning, LimitKind::Critical]);
    assert!(found.iter().all(|limit| limit.value.abs() < 100.1));
    let percent = Unit {
        number: Unit::WATTS,
        modifier: 0,
        flags: 1,
    };
    assert!(kind(percent).is_none());
}

#[test]
fn only_thresholds_that_exist_make_a_state() {
    let mut sensor = record(1, "Temp", 1);
    let with = |states: u16| SensorReading {
        value: Reading::Value(1.0),
        states: Reading::Value(states),
    };
    assert_eq!(state(&sensor, &with(0)), Some(SensorState::Ok));
    assert_eq!(state(&sensor, &with(0b00_1000)), Some(SensorState::Warning));
    assert_eq!(state(&sensor, &with(0b01_1000)), Some(SensorState::Critical));
    assert_eq!(state(&sensor, &SensorReading::none(NoData::Off)), None);
    sensor.readable = Mask(0b00_1000);
    assert_eq!(state(&sensor, &with(0b01_0000)), Some(SensorState::Ok));
    sensor.readable = Mask(0);
    assert_eq!(state(&sensor, &with(0b01_0000)), None);
}

proptest! {
    #[test]
    fn names_are_unique_whatever_the_bmc_calls_them(named in proptest::collection::btree_map(any::<u8>(), "[A-C ]{0,2}", 0..20)) {
        let records: Vec<Record> = named.iter().map(|(number, name)| record(*number, name, 1)).collect();
        let found = names(&records);
        let distinct: std::collections::BTreeSet<&String> = found.iter().collect();
        prop_assert_eq!(distinct.len(), records.len());
    }
}
