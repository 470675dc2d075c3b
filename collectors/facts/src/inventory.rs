//! The inventory: everything that all sources together say of one node.

use serde::{Deserialize, Serialize};

use crate::drive::Drive;
use crate::gpu::Gpu;
use crate::moment::Moment;
use crate::nic::Nic;
use crate::observation::{Observation, Source};
use crate::power::{CpuTimes, PowerZone, Pressure, Sensor};
use crate::topology::{Cache, Core, Cpu, NumaNode, Package, PciPlace, Topology};
use crate::unit::Bytes;

/// The machine as a whole: DMI where there is one, and the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The node's name (`/proc/sys/kernel/hostname`).
    pub hostname: Option<String>,
    /// Maker (`sys_vendor` in DMI).
    pub vendor: Option<String>,
    /// Product (`product_name` in DMI).
    pub product: Option<String>,
    /// Serial number (`product_serial`; readable by root only).
    pub serial: Option<String>,
    /// SMBIOS UUID (`product_uuid`; readable by root only): matches a node with its BMC.
    pub uuid: Option<String>,
    /// BIOS version.
    pub bios_version: Option<String>,
    /// Kernel release (`/proc/sys/kernel/osrelease`).
    pub kernel: Option<String>,
    /// Architecture, as in `x86_64`.
    pub architecture: Option<String>,
}

/// Memory of the whole machine (`/proc/meminfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: Bytes,
    /// `MemAvailable`, where the kernel gives it.
    pub available_bytes: Option<Bytes>,
    /// `MemFree`.
    pub free_bytes: Bytes,
}

/// All facts of one node. The JSON of `busbar-agent facts --output json`; described in docs/facts.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// When this was put together.
    pub at: Option<Moment>,
    /// The machine as a whole.
    pub machine: Machine,
    /// Memory of the whole machine; `None` where no source told.
    pub memory: Option<Memory>,
    /// Packages (sockets).
    pub packages: Vec<Package>,
    /// NUMA nodes.
    pub numa_nodes: Vec<NumaNode>,
    /// Caches.
    pub caches: Vec<Cache>,
    /// Cores.
    pub cores: Vec<Core>,
    /// CPUs (hardware threads).
    pub cpus: Vec<Cpu>,
    /// PCI functions and what is near them.
    pub pci: Vec<PciPlace>,
    /// GPUs.
    pub gpus: Vec<Gpu>,
    /// Drives.
    pub drives: Vec<Drive>,
    /// Network interfaces with hardware behind them.
    pub nics: Vec<Nic>,
    /// Power zones.
    pub power_zones: Vec<PowerZone>,
    /// Sensors.
    pub sensors: Vec<Sensor>,
    /// Pressure.
    pub pressure: Vec<Pressure>,
    /// CPU times.
    pub cpu_times: Vec<CpuTimes>,
    /// Every source: those that spoke, those that did not and why.
    pub sources: Vec<Source>,
}

impl Inventory {
    /// Puts the last observation of each source together; a part that no observation names any more is gone.
    /// Where two sources speak of the same list, the later one in `observations` wins.
    pub fn merge<'a>(
        at: Moment,
        observations: impl IntoIterator<Item = &'a Observation>,
        sources: Vec<Source>,
    ) -> Inventory {
        let mut whole = Inventory {
            at: Some(at),
            sources,
            ..Inventory::default()
        };
        for observation in observations {
            whole.take(observation);
        }
        whole
    }

    fn take(&mut self, seen: &Observation) {
        fn set<T: Clone>(place: &mut T, seen: &Option<T>) {
            if let Some(seen) = seen {
                place.clone_from(seen);
            }
        }
        set(&mut self.machine, &seen.machine);
        if seen.memory.is_some() {
            self.memory = seen.memory;
        }
        if let Some(Topology {
            packages,
            numa_nodes,
            caches,
            cores,
            cpus,
            pci,
        }) = &seen.topology
        {
            self.packages.clone_from(packages);
            self.numa_nodes.clone_from(numa_nodes);
            self.caches.clone_from(caches);
            self.cores.clone_from(cores);
            self.cpus.clone_from(cpus);
            self.pci.clone_from(pci);
        }
        set(&mut self.gpus, &seen.gpus);
        set(&mut self.drives, &seen.drives);
        set(&mut self.nics, &seen.nics);
        set(&mut self.power_zones, &seen.power_zones);
        set(&mut self.sensors, &seen.sensors);
        set(&mut self.pressure, &seen.pressure);
        set(&mut self.cpu_times, &seen.cpu_times);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_part_that_is_no_longer_observed_is_gone() {
        let with = Observation {
            gpus: Some(vec![]),
            drives: Some(vec![]),
            ..Observation::default()
        };
        let whole = Inventory::merge(Moment::EPOCH, [&with], vec![]);
        assert!(whole.drives.is_empty());
        let json = serde_json::to_value(&whole).unwrap();
        for list in
            "packages numa_nodes caches cores cpus gpus drives nics power_zones sensors sources".split(' ')
        {
            assert!(json[list].is_array(), "{list} is missing");
        }
    }
}
