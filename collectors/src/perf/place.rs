//! Which CPUs are on, and where each of them lies.

use std::collections::BTreeMap;

use facts::{CpuId, CpuSet};

use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

const ONLINE: &str = "sys/devices/system/cpu/online";
const CPU: &str = "sys/devices/system/cpu";
const NODE: &str = "sys/devices/system/node";
const PHYSICAL_PACKAGE_ID: &str = "topology/physical_package_id";
const CPULIST: &str = "cpulist";

/// Where a CPU lies, as the labels say it: empty where the kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The kernel's number of its package.
    pub socket: String,
    /// The kernel's number of its NUMA node.
    pub numa_node: String,
}

/// The CPUs that are on, as the kernel lists them.
///
/// # Errors
/// When the list cannot be read.
pub fn online(root: &Root) -> Result<CpuSet, CollectError> {
    let text = root.read(ONLINE)?;
    text.parse()
        .map_err(|_| CollectError::garbled(&root.shown(ONLINE), "a list of CPUs, as in 0-3,8", &text))
}

/// Where each of these CPUs lies.
pub fn places(root: &Root, cpus: &CpuSet) -> BTreeMap<CpuId, Place> {
    let nodes: Vec<(String, CpuSet)> = root
        .list(NODE)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| {
            let number = name.strip_prefix("node")?;
            let near = root.read(&format!("{NODE}/{name}/{CPULIST}")).ok()?;
            number.parse::<u32>().ok()?;
            Some((number.to_owned(), near.parse().ok()?))
        })
        .collect();
    let place = |cpu: CpuId| {
        let package = attribute::number::<u32>(root, &format!("{CPU}/cpu{}/{PHYSICAL_PACKAGE_ID}", cpu.0));
        let node = nodes.iter().find(|(_, near)| near.contains(cpu));
        Place {
            // -1 where the firmware does not say.
            socket: package.map(|package| package.to_string()).unwrap_or_default(),
            numa_node: node.map(|(number, _)| number.clone()).unwrap_or_default(),
        }
    };
    cpus.iter().map(|cpu| (cpu, place(cpu))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_machines_cpus_lie_somewhere() {
        let root = Root::host();
        let Ok(cpus) = online(&root) else {
            println!("skipped: no /{ONLINE}");
            return;
        };
        let places = places(&root, &cpus);
        assert_eq!(places.len(), cpus.len());
        assert!(places.values().next().is_some());
    }

    #[test]
    fn what_firmware_does_not_say_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let cpu = directory.path().join(CPU).join("cpu1/topology");
        std::fs::create_dir_all(&cpu).unwrap();
        std::fs::write(cpu.join("physical_package_id"), "-1\n").unwrap();
        std::fs::write(directory.path().join(ONLINE), "1\n").unwrap();
        let root = Root::at(directory.path()).unwrap();
        let cpus = online(&root).unwrap();
        assert_eq!(places(&root, &cpus).get(&CpuId(1)), Some(&Place::default()));
        std::fs::write(directory.path().join(ONLINE), "all\n").unwrap();
        assert!(online(&root).is_err());
    }
}
