//! Sensors: hwmon chips (Documentation/hwmon/sysfs-interface.rst) and thermal zones.

mod thermal;

use std::time::Duration;

use facts::observation::Observation;
use facts::power::{Sensor, SensorKind};
use facts::{NoData, Reading};

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const HWMON: &str = "sys/class/hwmon";

/// One kind of `*_input` file: prefix, meaning, and how many of its units are one of ours.
const INPUTS: [(&str, SensorKind, f64); 5] = [
    ("temp", SensorKind::TemperatureCelsius, 1_000.0),
    ("fan", SensorKind::FanRpm, 1.0),
    ("in", SensorKind::Volts, 1_000.0),
    ("curr", SensorKind::Amperes, 1_000.0),
    ("power", SensorKind::Watts, 1_000_000.0),
];

/// Reads `/sys/class/hwmon` and `/sys/class/thermal`.
pub struct HwmonCollector {
    root: Root,
}

impl HwmonCollector {
    /// Of this root.
    pub fn new(root: Root) -> HwmonCollector {
        HwmonCollector { root }
    }

    fn chip(&self, chip: &str) -> Vec<Sensor> {
        let directory = format!("{HWMON}/{chip}");
        let name = attribute::name_if_any(&self.root, &format!("{directory}/name"))
            .unwrap_or_else(|| chip.to_owned());
        let files = self.root.list(&directory).unwrap_or_default();
        let inputs = files.iter().filter_map(|file| {
            let (stem, kind, divisor) = input(file)?;
            // A meter that tells both is told once, as it is now.
            if file.ends_with("_average") && files.contains(&format!("{stem}_input")) {
                return None;
            }
            Some(Sensor {
                chip: name.clone(),
                device: format!("{chip}/{stem}"),
                label: attribute::name_if_any(&self.root, &format!("{directory}/{stem}_label")),
                kind,
                value: value(&self.root, &format!("{directory}/{file}"), divisor),
                limits: Vec::new(),
                state: None,
            })
        });
        inputs.collect()
    }
}

impl Collector for HwmonCollector {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let chips = self.root.list(HWMON).map_err(CollectError::from);
        let mut sensors: Vec<Sensor> = Vec::new();
        for chip in chips.as_ref().map(Vec::as_slice).unwrap_or_default() {
            sensors.extend(self.chip(chip));
        }
        sensors.extend(thermal::zones(&self.root));
        if sensors.is_empty() {
            chips?;
            let message = format!("{} holds no sensor", self.root.shown(HWMON).display());
            return Err(CollectError::new(NoData::Absent, message));
        }
        Ok(Observation {
            sensors: Some(sensors),
            ..Observation::default()
        })
    }
}

/// `temp1_input` is the sensor `temp1`, in thousandths of a degree.
fn input(file: &str) -> Option<(&str, SensorKind, f64)> {
    // A power meter that averages (ACPI power meters, PMBus) has `power1_average` in place of `power1_input`.
    let stem = file
        .strip_suffix("_input")
        .or_else(|| file.strip_suffix("_average"))?;
    INPUTS.iter().find_map(|(prefix, kind, divisor)| {
        let number = stem.strip_prefix(prefix)?;
        let is_sensor = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let averaged = file.ends_with("_average");
        (is_sensor && (!averaged || *kind == SensorKind::Watts)).then_some((stem, *kind, *divisor))
    })
}

/// A value in our unit. hwmon's numbers are whole and may be negative.
fn value(root: &Root, file: &str, divisor: f64) -> Reading<f64> {
    let whole: Reading<i64> = attribute::reading(root, file);
    match whole {
        Reading::None { no_data } => Reading::none(no_data),
        // Nothing in a server measures beyond 2^31 of these units; more is a chip's way to say nothing.
        Reading::Value(whole) => match i32::try_from(whole) {
            Ok(whole) if whole != i32::MAX && whole != i32::MIN => Reading::Value(f64::from(whole) / divisor),
            _ => Reading::none(NoData::Garbled),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inputs_are_sensors() {
        assert_eq!(input("temp12_input").map(|(stem, ..)| stem), Some("temp12"));
        assert_eq!(input("power1_average").map(|(stem, ..)| stem), Some("power1"));
        for file in [
            "temp1_max",
            "intrusion0_alarm",
            "in_input",
            "fan1_average",
            "temp1_average",
            "pwm1",
        ] {
            assert!(input(file).is_none(), "{file}");
        }
    }
}
