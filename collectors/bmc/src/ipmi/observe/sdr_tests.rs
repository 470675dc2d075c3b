//! Sensor data records byte by byte, and any bytes at all.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use facts::Reading;
use proptest::prelude::*;

use super::sdr::{Record, Sensor, Thresholds, parse};

/// A full record of a temperature in two's complement with an upper critical threshold of 95 and a lower one of -10.
fn full() -> Vec<u8> {
    let mut body = vec![0x20, 0, 7, 3, 1, 0x7F, 0x68, 0x01, 0x01, 0, 0, 0, 0];
    body.extend_from_slice(&[0b010010, 0, 0x80, 1, 0, 0]);
    body.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&[0, 95, 0, 0, 0xF6, 0, 0, 0, 0, 0, 0, 0xC4]);
    body.extend_from_slice(b"CPU1");
    record(0x0102, 1, &body)
}

fn record(id: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = id.to_le_bytes().to_vec();
    record.extend_from_slice(&[0x51, kind, u8::try_from(body.len()).unwrap()]);
    record.extend_from_slice(body);
    record
}

fn sensors(bytes: &[u8]) -> Vec<Sensor> {
    match parse(bytes).unwrap() {
        Record::Sensors(sensors) => sensors,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_record_is_read_field_by_field() {
    let sensors = sensors(&full());
    let [sensor] = sensors.as_slice() else {
        panic!("{sensors:?}")
    };
    assert_eq!(sensor.name.as_deref(), Some("CPU1"));
    assert_eq!((sensor.record, sensor.number, sensor.entity), (0x0102, 7, 3));
    assert!(sensor.is_local() && sensor.has_thresholds());
    assert_eq!(sensor.unit.words(), "degrees C");
    assert_eq!(sensor.formula.unwrap().value(0xF6), Reading::Value(-10.0));
    let expected = Thresholds {
        lower_critical: Some(-10.0),
        upper_critical: Some(95.0),
        ..Thresholds::default()
    };
    assert_eq!(sensor.thresholds, expected);
}

#[test]
fn a_compact_record_stands_for_several_sensors() {
    let mut body = vec![0x20, 0, 9, 10, 1, 0, 0, 8, 0x6F, 0, 0, 0, 0, 0x0F, 0, 0xC0, 0, 0];
    body.extend_from_slice(&[0x02, 0x81, 0, 0, 0, 0, 0, 0, 0xC3]);
    body.extend_from_slice(b"PSU");
    let two = sensors(&record(5, 2, &body));
    let seen: Vec<(Option<&str>, u8, u8, u16)> = two
        .iter()
        .map(|each| (each.name.as_deref(), each.number, each.instance, each.states))
        .collect();
    assert_eq!(seen, [(Some("PSU1"), 9, 1, 0x0F), (Some("PSU2"), 10, 2, 0x0F)]);
    assert!(two.iter().all(|each| each.formula.is_none()));
}

#[test]
fn a_record_cut_short_is_an_error_that_says_so() {
    let whole = full();
    for length in 0..whole.len() {
        let words = parse(whole.get(..length).unwrap()).unwrap_err().to_string();
        assert!(words.contains("ends after"), "{words}");
    }
    assert_eq!(
        parse(&record(1, 0xC0, &[1])).unwrap(),
        Record::Other { kind: 0xC0 }
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(
        kind in prop_oneof![Just(1_u8), Just(2), Just(3), Just(0x11), any::<u8>()],
        body in proptest::collection::vec(any::<u8>(), 0..80),
        cut in 0_usize..90,
    ) {
        let record = record(1, kind, &body);
        let _ = parse(&record);
        let _ = parse(record.get(..cut).unwrap_or(&record));
        let _ = parse(&body);
    }
}
