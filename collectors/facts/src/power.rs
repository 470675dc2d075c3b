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

/// One sensor of hwmon or a thermal zone.
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
