//! One BMC's page for Prometheus, with the names and labels of prometheus-ipmi-exporter 1.6, so that its dashboards go on working.

use std::collections::HashSet;
use std::fmt::Write as _;

use bmc::ipmi::observe::{Device, Refresh, Sensor, SensorReading, Unit, supply_state};

use facts::supply::SupplyState;

/// The collectors of the exporter that we stand in for.
const COLLECTORS: [&str; 5] = ["bmc", "chassis", "dcmi", "ipmi", "sel"];
/// Names of sensor types as FreeIPMI writes them (IPMI 2.0 table 42-3), by number.
const TYPES: [&str; 45] = [
    "Reserved",
    "Temperature",
    "Voltage",
    "Current",
    "Fan",
    "Physical Security",
    "Platform Security Violation Attempt",
    "Processor",
    "Power Supply",
    "Power Unit",
    "Cooling Device",
    "Other Units Based Sensor",
    "Memory",
    "Drive Slot",
    "POST Memory Resize",
    "System Firmware Progress",
    "Event Logging Disabled",
    "Watchdog 1",
    "System Event",
    "Critical Interrupt",
    "Button/Switch",
    "Module/Board",
    "Microcontroller/Coprocessor",
    "Add In Card",
    "Chassis",
    "Chip Set",
    "Other FRU",
    "Cable/Interconnect",
    "Terminator",
    "System Boot Initiated",
    "Boot Error",
    "OS Boot",
    "OS Critical Stop",
    "Slot/Connector",
    "System ACPI Power State",
    "Watchdog 2",
    "Platform Alert",
    "Entity Presence",
    "Monitor ASIC/IC",
    "LAN",
    "Management Subsystem Health",
    "Battery",
    "Session Audit",
    "Version Change",
    "FRU State",
];
/// Thresholds passed, in the order of `Mask`: non-critical; critical and non-recoverable.
const WARNING: u16 = 0b00_1001;
const CRITICAL: u16 = 0b11_0110;

/// The families of one kind of sensor: its value and its state, each with the exporter's words of help.
struct Pair {
    unit: u8,
    value: (&'static str, &'static str),
    state: (&'static str, &'static str),
}

const fn pair(unit: u8, value: (&'static str, &'static str), state: (&'static str, &'static str)) -> Pair {
    Pair { unit, value, state }
}

const PAIRS: [Pair; 5] = [
    pair(
        Unit::RPM,
        ("ipmi_fan_speed_rpm", "Fan speed in rotations per minute."),
        (
            "ipmi_fan_speed_state",
            "Reported state of a fan speed sensor (0=nominal, 1=warning, 2=critical).",
        ),
    ),
    pair(
        Unit::CELSIUS,
        (
            "ipmi_temperature_celsius",
            "Temperature reading in degree Celsius.",
        ),
        (
            "ipmi_temperature_state",
            "Reported state of a temperature sensor (0=nominal, 1=warning, 2=critical).",
        ),
    ),
    pair(
        Unit::VOLTS,
        ("ipmi_voltage_volts", "Voltage reading in Volts."),
        (
            "ipmi_voltage_state",
            "Reported state of a voltage sensor (0=nominal, 1=warning, 2=critical).",
        ),
    ),
    pair(
        Unit::AMPERES,
        ("ipmi_current_amperes", "Current reading in Amperes."),
        (
            "ipmi_current_state",
            "Reported state of a current sensor (0=nominal, 1=warning, 2=critical).",
        ),
    ),
    pair(
        Unit::WATTS,
        ("ipmi_power_watts", "Power reading in Watts."),
        (
            "ipmi_power_state",
            "Reported state of a power sensor (0=nominal, 1=warning, 2=critical).",
        ),
    ),
];

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str) {
        // A String takes everything that is written to it.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    fn one(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.head(name, help);
            self.line(name, "", value);
        }
    }

    /// A family of sensors; two of one record are one series.
    fn family(&mut self, (name, help): (&str, &str), series: impl Iterator<Item = (String, f64)>) {
        let mut seen = HashSet::new();
        for (labels, value) in series.filter(|(_, value)| value.is_finite()) {
            if !seen.insert(labels.clone()) {
                continue;
            }
            if seen.len() == 1 {
                self.head(name, help);
            }
            self.line(name, &labels, value);
        }
    }

    fn ups(&mut self, up: impl Fn(&str) -> bool) {
        self.head(
            "ipmi_up",
            "'1' if a scrape of the IPMI device was successful, '0' otherwise.",
        );
        for collector in COLLECTORS {
            let up = if up(collector) { 1.0 } else { 0.0 };
            self.line("ipmi_up", &format!("collector=\"{collector}\""), up);
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn labels(sensor: &Sensor, with_type: bool) -> String {
    let name = sensor.name.as_deref().unwrap_or_default();
    let mut text = format!("id=\"{}\",name=\"{}\"", sensor.record, escaped(name));
    if with_type {
        let kind = TYPES.get(usize::from(sensor.kind)).copied();
        let kind = kind.unwrap_or(if sensor.kind >= 0xC0 {
            "OEM Reserved"
        } else {
            "Reserved"
        });
        let _ = write!(text, ",type=\"{kind}\"");
    }
    text
}

/// 0 nominal, 1 warning, 2 critical; `None` where the sensor does not say.
fn state(sensor: &Sensor, reading: &SensorReading) -> Option<f64> {
    let states = *reading.states.as_ref()?;
    if sensor.has_thresholds() {
        let passed = |bits: u16| states & bits != 0;
        return Some(match () {
            () if passed(CRITICAL) => 2.0,
            () if passed(WARNING) => 1.0,
            () => 0.0,
        });
    }
    match supply_state(sensor, reading)? {
        SupplyState::Ok | SupplyState::Absent => Some(0.0),
        SupplyState::Off => Some(1.0),
        SupplyState::Faulted | SupplyState::InputLost => Some(2.0),
        SupplyState::Unknown => None,
    }
}

fn pair_of(sensor: &Sensor) -> Option<&'static Pair> {
    PAIRS.iter().find(|pair| sensor.unit.is_plain(pair.unit))
}

fn sensors(page: &mut Page, refresh: &Refresh) {
    for pair in &PAIRS {
        let of = |(sensor, _): &(&Sensor, &SensorReading)| {
            pair_of(sensor).is_some_and(|own| own.unit == pair.unit)
        };
        let values = refresh
            .sensors()
            .filter(of)
            .filter_map(|(sensor, reading)| Some((labels(sensor, false), *reading.value.as_ref()?)));
        page.family(pair.value, values);
        let states = refresh
            .sensors()
            .filter(of)
            .filter_map(|(sensor, reading)| Some((labels(sensor, false), state(sensor, reading)?)));
        page.family(pair.state, states);
    }
    let others = || refresh.sensors().filter(|(sensor, _)| pair_of(sensor).is_none());
    let values =
        others().filter_map(|(sensor, reading)| Some((labels(sensor, true), *reading.value.as_ref()?)));
    page.family(
        (
            "ipmi_sensor_value",
            "Generic data read from an IPMI sensor of unknown type, relying on labels for context.",
        ),
        values,
    );
    let states =
        others().filter_map(|(sensor, reading)| Some((labels(sensor, true), state(sensor, reading)?)));
    page.family(
        (
            "ipmi_sensor_state",
            "Indicates the severity of the state reported by an IPMI sensor (0=nominal, 1=warning, 2=critical).",
        ),
        states,
    );
}

/// The page of a BMC that was read.
pub(super) fn up(refresh: &Refresh, device: Option<&Device>) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    page.ups(|collector| match collector {
        "bmc" => device.is_some(),
        "chassis" => refresh.chassis.as_ref().is_some(),
        "dcmi" => refresh.power.as_ref().is_some(),
        "sel" => refresh.log.as_ref().is_some(),
        _ => true,
    });
    if let Some(device) = device {
        page.head(
            "ipmi_bmc_info",
            "Constant metric with value '1' providing details about the BMC.",
        );
        let labels = format!(
            "firmware_revision=\"{}\",manufacturer_id=\"{}\",system_firmware_version=\"N/A\"",
            escaped(&device.firmware),
            device.manufacturer
        );
        page.line("ipmi_bmc_info", &labels, 1.0);
    }
    let chassis = refresh.chassis.as_ref();
    page.one(
        "ipmi_chassis_power_state",
        "Current power state (1=on, 0=off).",
        chassis.map(|chassis| if chassis.is_on { 1.0 } else { 0.0 }),
    );
    page.one(
        "ipmi_dcmi_power_consumption_watts",
        "Current power consumption in Watts.",
        refresh.power.as_ref().map(|power| power.current.as_watts_f64()),
    );
    let log = refresh.log.as_ref();
    page.one(
        "ipmi_sel_logs_count",
        "Current number of log entries in the SEL.",
        log.map(|log| f64::from(log.entries)),
    );
    page.one(
        "ipmi_sel_free_space_bytes",
        "Current free space remaining for new SEL entries.",
        log.map(|log| f64::from(log.free_bytes)),
    );
    sensors(&mut page, refresh);
    page.0
}

/// The page of a BMC that does not answer.
pub(super) fn down() -> String {
    let mut page = Page(String::new());
    page.ups(|_| false);
    page.0
}
