//! Sensor records and readings of the BMC as sensors of the house: each with a name of its own, a place, limits and a state.

use std::collections::{BTreeMap, BTreeSet};

use bmc::ipmi::observe::{Refresh, Sensor as Record, SensorReading, Thresholds, Unit};
use facts::power::{LimitKind, Sensor, SensorKind, SensorLimit, SensorState};
use facts::{NoData, Reading};

use crate::attribute;
use crate::hwmon::plausible;

/// The chip under which the BMC's sensors stand.
pub(super) const CHIP: &str = "bmc";
/// Bits of the thresholds that are passed: the non-critical ones, then all that are worse.
const NONCRITICAL: u16 = 0b00_1001;
const WORSE: u16 = 0b11_0110;
/// Fahrenheit and Kelvin (IPMI 2.0 table 43-15).
const FAHRENHEIT: u8 = 2;
const KELVIN: u8 = 3;
/// What sensors belong to (IPMI 2.0 table 43-13), as people say it.
const ENTITIES: [(u8, &str); 18] = [
    (0x03, "CPU"),
    (0x04, "disk"),
    (0x06, "management"),
    (0x07, "board"),
    (0x08, "memory module"),
    (0x0A, "power supply"),
    (0x0B, "add-in card"),
    (0x0F, "drive backplane"),
    (0x13, "power unit"),
    (0x14, "power module"),
    (0x17, "chassis"),
    (0x1A, "drive bay"),
    (0x1D, "fan"),
    (0x1E, "cooling unit"),
    (0x20, "memory device"),
    (0x28, "battery"),
    (0x37, "air inlet"),
    (0x40, "air inlet"),
];

/// The sensors of a refresh that measure something we know, in the BMC's order.
pub(super) fn all(refresh: &Refresh) -> Vec<Sensor> {
    let names = names(&refresh.repository.sensors);
    let sensors = refresh.sensors().zip(names);
    sensors
        .filter_map(|((record, reading), name)| {
            let (kind, convert) = kind(record.unit)?;
            record.formula?;
            Some(Sensor {
                chip: CHIP.to_owned(),
                device: name,
                label: place(record),
                kind,
                value: plausible::judged(kind, reading.value.map(convert)),
                limits: limits(&record.thresholds, convert),
                state: state(record, reading),
            })
        })
        .collect()
}

/// Sensors that Redfish told, under our chip. Of several with one name, the second is ` 2`, and so on.
pub(super) fn of_redfish(seen: &[Sensor]) -> Vec<Sensor> {
    let plain = |sensor: &Sensor| attribute::cleaned(sensor.device.as_bytes());
    let names = distinct(
        seen.iter()
            .map(|sensor| plain(sensor).unwrap_or_else(|| "sensor".to_owned())),
    );
    let all = seen.iter().zip(names);
    all.map(|(sensor, device)| Sensor {
        chip: CHIP.to_owned(),
        device,
        value: plausible::judged(sensor.kind, sensor.value),
        ..sensor.clone()
    })
    .collect()
}

/// Names of which each is one: the second of a kind is ` 2`, and so on, past names that are taken.
pub(super) fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let names: Vec<String> = names.collect();
    let mut taken: BTreeSet<String> = names.iter().cloned().collect();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let of = |name: String| {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            return name;
        }
        loop {
            let numbered = format!("{name} {count}");
            if taken.insert(numbered.clone()) {
                return numbered;
            }
            *count += 1;
        }
    };
    names.into_iter().map(of).collect()
}

/// A name for each sensor. One without a name, and two with one name, are told apart by their numbers.
pub(super) fn names(records: &[Record]) -> Vec<String> {
    let plain = |record: &Record| {
        let name = record.name.as_deref().unwrap_or_default();
        attribute::cleaned(name.as_bytes())
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for name in records.iter().filter_map(plain) {
        *seen.entry(name).or_default() += 1;
    }
    let of = |record: &Record| match plain(record) {
        Some(name) if seen.get(&name) == Some(&1) => name,
        Some(name) => format!("{name} {}", number(record)),
        None => format!("sensor {}", number(record)),
    };
    records.iter().map(of).collect()
}

/// What tells a sensor from every other one: its number, with who has it where that is not the BMC's first unit.
fn number(record: &Record) -> String {
    match (record.is_local(), record.lun) {
        (true, 0) => format!("{:02x}h", record.number),
        (_, lun) => format!("{:02x}h.{lun}.{:02x}h", record.owner, record.number),
    }
}

/// `power supply 1`.
pub(super) fn place(record: &Record) -> Option<String> {
    let (_, entity) = ENTITIES.iter().find(|(number, _)| *number == record.entity)?;
    // Bit 7 tells a container from a part of it.
    Some(format!("{entity} {}", record.instance & 0x7F))
}

/// Makes our unit of the sensor's.
type Convert = fn(f64) -> f64;

/// What it measures, and how its unit becomes ours; `None` for percent, rates and units that we have no family for.
fn kind(unit: Unit) -> Option<(SensorKind, Convert)> {
    const KINDS: [(u8, SensorKind, Convert); 7] = [
        (Unit::CELSIUS, SensorKind::TemperatureCelsius, |degrees| degrees),
        (FAHRENHEIT, SensorKind::TemperatureCelsius, |degrees| {
            (degrees - 32.0) / 1.8
        }),
        (KELVIN, SensorKind::TemperatureCelsius, |kelvin| kelvin - 273.15),
        (Unit::VOLTS, SensorKind::Volts, |volts| volts),
        (Unit::AMPERES, SensorKind::Amperes, |amperes| amperes),
        (Unit::WATTS, SensorKind::Watts, |watts| watts),
        (Unit::RPM, SensorKind::FanRpm, |turns| turns),
    ];
    KINDS
        .iter()
        .find(|(number, ..)| unit.is_plain(*number))
        .map(|(_, kind, convert)| (*kind, *convert))
}

fn limits(thresholds: &Thresholds, convert: Convert) -> Vec<SensorLimit> {
    let Thresholds {
        lower_noncritical,
        lower_critical,
        lower_nonrecoverable,
        upper_noncritical,
        upper_critical,
        upper_nonrecoverable,
    } = *thresholds;
    [
        (LimitKind::LowerEmergency, lower_nonrecoverable),
        (LimitKind::LowerCritical, lower_critical),
        (LimitKind::LowerWarning, lower_noncritical),
        (LimitKind::Warning, upper_noncritical),
        (LimitKind::Critical, upper_critical),
        (LimitKind::Emergency, upper_nonrecoverable),
    ]
    .into_iter()
    .filter_map(|(kind, value)| {
        let value = convert(value?);
        Some(SensorLimit { kind, value })
    })
    .collect()
}

/// By the thresholds that are passed, of those that exist: BMCs set the bits of others, too.
fn state(record: &Record, reading: &SensorReading) -> Option<SensorState> {
    if !record.has_thresholds() || record.readable.0 == 0 {
        return None;
    }
    let passed = reading.states.value()? & u16::from(record.readable.0);
    Some(match () {
        () if passed & WORSE != 0 => SensorState::Critical,
        () if passed & NONCRITICAL != 0 => SensorState::Warning,
        () => SensorState::Ok,
    })
}

/// What the first sensor of an entity measures in watts; of a supply, what goes in, where it tells that apart.
pub(super) fn watts_of(refresh: &Refresh, entity: u8, instance: u8) -> Reading<f64> {
    let of_it = |record: &Record| {
        (record.entity, record.instance) == (entity, instance) && record.unit.is_plain(Unit::WATTS)
    };
    let goes_out = |record: &Record| {
        let name = record.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        name.contains("out")
    };
    refresh
        .sensors()
        .find(|(record, _)| of_it(record) && !goes_out(record))
        .map_or(Reading::none(NoData::Unsupported), |(_, reading)| {
            plausible::judged(SensorKind::Watts, reading.value)
        })
}

#[cfg(test)]
#[path = "sensor_tests.rs"]
mod tests;
