//! Answers byte by byte, and any bytes at all: a value or an error, never a panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use facts::supply::SupplyState;
use facts::{NoData, Power, Reading};
use proptest::prelude::*;

use super::event_log::{Event, When, decode_entry};
use super::sdr::{Record, Sensor};
use super::sensor::{Raw, meaning};
use super::*;
use crate::ipmi::client::Reply;

/// A supply's sensor whose record names these states.
fn supply(states: u16) -> Sensor {
    let [low, high] = states.to_le_bytes();
    let mut record = vec![1, 0, 0x51, 2, 27, 0x20, 0, 9, 10, 1, 0, 0, 8, 0x6F, 0, 0, 0, 0];
    record.extend_from_slice(&[low, high, 0xC0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xC0]);
    match sdr::parse(&record).unwrap() {
        Record::Sensors(mut sensors) => sensors.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_supply_is_what_its_states_say() {
    let state = |known: u16, states: u16| {
        let sensor = supply(known);
        let raw = Raw {
            reading: 0,
            scanning: true,
            unavailable: false,
            states,
        };
        supply_state(&sensor, &meaning(&sensor, None, raw)).unwrap()
    };
    assert_eq!(state(0xFF, 0x01), SupplyState::Ok);
    assert_eq!(state(0xFF, 0x00), SupplyState::Absent);
    assert_eq!(state(0xFF, 0x03), SupplyState::Faulted);
    assert_eq!(state(0xFF, 0x05), SupplyState::Ok, "a prediction is no failure");
    assert_eq!(
        state(0xFF, 0x0B),
        SupplyState::InputLost,
        "recorded: both when only the feed is gone"
    );
    assert_eq!(state(0xFF, 0x11), SupplyState::InputLost);
    assert_eq!(state(0xFF, 0x41), SupplyState::Faulted);
    assert_eq!(state(0xFF, 0x81), SupplyState::Off);
    assert_eq!(
        state(0x0E, 0x00),
        SupplyState::Unknown,
        "presence is not told there"
    );
    let unread = SensorReading::none(NoData::Timeout);
    assert_eq!(supply_state(&supply(0xFF), &unread), Some(SupplyState::Unknown));
}

#[test]
fn a_reading_that_the_bmc_disowns_is_none() {
    let sensor = supply(0xFF);
    let read = |data: &[u8]| meaning(&sensor, None, sensor::decode(data).unwrap());
    assert_eq!(read(&[0, 0xC0, 1, 0x80]).states, Reading::Value(1));
    assert_eq!(read(&[0, 0xE0, 1]).states.reason(), Some(NoData::Absent));
    assert_eq!(read(&[0, 0x80]).states.reason(), Some(NoData::Off));
    assert!(sensor::decode(&[0]).is_err());
}

#[test]
fn a_power_reading_and_a_limit_are_read() {
    let reading = [
        0xDC, 0x94, 1, 0x62, 1, 0xF8, 1, 0x95, 1, 1, 2, 3, 4, 0xE8, 3, 0, 0, 0x40,
    ];
    let power = dcmi::decode_power(&reading).unwrap();
    assert_eq!(
        (power.current, power.most),
        (Power::from_milliwatts(404_000), Power::from_milliwatts(504_000))
    );
    assert!(power.is_measuring && power.period == Duration::from_secs(1));
    let words = dcmi::decode_power(&[0x00; 18]).unwrap_err().to_string();
    assert!(words.contains("expected DCh"), "{words}");

    let data = vec![0xDC, 0, 0, 0x01, 0xF4, 1, 0xE8, 3, 0, 0, 0, 0, 5, 0];
    let read = |completion, data: &[u8]| {
        dcmi::decode_limit(&Reply {
            completion,
            data: data.to_vec(),
        })
    };
    let limit = read(0, &data).unwrap().unwrap();
    assert_eq!((limit.watts, limit.is_active), (500, true));
    assert_eq!(limit.exception, ExceptionAction::HardPowerOff);
    assert!(!limit.exception.is_harmless());
    assert_eq!(limit.sampling, Duration::from_secs(5));
    assert!(!read(0x80, &data).unwrap().unwrap().is_active);
    assert_eq!(read(0x80, &[0xDC]).unwrap(), None);
    assert_eq!(read(0x80, &[]).unwrap(), None);
    assert!(read(0, &[0xDC]).is_err());
}

#[test]
fn entries_of_the_log_have_honest_times() {
    let mut data = vec![
        0x02, 0, 0x01, 0, 0x02, 0, 0xF1, 0x53, 0x65, 0x20, 0, 4, 8, 34, 0x6F, 0xA1, 0xFF, 0xFF,
    ];
    let (next, entry) = decode_entry(&data).unwrap();
    assert_eq!((next, entry.id, entry.when), (2, 1, When::Clock(0x6553_F100)));
    let Event::Sensor {
        kind,
        offset,
        asserted,
        ..
    } = entry.what
    else {
        panic!("{entry:?}")
    };
    assert_eq!((kind, offset, asserted), (8, 1, true));
    *data.get_mut(8).unwrap() = 0;
    assert!(matches!(decode_entry(&data).unwrap().1.when, When::SinceStart(_)));
    *data.get_mut(4).unwrap() = 0xE5;
    assert!(matches!(
        decode_entry(&data).unwrap().1.what,
        Event::Oem { kind: 0xE5, .. }
    ));
    assert!(decode_entry(data.get(..17).unwrap()).is_err());
}

#[test]
fn who_the_bmc_is() {
    let data = [0x23, 0x82, 0x17, 0x42, 0x02, 0xBF, 0xA2, 0x02, 0x00, 0x00, 0x01];
    let device = device::decode_device(&data).unwrap();
    assert_eq!((device.firmware.as_str(), device.ipmi.as_str()), ("23.42", "2.0"));
    assert_eq!(
        (device.manufacturer, device.product, device.revision),
        (0x2A2, 0x100, 2)
    );
    assert!(device.has_repository && !device.is_updating);
    let chassis = device::decode_chassis(&[0x01, 0, 0x50]).unwrap();
    assert!(chassis.is_on && chassis.identify == Some(true));
}

/// An inventory with a product area and one power supply record.
fn image() -> Vec<u8> {
    let closed = |mut bytes: Vec<u8>| {
        let sum = crate::ipmi::bytes::checksum(&bytes);
        bytes.push(sum);
        bytes
    };
    let mut product = vec![
        1, 4, 0, 0xC3, b'A', b'C', b'M', 0x83, 0x29, 0xDC, 0xA6, 0xC0, 0xC0, 0xC2, b'4', b'2', 0xC1,
    ];
    product.resize(31, 0);
    let mut image = closed(vec![1, 0, 0, 0, 1, 5, 0]);
    image.extend_from_slice(&closed(product));
    let body = [0xB8, 0x0B, 0, 0];
    let sum = crate::ipmi::bytes::checksum(&body);
    image.extend_from_slice(&closed(vec![0x00, 0x82, 4, sum]));
    image.extend_from_slice(&body);
    image
}

#[test]
fn an_inventory_is_read_and_each_area_stands_alone() {
    let found = fru::parse(&image()).unwrap();
    assert_eq!(found.product.manufacturer.as_deref(), Some("ACM"));
    assert_eq!(found.product.name.as_deref(), Some("IPMI"));
    assert_eq!(
        (found.product.part.as_deref(), found.product.serial.as_deref()),
        (None, Some("42"))
    );
    assert_eq!(found.supply_capacity, Some(Power::from_milliwatts(3_000_000)));
    assert!(found.doubts.is_empty(), "{:?}", found.doubts);
    let mut damaged = image();
    *damaged.get_mut(13).unwrap() ^= 1;
    let found = fru::parse(&damaged).unwrap();
    assert_eq!(found.product, Maker::default());
    assert_eq!(found.supply_capacity, Some(Power::from_milliwatts(3_000_000)));
    assert!(
        found.doubts.concat().contains("wrong checksum"),
        "{:?}",
        found.doubts
    );
    *damaged.get_mut(0).unwrap() = 2;
    assert!(fru::parse(&damaged).is_err());
}

proptest! {
    #[test]
    fn any_answer_is_a_value_or_an_error(data in proptest::collection::vec(any::<u8>(), 0..40), completion in any::<u8>()) {
        let _ = device::decode_device(&data);
        let _ = device::decode_chassis(&data);
        let _ = sensor::decode(&data).map(|raw| meaning(&supply(0xFF), None, raw));
        let _ = sensor::decode_thresholds(&data);
        let _ = sensor::decode_factors(&data);
        let _ = repository::decode_info(&data);
        let _ = event_log::decode_info(&data);
        let _ = decode_entry(&data);
        let _ = dcmi::decode_power(&data);
        let _ = dcmi::decode_limit(&Reply { completion, data: data.clone() });
        let _ = fru::decode_info(&data);
        let _ = fru::parse(&data);
    }

    #[test]
    fn any_damage_to_an_inventory_is_a_doubt_or_an_error(changes in proptest::collection::vec((0_usize..60, any::<u8>()), 1..6), cut in 0_usize..60) {
        let mut image = image();
        for (at, byte) in changes {
            if let Some(here) = image.get_mut(at) {
                *here = byte;
            }
        }
        image.truncate(cut);
        // The head says that areas are there, so that they are looked into.
        let _ = fru::parse(&image);
    }
}
