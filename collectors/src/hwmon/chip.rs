//! One hwmon chip: its inputs with their files kept open, their limits, their alarms.

use facts::power::{LimitKind, Sensor, SensorKind, SensorLimit, SensorState};
use facts::{NoData, Reading};

use super::{HWMON, plausible};
use crate::attribute;
use crate::collector::CollectError;
use crate::root::{Kept, ReadError, Root};

/// One kind of `*_input` file: prefix, meaning, and how many of its units are one of ours.
const INPUTS: [(&str, SensorKind, f64); 5] = [
    ("temp", SensorKind::TemperatureCelsius, 1_000.0),
    ("fan", SensorKind::FanRpm, 1.0),
    ("in", SensorKind::Volts, 1_000.0),
    ("curr", SensorKind::Amperes, 1_000.0),
    ("power", SensorKind::Watts, 1_000_000.0),
];
/// Limits by the ends of their names.
const LIMITS: [(&str, LimitKind); 6] = [
    ("_lcrit", LimitKind::LowerCritical),
    ("_min", LimitKind::LowerWarning),
    ("_max", LimitKind::Warning),
    ("_crit", LimitKind::Critical),
    ("_emergency", LimitKind::Emergency),
    ("_cap", LimitKind::Cap),
];
/// Alarms by the ends of their names, and what a 1 in them means.
const ALARMS: [(&str, SensorState); 8] = [
    ("_alarm", SensorState::Warning),
    ("_min_alarm", SensorState::Warning),
    ("_max_alarm", SensorState::Warning),
    ("_cap_alarm", SensorState::Warning),
    ("_lcrit_alarm", SensorState::Critical),
    ("_crit_alarm", SensorState::Critical),
    ("_emergency_alarm", SensorState::Critical),
    (FAULT, SensorState::Critical),
];
/// The sensor itself is broken: an open diode, a fan without its wire. Its value means nothing.
const FAULT: &str = "_fault";

/// A chip as it was found.
pub(super) struct Chip {
    inputs: Vec<Input>,
}

/// One sensor of it.
struct Input {
    /// Everything but value and state.
    sensor: Sensor,
    divisor: f64,
    file: Kept,
    alarms: Vec<Alarm>,
}

struct Alarm {
    file: Kept,
    means: SensorState,
    is_fault: bool,
}

impl Chip {
    /// The chip in `hwmonN`. Old drivers put their files beside it, into its device (ACPI's power meter does so to this day).
    pub(super) fn read(root: &Root, name: &str) -> Chip {
        let own = format!("{HWMON}/{name}");
        let inputs = inputs(root, name, &own);
        if !inputs.is_empty() {
            return Chip { inputs };
        }
        Chip {
            inputs: self::inputs(root, name, &format!("{own}/device")),
        }
    }

    pub(super) fn has_sensors(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Adds its sensors as they are now.
    pub(super) fn sensors(&mut self, buffer: &mut Vec<u8>, sensors: &mut Vec<Sensor>) {
        sensors.extend(self.inputs.iter_mut().map(|input| input.now(buffer)));
    }
}

impl Input {
    fn now(&mut self, buffer: &mut Vec<u8>) -> Sensor {
        let raw = number(&mut self.file, buffer).map(|whole| whole / self.divisor);
        let mut value = plausible::judged(self.sensor.kind, raw);
        let mut state = None;
        for alarm in &mut self.alarms {
            let Reading::Value(raised) = number(&mut alarm.file, buffer) else {
                continue;
            };
            let raised = raised > 0.0;
            if raised && alarm.is_fault {
                value = Reading::none(NoData::Garbled);
            }
            let means = if raised { alarm.means } else { SensorState::Ok };
            state = state.max(Some(means));
        }
        Sensor {
            value,
            state,
            ..self.sensor.clone()
        }
    }
}

fn inputs(root: &Root, name: &str, directory: &str) -> Vec<Input> {
    let files = root.list(directory).unwrap_or_default();
    let chip = attribute::name_if_any(root, &format!("{directory}/name"))
        .or_else(|| attribute::name_if_any(root, &format!("{HWMON}/{name}/name")))
        .unwrap_or_else(|| name.to_owned());
    let found = files.iter().filter_map(|file| {
        let (stem, kind, divisor) = input(file)?;
        // A meter that tells both is told once, as it is now.
        if file.ends_with("_average") && files.contains(&format!("{stem}_input")) {
            return None;
        }
        let attribute = |ending: &str| format!("{directory}/{stem}{ending}");
        let has = |ending: &str| files.contains(&format!("{stem}{ending}"));
        let limit = |(ending, kind_of_limit): &(&str, LimitKind)| {
            let raw: Reading<i64> = attribute::reading(root, &attribute(ending));
            let value = plausible::judged(kind, raw.map(to_float).map(|whole| whole / divisor));
            value.value().map(|value| SensorLimit {
                kind: *kind_of_limit,
                value,
            })
        };
        let limits = LIMITS.iter().filter(|(ending, _)| has(ending)).filter_map(limit);
        let alarms = ALARMS
            .iter()
            .filter(|(ending, _)| has(ending))
            .map(|(ending, means)| Alarm {
                file: Kept::new(root, attribute(ending)),
                means: *means,
                is_fault: *ending == FAULT,
            });
        Some(Input {
            sensor: Sensor {
                chip: chip.clone(),
                device: format!("{name}/{stem}"),
                label: attribute::name_if_any(root, &attribute("_label")),
                kind,
                value: Reading::none(NoData::Absent),
                limits: limits.collect(),
                state: None,
            },
            divisor,
            file: Kept::new(root, format!("{directory}/{file}")),
            alarms: alarms.collect(),
        })
    });
    found.collect()
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

/// A whole number in a file that is kept open; hwmon's may be negative.
pub(super) fn number(file: &mut Kept, buffer: &mut Vec<u8>) -> Reading<f64> {
    let bytes = match file.read(buffer) {
        Ok(bytes) => bytes,
        Err(error) => return Reading::none(ReadError::reason(&error)),
    };
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let whole: Result<i64, _> = text.parse();
    whole
        .map(to_float)
        .map_err(|_| CollectError::garbled(&file.shown(), "a whole number", text).reason)
        .into()
}

/// Nothing in a server measures beyond 2^31 of a file's units; more is a chip's way to say nothing, and not finite here.
pub(super) fn to_float(whole: i64) -> f64 {
    i32::try_from(whole).map_or(f64::NAN, f64::from)
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
