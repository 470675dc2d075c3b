//! Thermal zones (`/sys/class/thermal/thermal_zoneN`), for machines whose temperatures are in no hwmon chip, with trip points.

use facts::power::{LimitKind, Sensor, SensorKind, SensorLimit};
use facts::{NoData, Reading};

use super::chip::{number, to_float};
use super::plausible;
use crate::attribute;
use crate::root::{Kept, Root};

const THERMAL: &str = "sys/class/thermal";
const MILLIDEGREES: f64 = 1_000.0;
/// The most trip points of a zone that are read (THERMAL_MAX_TRIPS was 12; newer kernels have no bound).
const MOST_TRIPS: u32 = 16;
/// `trip_point_N_type`, and what it means: `active` trips turn fans on and are no limit.
const TRIPS: [(&str, LimitKind); 3] = [
    ("passive", LimitKind::Warning),
    ("hot", LimitKind::Critical),
    ("critical", LimitKind::Emergency),
];

/// One zone as it was found.
pub(super) struct Zone {
    /// Everything but the value.
    sensor: Sensor,
    file: Kept,
}

impl Zone {
    /// Its sensor as it is now.
    pub(super) fn sensor(&mut self, buffer: &mut Vec<u8>) -> Sensor {
        let raw = number(&mut self.file, buffer).map(|whole| whole / MILLIDEGREES);
        Sensor {
            value: plausible::judged(SensorKind::TemperatureCelsius, raw),
            ..self.sensor.clone()
        }
    }
}

/// The zones. A zone that has a hwmon chip of its own (`hwmonN` below it) is left to that chip, so none is told twice.
pub(super) fn zones(root: &Root) -> Vec<Zone> {
    let names = root.list(THERMAL).unwrap_or_default();
    let zones = names.iter().filter(|name| name.starts_with("thermal_zone"));
    let found = zones.filter_map(|zone| {
        let directory = format!("{THERMAL}/{zone}");
        let below = root.list(&directory).ok()?;
        if below.iter().any(|name| name.starts_with("hwmon")) {
            return None;
        }
        Some(Zone {
            sensor: Sensor {
                chip: attribute::name_if_any(root, &format!("{directory}/type"))?,
                device: zone.clone(),
                label: None,
                kind: SensorKind::TemperatureCelsius,
                value: Reading::none(NoData::Absent),
                limits: trips(root, &directory, &below),
                state: None,
            },
            file: Kept::new(root, format!("{directory}/temp")),
        })
    });
    found.collect()
}

/// The lowest trip point of each meaning.
fn trips(root: &Root, directory: &str, files: &[String]) -> Vec<SensorLimit> {
    let mut limits: Vec<SensorLimit> = Vec::new();
    for trip in 0..MOST_TRIPS {
        let attribute = |ending: &str| format!("trip_point_{trip}_{ending}");
        if !files.contains(&attribute("type")) {
            break;
        }
        let kind = attribute::name_if_any(root, &format!("{directory}/{}", attribute("type")));
        let known = TRIPS.iter().find(|(word, _)| Some(*word) == kind.as_deref());
        let raw: Reading<i64> = attribute::reading(root, &format!("{directory}/{}", attribute("temp")));
        let value = plausible::judged(
            SensorKind::TemperatureCelsius,
            raw.map(to_float).map(|whole| whole / MILLIDEGREES),
        );
        let (Some((_, kind)), Reading::Value(value)) = (known, value) else {
            continue;
        };
        match limits.iter_mut().find(|limit| limit.kind == *kind) {
            Some(limit) => limit.value = limit.value.min(value),
            None => limits.push(SensorLimit { kind: *kind, value }),
        }
    }
    limits.sort_by_key(|limit| limit.kind);
    limits
}
