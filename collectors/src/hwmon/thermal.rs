//! Thermal zones (`/sys/class/thermal/thermal_zoneN`), for machines whose temperatures are in no hwmon chip.

use facts::power::{Sensor, SensorKind};

use super::value;
use crate::attribute;
use crate::root::Root;

const THERMAL: &str = "sys/class/thermal";
const MILLIDEGREES: f64 = 1_000.0;

/// The zones. A zone that has a hwmon chip of its own (`hwmonN` below it) is left to that chip, so none is told twice.
pub(super) fn zones(root: &Root) -> Vec<Sensor> {
    let names = root.list(THERMAL).unwrap_or_default();
    let zones = names.iter().filter(|name| name.starts_with("thermal_zone"));
    let sensors = zones.filter_map(|zone| {
        let directory = format!("{THERMAL}/{zone}");
        let below = root.list(&directory).ok()?;
        if below.iter().any(|name| name.starts_with("hwmon")) {
            return None;
        }
        Some(Sensor {
            chip: attribute::name_if_any(root, &format!("{directory}/type"))?,
            device: zone.clone(),
            label: None,
            kind: SensorKind::TemperatureCelsius,
            value: value(root, &format!("{directory}/temp"), MILLIDEGREES),
            limits: Vec::new(),
            state: None,
        })
    });
    sensors.collect()
}
