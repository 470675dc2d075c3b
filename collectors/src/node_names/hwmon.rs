//! The source `node_hwmon`: node_exporter's `hwmon` and `thermal_zone`. A chip's driver may wait for its bus, or hang.

use std::collections::BTreeMap;
use std::time::Duration;

use facts::observation::Observation;
use facts::sheet::{Pad, Writing};
use facts::{Family, NoData};

use super::hwmon_table as t;
use super::keyed::named;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const HWMON: &str = "sys/class/hwmon";
const THERMAL: &str = "sys/class/thermal";

/// Kinds of attributes that are sensors.
const KINDS: [&str; 12] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
];
/// The kind that has no numbers of its own in most drivers.
const INTRUSION: &str = "intrusion";

const MILLI: f64 = 1_000.0;
const MICRO: f64 = 1_000_000.0;

/// Attributes of one sensor, by name; the sensor's own file has none.
type Sensor = BTreeMap<String, String>;

/// Reads hwmon and thermal zones.
pub struct HwmonCollector {
    root: Root,
    pad: Pad,
}

/// Kind, number and attribute of a file: `temp1_crit_alarm` is `temp`, `1`, `crit_alarm`.
fn parse(file: &str) -> Option<(&str, &str, &str)> {
    let digits_at = file.find(|c: char| c.is_ascii_digit());
    let (kind, rest) = match digits_at {
        Some(at) => file.split_at(at),
        // Without a number: `update_interval`, `pwm_enable` is not one.
        None => (file, ""),
    };
    let rest_at = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(rest_at);
    let attribute = match rest.strip_prefix('_') {
        Some(attribute) if !attribute.is_empty() => attribute,
        None if rest.is_empty() => "",
        _ => return None,
    };
    (KINDS.contains(&kind) || kind == INTRUSION).then_some((kind, number, attribute))
}

/// Lower case, with nothing but letters, digits, colons and underlines.
fn cleaned(name: &str) -> String {
    let lower = name.to_lowercase();
    let cleaned = lower.chars().map(|c| match c {
        'a'..='z' | '0'..='9' | ':' | '_' => c,
        _ => '_',
    });
    cleaned.collect::<String>().trim_matches('_').to_owned()
}

/// The family of an attribute and what its number is divided by.
fn family(kind: &str, attribute: &str, has_own_file: bool) -> Option<(&'static Family, f64)> {
    let whole = |name: &str| Some((named(t::TABLE, name)?, 1.0));
    match (kind, attribute) {
        ("beep_enable", _) => return whole("node_hwmon_beep_enabled"),
        ("vrm", _) => return whole("node_hwmon_voltage_regulator_version"),
        ("update_interval", _) => return Some((&t::HWMON_UPDATE_INTERVAL_SECONDS, MILLI)),
        _ => {}
    }
    let mut name = format!("node_hwmon_{kind}");
    if !attribute.is_empty() && (attribute != "input" || has_own_file) {
        name = format!("{name}_{}", cleaned(attribute));
    }
    let scaled = |unit: &str, divisor: f64| Some((named(t::TABLE, &format!("{name}_{unit}"))?, divisor));
    match (kind, attribute) {
        (_, "fault" | "alarm") => whole(&name),
        (_, "beep") => whole(&format!("{name}_enabled")),
        ("in" | "cpu", _) => scaled("volts", MILLI),
        ("temp", attribute) if attribute != "type" => scaled("celsius", MILLI),
        ("curr", _) => scaled("amps", MILLI),
        ("power", "accuracy") => Some((named(t::TABLE, &name)?, MICRO)),
        ("power", attribute) if attribute.ends_with("_interval") => scaled("seconds", MILLI),
        ("power", _) => scaled("watt", MICRO),
        ("energy", _) => scaled("joule_total", MICRO),
        ("humidity", _) => Some((named(t::TABLE, &name)?, MICRO)),
        ("fan", "input" | "min" | "max" | "target") => scaled("rpm", 1.0),
        _ => whole(&name),
    }
}

impl HwmonCollector {
    /// Of this root.
    pub fn new(root: Root) -> HwmonCollector {
        HwmonCollector {
            root,
            pad: Pad::default(),
        }
    }

    fn text(&self, file: &str) -> Option<String> {
        let bytes = self.root.read_bytes(file).ok()?;
        Some(String::from_utf8_lossy(bytes.trim_ascii()).into_owned())
    }

    /// A chip's label: bus and device that it hangs from, or its name.
    fn chip(&self, directory: &str, hwmon: &str) -> String {
        let device = self.root.target(&format!("{directory}/device")).ok();
        if let Some(device) = &device {
            let part = |path: Option<&std::ffi::OsStr>| path.and_then(|name| name.to_str()).map(cleaned);
            let name = part(device.file_name()).unwrap_or_default();
            let bus = part(device.parent().and_then(|parent| parent.file_name())).unwrap_or_default();
            match (bus.is_empty(), name.is_empty()) {
                (false, false) => return format!("{bus}_{name}"),
                (true, false) => return name,
                _ => {}
            }
        }
        let name = self.text(&format!("{directory}/name")).map(|name| cleaned(&name));
        name.filter(|name| !name.is_empty())
            .unwrap_or_else(|| cleaned(hwmon))
    }

    fn sensors(&self, directory: &str, sensors: &mut BTreeMap<String, (String, Sensor)>) {
        for file in self.root.list(directory).unwrap_or_default() {
            let Some((kind, number, attribute)) = parse(&file) else {
                continue;
            };
            let Some(text) = self.text(&format!("{directory}/{file}")) else {
                continue;
            };
            let sensor = sensors
                .entry(format!("{kind}{number}"))
                .or_insert_with(|| (kind.to_owned(), Sensor::new()));
            sensor.1.insert(attribute.to_owned(), text);
        }
    }

    fn write_chip(&self, hwmon: &str, sheet: &mut Writing<'_>) {
        let directory = format!("{HWMON}/{hwmon}");
        let mut sensors = BTreeMap::new();
        self.sensors(&directory, &mut sensors);
        // Old drivers put their attributes below the device.
        self.sensors(&format!("{directory}/device"), &mut sensors);
        let chip = self.chip(&directory, hwmon);
        if let Some(name) = self.text(&format!("{directory}/name")).map(|name| cleaned(&name)) {
            sheet.add(&t::HWMON_CHIP_NAMES, &[&chip, &name], Some(1_u64));
        }
        for (sensor, (kind, attributes)) in &sensors {
            if let Some(label) = attributes.get("label").filter(|label| !label.is_empty()) {
                sheet.add(&t::HWMON_SENSOR_LABEL, &[&chip, sensor, label], Some(1_u64));
            }
            let has_own_file = attributes.contains_key("");
            for (attribute, text) in attributes.iter().filter(|(attribute, _)| *attribute != "label") {
                let Some((family, divisor)) = family(kind, attribute, has_own_file) else {
                    continue;
                };
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                if number.is_none() {
                    sheet.invalid();
                }
                sheet.add(family, &[&chip, sensor], number.map(|number| number / divisor));
            }
        }
    }

    fn write_thermal(&self, sheet: &mut Writing<'_>) {
        let number = |file: String| self.text(&file).and_then(|text| text.parse::<f64>().ok());
        for name in self.root.list(THERMAL).unwrap_or_default() {
            let directory = format!("{THERMAL}/{name}");
            let kind = self.text(&format!("{directory}/type")).unwrap_or_default();
            if let Some(zone) = name.strip_prefix("thermal_zone") {
                let heat = number(format!("{directory}/temp")).map(|heat| heat / MILLI);
                sheet.add(&t::THERMAL_ZONE_TEMP, &[zone, &kind], heat);
            } else if let Some(device) = name.strip_prefix("cooling_device") {
                for (family, file) in [
                    (&t::COOLING_DEVICE_CUR_STATE, "cur_state"),
                    (&t::COOLING_DEVICE_MAX_STATE, "max_state"),
                ] {
                    sheet.add(family, &[device, &kind], number(format!("{directory}/{file}")));
                }
            }
        }
    }
}

impl Collector for HwmonCollector {
    fn name(&self) -> &'static str {
        "node_hwmon"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["hwmon", "thermal"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let chips = self.root.list(HWMON);
        if chips.is_err() && !self.root.has(THERMAL) {
            let message = format!("neither {HWMON} nor {THERMAL} is there");
            return Err(CollectError::new(NoData::Absent, message));
        }
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        for hwmon in chips.unwrap_or_default() {
            self.write_chip(&hwmon, &mut sheet);
        }
        self.write_thermal(&mut sheet);
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_sensors_or_nothing() {
        assert_eq!(parse("temp1_crit_alarm"), Some(("temp", "1", "crit_alarm")));
        assert_eq!(parse("pwm2"), Some(("pwm", "2", "")));
        assert_eq!(parse("update_interval"), Some(("update_interval", "", "")));
        for other in ["name", "uevent", "power", "in_", "temp1x", "", "device", "temp1_"] {
            assert!(parse(other).is_none_or(|(kind, ..)| kind == "power"), "{other}");
        }
    }

    #[test]
    fn names_and_units_are_those_of_node_exporter() {
        let name = |kind: &str, attribute: &str| {
            family(kind, attribute, false).map(|(family, divisor)| (family.name, divisor))
        };
        assert_eq!(name("temp", "input"), Some(("node_hwmon_temp_celsius", MILLI)));
        assert_eq!(
            name("temp", "crit_alarm"),
            Some(("node_hwmon_temp_crit_alarm_celsius", MILLI))
        );
        assert_eq!(name("temp", "alarm"), Some(("node_hwmon_temp_alarm", 1.0)));
        assert_eq!(name("temp", "type"), Some(("node_hwmon_temp_type", 1.0)));
        assert_eq!(name("in", "input"), Some(("node_hwmon_in_volts", MILLI)));
        assert_eq!(
            name("power", "average"),
            Some(("node_hwmon_power_average_watt", MICRO))
        );
        assert_eq!(
            name("power", "average_interval"),
            Some(("node_hwmon_power_average_interval_seconds", MILLI))
        );
        assert_eq!(name("fan", "input"), Some(("node_hwmon_fan_rpm", 1.0)));
        assert_eq!(name("fan", "pulses"), Some(("node_hwmon_fan_pulses", 1.0)));
        assert_eq!(name("pwm", ""), Some(("node_hwmon_pwm", 1.0)));
        assert_eq!(name("temp", "nobody_knows"), None);
        assert_eq!(cleaned("Core-Temp 0!"), "core_temp_0");
    }

    proptest! {
        #[test]
        fn any_name_is_survived(file in "[a-z]{0,6}[0-9]{0,3}\\PC{0,8}") {
            if let Some((kind, _, attribute)) = parse(&file) {
                let _ = family(kind, attribute, false);
            }
        }
    }
}
