//! This process: its version, its processor time and its memory, as the kernel counts them.

use super::family::{Family, Kind};
use super::sheet::number;

/// `utime`, `stime` and `starttime` in `/proc/self/stat` are in these ticks a second on every architecture that Linux shows.
const USER_HZ: f64 = 100.0;
/// Fields 14 and 15 of `/proc/self/stat`; the first that stands behind the command's closing bracket is field 3.
const UTIME: usize = 14 - 3;
const PROC_STAT: &str = "/proc/self/stat";
const PROC_STATUS: &str = "/proc/self/status";
const VM_RSS: &str = "VmRSS:";

fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string(PROC_STAT).ok()?;
    let (_, behind) = text.rsplit_once(')')?;
    let mut ticks = behind.split_whitespace().skip(UTIME).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(number(user.saturating_add(system)) / USER_HZ)
}

fn resident_bytes() -> Option<f64> {
    let text = std::fs::read_to_string(PROC_STATUS).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(VM_RSS))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number(kibibytes.saturating_mul(1024)))
}

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_build_info",
        kind: Kind::Info,
        labels: &["version", "target"],
        help: "The version of this controller and the machine it was built for",
        fill: |_, series| series.put(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH], 1.0),
    },
    Family {
        name: "busbar_process_cpu_seconds_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Processor time of this process",
        fill: |_, series| series.put_some(&[], cpu_seconds()),
    },
    Family {
        name: "busbar_process_resident_memory_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory of this process that is in RAM",
        fill: |_, series| series.put_some(&[], resident_bytes()),
    },
];
