//! Sensors: hwmon chips (Documentation/hwmon/sysfs-interface.rst) and thermal zones, with their limits and alarms.

mod chip;
pub mod families;
pub(crate) mod plausible;
pub(crate) mod rows;
mod thermal;

use std::time::Duration;

use facts::observation::Observation;
use facts::power::{HostMeter, HostPower, Sensor, SensorKind};
use facts::{NoData, Pad, Power, Reading};

use crate::collector::{CollectError, Collector};
use crate::local_bmc::families::HOST_POWER;
use crate::root::Root;
use chip::Chip;

const HWMON: &str = "sys/class/hwmon";
/// The name of ACPI's power meter (drivers/hwmon/acpi_power_meter.c), which sees the whole host.
const ACPI_METER: &str = "power_meter";
/// How often it is asked.
const BEAT: Duration = Duration::from_secs(5);
/// Labels and limits are read again every so many turns, once a minute: a limit is a register on a slow bus and seldom changes.
const TURNS_KNOWN: u32 = 12;

/// Reads `/sys/class/hwmon` and `/sys/class/thermal`.
pub struct HwmonCollector {
    root: Root,
    names: Vec<String>,
    chips: Vec<Chip>,
    zones: Vec<thermal::Zone>,
    /// A chip came in the turn before: the kernel shows its name before its files, and it may have been looked at too early.
    is_settling: bool,
    turns: u32,
    pad: Pad,
    buffer: Vec<u8>,
}

impl HwmonCollector {
    /// Of this root.
    pub fn new(root: Root) -> HwmonCollector {
        HwmonCollector {
            root,
            names: Vec::new(),
            chips: Vec::new(),
            zones: Vec::new(),
            is_settling: false,
            turns: 0,
            pad: Pad::default(),
            buffer: Vec::new(),
        }
    }

    /// Looks for chips and zones where some came or went, once more in the turn after that, and once a minute for what seldom changes.
    fn look(&mut self) -> Result<(), CollectError> {
        let listed = self.root.list(HWMON);
        let names = listed.as_ref().map(Vec::as_slice).unwrap_or_default();
        let is_new = names != self.names;
        if is_new || self.is_settling || self.turns.is_multiple_of(TURNS_KNOWN) {
            self.chips = names.iter().map(|name| Chip::read(&self.root, name)).collect();
            self.zones = thermal::zones(&self.root);
            self.names = names.to_vec();
        }
        self.is_settling = is_new;
        self.turns = self.turns.wrapping_add(1);
        let has_sensors = self.chips.iter().any(Chip::has_sensors) || !self.zones.is_empty();
        if has_sensors {
            return Ok(());
        }
        listed?;
        let message = format!("{} holds no sensor", self.root.shown(HWMON).display());
        Err(CollectError::new(NoData::Absent, message))
    }
}

impl Collector for HwmonCollector {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn beat(&self) -> Duration {
        BEAT
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["hwmon", "thermal"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        self.look()?;
        let mut sensors: Vec<Sensor> = Vec::new();
        for chip in &mut self.chips {
            chip.sensors(&mut self.buffer, &mut sensors);
        }
        let zones = self.zones.iter_mut().map(|zone| zone.sensor(&mut self.buffer));
        sensors.extend(zones);
        let host_power: Vec<HostPower> = host_power(&sensors).into_iter().collect();
        let mut sheet = self.pad.begin();
        rows::write(&mut sheet, &sensors);
        for power in &host_power {
            sheet.add(&HOST_POWER, &[power.source.word()], power.watts.value());
        }
        let sheet = sheet.finish();
        Ok(Observation {
            sensors: Some(sensors),
            host_power: Some(host_power),
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}

/// What ACPI's meter of the whole host shows, where there is one. A second one meters a part.
fn host_power(sensors: &[Sensor]) -> Option<HostPower> {
    let mut meters = sensors
        .iter()
        .filter(|sensor| sensor.chip == ACPI_METER && sensor.kind == SensorKind::Watts);
    let meter = meters.next()?;
    if meters.next().is_some() {
        return None;
    }
    let watts = match meter.value {
        Reading::Value(watts) => Power::from_watts_f64(watts).ok_or(NoData::Garbled).into(),
        Reading::None { no_data } => Reading::none(no_data),
    };
    let source = HostMeter::Acpi;
    Some(HostPower { source, watts })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_chip_that_was_seen_before_its_files_is_looked_at_again() {
        let machine = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = machine.path().join(HWMON).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("hwmon0/temp1_input", "40000");
        let mut collector = HwmonCollector::new(Root::at(machine.path()).unwrap());
        let mut seen = || collector.collect().unwrap().sensors.unwrap().len();
        assert_eq!((seen(), seen(), seen()), (1, 1, 1));
        write("hwmon1/name", "meter");
        assert_eq!(seen(), 1, "its folder is there, its files are not");
        write("hwmon1/power1_input", "5000000");
        assert_eq!(seen(), 2);
        std::fs::remove_dir_all(machine.path().join(HWMON).join("hwmon1")).unwrap();
        assert_eq!(seen(), 1);
    }
}
