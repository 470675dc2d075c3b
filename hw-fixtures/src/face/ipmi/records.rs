//! The SDR repository of a BMC: its sensors and inventories as records (IPMI 2.0 chapter 43).

use super::gauge::{OWN_STATES, Sensor};

/// Record types.
const FULL: u8 = 0x01;
const COMPACT: u8 = 0x02;
const FRU_LOCATOR: u8 = 0x11;
/// SDR version 1.5.
const VERSION: u8 = 0x51;
/// Slave address of the BMC.
const BMC_ADDRESS: u8 = 0x20;
/// A name in 8-bit ASCII.
const ASCII: u8 = 0xC0;
/// Upper non-critical and critical threshold.
const UPPER: u8 = 0x18;

/// One inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Its id.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// What it belongs to, and which of them.
    pub entity: (u8, u8),
}

fn name(body: &mut Vec<u8>, name: &str) {
    let text: Vec<u8> = name.bytes().take(16).collect();
    body.push(ASCII | u8::try_from(text.len()).unwrap_or_default());
    body.extend_from_slice(&text);
}

fn head(sensor: &Sensor, body: &mut Vec<u8>) {
    let (entity, instance) = sensor.entity;
    // Initialised and scanning; re-armed by itself, thresholds readable.
    body.extend_from_slice(&[BMC_ADDRESS, 0, sensor.number, entity, instance, 0x7F, 0x44]);
    body.extend_from_slice(&[sensor.kind, sensor.event]);
}

fn full(sensor: &Sensor) -> Vec<u8> {
    let mut body = Vec::new();
    head(sensor, &mut body);
    let upper = if sensor.upper.is_some() { UPPER } else { 0 };
    // Events of both directions for the upper thresholds, which can be read and not be set.
    let events = if sensor.upper.is_some() {
        [0x80, 0x02]
    } else {
        [0, 0]
    };
    body.extend_from_slice(&events);
    body.extend_from_slice(&events);
    body.extend_from_slice(&[upper, 0]);
    // Unsigned, the unit, no modifier, linear.
    body.extend_from_slice(&[0, sensor.unit, 0, 0]);
    let exponents = if sensor.exponent == -2 { 0xE0 } else { 0 };
    body.extend_from_slice(&[sensor.m, 0, 0, 0, 0, exponents]);
    // Nothing nominal is told; the byte's whole range is the sensor's.
    body.extend_from_slice(&[0, 0, 0, 0, 0xFF, 0]);
    let (noncritical, critical) = sensor.upper.unwrap_or_default();
    body.extend_from_slice(&[0, critical, noncritical, 0, 0, 0]);
    body.extend_from_slice(&[0, 0, 0, 0, 0]);
    name(&mut body, &sensor.name);
    body
}

fn compact(sensor: &Sensor) -> Vec<u8> {
    let mut body = Vec::new();
    head(sensor, &mut body);
    // Present, failed, input lost: as events of both directions, and as states that can be read.
    for _ in 0..3 {
        body.extend_from_slice(&[0x0B, 0x00]);
    }
    // No analogue reading, shared with nobody.
    body.extend_from_slice(&[0xC0, 0, 0, 0x01, 0, 0, 0, 0, 0, 0, 0]);
    name(&mut body, &sensor.name);
    body
}

fn locator(inventory: &Inventory) -> Vec<u8> {
    let (entity, instance) = inventory.entity;
    // A logical device, of type 10h as the specification asks.
    let mut body = vec![
        BMC_ADDRESS,
        inventory.id,
        0x80,
        0,
        0,
        0x10,
        0,
        entity,
        instance,
        0,
    ];
    name(&mut body, &inventory.name);
    body
}

/// All records, with ids from 1.
#[must_use]
pub fn repository(sensors: &[Sensor], inventories: &[Inventory]) -> Vec<Vec<u8>> {
    let of_sensors = sensors.iter().map(|sensor| match sensor.event {
        OWN_STATES => (COMPACT, compact(sensor)),
        _ => (FULL, full(sensor)),
    });
    let of_inventories = inventories
        .iter()
        .map(|inventory| (FRU_LOCATOR, locator(inventory)));
    (1_u16..)
        .zip(of_sensors.chain(of_inventories))
        .map(|(id, (kind, body))| {
            let mut record = id.to_le_bytes().to_vec();
            record.extend_from_slice(&[VERSION, kind, u8::try_from(body.len()).unwrap_or(u8::MAX)]);
            record.extend_from_slice(&body);
            record
        })
        .collect()
}
