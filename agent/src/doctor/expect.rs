//! What each source would show: its families, so that what a silent source costs has names.

use facts::{Family, Inventory, Source, SourceStatus};
use serde::Serialize;

use crate::metrics;

/// Words by which the families' tables name a source, where that is not the source's own name.
const WORDS: [(&str, &[&str]); 16] = [
    ("topology", &["hwloc"]),
    ("machine", &["dmi"]),
    ("cpu", &["/proc/stat", "/proc/schedstat", "/proc/loadavg"]),
    ("cpu_frequency", &["cpufreq", "thermal_throttle"]),
    (
        "memory",
        &["meminfo", "sysfs node", "numastat", "vmstat", "hugepages"],
    ),
    ("pressure", &["/proc/pressure"]),
    ("network", &["/proc/net"]),
    ("disk_io", &["diskstats"]),
    ("block", &["sysfs block"]),
    ("nic", &["sysfs net"]),
    ("gpu", &["sysfs pci"]),
    ("nvml", &["nvml"]),
    ("hwmon", &["hwmon", "thermal zone"]),
    ("bmc", &["ipmi", "dcmi", "fru inventory"]),
    ("drive_health", &["nvme log", "smart"]),
    ("perf", &["perf"]),
];
/// Names of ours; those of node_exporter are shown on request only.
const OURS: &str = "busbar_";

/// What one source shows, or would.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// The source.
    pub source: String,
    /// Whether it speaks.
    pub up: bool,
    /// Why not, in one word and in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The families that come from it, or from it and others.
    pub families: Vec<&'static str>,
}

/// Every source of an inventory with its families.
pub fn expected(inventory: &Inventory) -> Vec<Expected> {
    let families: Vec<&'static Family> = metrics::families().collect();
    let whole = |source: &&Source| !source.name.contains('/');
    inventory
        .sources
        .iter()
        .filter(whole)
        .map(|source| of_source(source, &families))
        .collect()
}

fn of_source(source: &Source, families: &[&'static Family]) -> Expected {
    let reason = match &source.status {
        SourceStatus::Ok => None,
        SourceStatus::Pending => Some("pending: it has not answered yet".to_owned()),
        SourceStatus::Down { reason, message } => Some(format!("{}: {message}", reason.word())),
    };
    Expected {
        source: source.name.clone(),
        up: reason.is_none(),
        reason,
        families: families
            .iter()
            .filter(|family| family.name.starts_with(OURS) && comes_from(family, &source.name))
            .map(|family| family.name)
            .collect(),
    }
}

fn comes_from(family: &Family, source: &str) -> bool {
    let told = family.source.to_ascii_lowercase();
    match WORDS.iter().find(|(name, _)| *name == source) {
        Some((_, words)) => words.iter().any(|word| told.contains(word)),
        None => told.contains(source) || told.contains(&source.replace('_', " ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_silent_source_names_what_it_costs() {
        let inventory = Inventory {
            sources: ["nvml", "hwmon", "topology", "machine/dmi"]
                .map(|name| Source::pending(name, Duration::from_secs(1)))
                .to_vec(),
            ..Inventory::default()
        };
        let all = expected(&inventory);
        assert_eq!(all.len(), 3, "a part of a source is none: {all:?}");
        let of = |name: &str| all.iter().find(|expected| expected.source == name).unwrap();
        assert!(of("nvml").families.contains(&"busbar_gpu_power_watts"));
        assert!(of("hwmon").families.contains(&"busbar_temperature_celsius"));
        assert!(of("topology").families.contains(&"busbar_cpu_topology_info"));
        assert!(!of("nvml").up && of("nvml").reason.as_deref().unwrap().starts_with("pending"));
    }
}
