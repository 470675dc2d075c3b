//! Power zones of a node (RAPL through powercap) and other sensors.

use serde::{Deserialize, Serialize};

use crate::identity::NumaNodeId;
use crate::reading::Reading;
use crate::unit::{Energy, Power};

/// One limit of a power zone (`constraint_N_*` in powercap).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerLimit {
    /// `constraint_N_name`: `long_term`, `short_term`, `peak_power`.
    pub name: String,
    /// The limit in force.
    pub limit_watts: Reading<Power>,
    /// The largest limit that the zone takes, where it tells.
    pub max_watts: Reading<Power>,
}

/// One power zone: a part of the machine whose energy is counted and whose power may be limited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerZone {
    /// What the OS calls it: `intel-rapl:0:1`.
    pub device: String,
    /// `name` in powercap: `package-0`, `core`, `dram`, `psys`.
    pub name: String,
    /// Energy since some moment, as the kernel counts it (`energy_uj`, wraps at `wraps_at`).
    pub energy_microjoules: Reading<Energy>,
    /// Where the counter wraps (`max_energy_range_uj`).
    pub wraps_at_microjoules: Option<Energy>,
    /// Its limits.
    pub limits: Vec<PowerLimit>,
}

/// What a sensor measures; the unit is part of the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorKind {
    /// Degrees Celsius.
    TemperatureCelsius,
    /// Turns a minute.
    FanRpm,
    /// Volts.
    Volts,
    /// Amperes.
    Amperes,
    /// Watts.
    Watts,
}

/// What a limit of a sensor means. JSON and metrics: `lower_emergency` to `emergency`, and `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Below it the part may take harm (IPMI: lower non-recoverable).
    LowerEmergency,
    /// Below it the part does not work (`lcrit`; IPMI: lower critical).
    LowerCritical,
    /// Below it somebody should look (`min`; IPMI: lower non-critical).
    LowerWarning,
    /// Above it somebody should look (`max`; IPMI: upper non-critical; a thermal zone's passive trip).
    Warning,
    /// Above it the part does not work or slows down (`crit`; IPMI: upper critical).
    Critical,
    /// Above it the part may take harm (`emergency`; IPMI: upper non-recoverable).
    Emergency,
    /// The power that the part is held to (`cap`).
    Cap,
}

impl LimitKind {
    /// Its word in JSON and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            LimitKind::LowerEmergency => "lower_emergency",
            LimitKind::LowerCritical => "lower_critical",
            LimitKind::LowerWarning => "lower_warning",
            LimitKind::Warning => "warning",
            LimitKind::Critical => "critical",
            LimitKind::Emergency => "emergency",
            LimitKind::Cap => "cap",
        }
    }
}

/// One limit of a sensor, in the sensor's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorLimit {
    /// What it means.
    pub kind: LimitKind,
    /// Where it lies.
    pub value: f64,
}

/// How a sensor is by its own alarms or thresholds, as in ipmi_exporter: 0, 1, 2 in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorState {
    /// Within its limits.
    Ok,
    /// Somebody should look.
    Warning,
    /// The part does not work, or soon will not.
    Critical,
}

/// Which meter saw the whole host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostMeter {
    /// The BMC's own, by DCMI.
    Dcmi,
    /// What the BMC tells over Redfish.
    Redfish,
    /// An ACPI power meter.
    Acpi,
}

impl HostMeter {
    /// Its word in JSON and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            HostMeter::Dcmi => "dcmi",
            HostMeter::Redfish => "redfish",
            HostMeter::Acpi => "acpi",
        }
    }
}

/// Power of the whole host, as one meter sees it. Kept apart from the power of packages and boards, which is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostPower {
    /// The meter.
    pub source: HostMeter,
    /// What the host draws.
    pub watts: Reading<Power>,
}

/// One sensor of hwmon, a thermal zone or the node's own BMC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    /// The chip that has it (`name` in hwmon, or `thermal_zoneN`'s `type`).
    pub chip: String,
    /// What the OS calls it: `hwmon2/temp1`.
    pub device: String,
    /// Its label, where there is one.
    pub label: Option<String>,
    /// What it measures.
    pub kind: SensorKind,
    /// The reading, in the kind's unit.
    pub value: Reading<f64>,
    /// Its limits, where it tells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<SensorLimit>,
    /// How it is by its own alarms; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SensorState>,
}

/// How long tasks waited for a resource (`/proc/pressure`): shares of time in percent and the total.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// Share over 10 s, in percent.
    pub avg10: f64,
    /// Share over 60 s, in percent.
    pub avg60: f64,
    /// Share over 300 s, in percent.
    pub avg300: f64,
    /// Total stall time in microseconds.
    pub total_microseconds: u64,
}

/// Pressure on one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// `cpu`, `memory`, `io` or `irq`.
    pub resource: String,
    /// Some task waited.
    pub some: Option<Stall>,
    /// All tasks waited.
    pub full: Option<Stall>,
}

/// CPU time by mode since boot, in seconds (`/proc/stat`), summed over a NUMA node; `numa_node` is `None` without NUMA facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuTimes {
    /// The NUMA node.
    pub numa_node: Option<NumaNodeId>,
    /// Mode (`user`, `nice`, `system`, `idle`, `iowait`, `irq`, `softirq`, `steal`) and seconds.
    pub seconds: Vec<(String, f64)>,
}
