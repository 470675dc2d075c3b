//! The inventory: everything that all sources together say of one node.

use serde::{Deserialize, Serialize};

use crate::agreement;
use crate::cpuset::CpuSet;
use crate::doubt::Doubt;
use crate::drive::{Drive, DriveHealth};
use crate::gpu::Gpu;
use crate::identity::{NumaNodeId, PciAddress};
use crate::local_bmc::LocalBmc;
use crate::memory_module::MemoryModule;
use crate::moment::Moment;
use crate::nic::Nic;
use crate::observation::{Observation, Source};
use crate::pci::PciLink;
use crate::power::{CpuTimes, HostPower, PowerZone, Pressure, Sensor};
use crate::topology::{Cache, Core, CoreKind, Cpu, NumaNode, Package, PciPlace, Topology};
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
    /// Serial number of the main board (`board_serial`; readable by root only).
    pub board_serial: Option<String>,
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

/// Memory of one NUMA node as it is now (`nodeN/meminfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaMemory {
    /// The NUMA node.
    pub numa_node: NumaNodeId,
    /// `MemTotal`.
    pub total_bytes: Bytes,
    /// `MemFree`.
    pub free_bytes: Bytes,
}

/// The kernel's pool of huge pages of one size on one NUMA node (`nodeN/hugepages/hugepages-SIZEkB/nr_hugepages`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugepagePool {
    /// The NUMA node.
    pub numa_node: NumaNodeId,
    /// The size of one page.
    pub page_bytes: Bytes,
    /// All pages of the pool, used ones too.
    pub total_bytes: Bytes,
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
    /// Memory of each NUMA node as it is now; empty where the kernel shows none.
    pub numa_memory: Vec<NumaMemory>,
    /// Memory modules that are installed; empty where the firmware tells of none, or may not be asked.
    pub memory_modules: Vec<MemoryModule>,
    /// Pools of huge pages that hold any; empty where the kernel keeps none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hugepages: Vec<HugepagePool>,
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
    /// Kinds of cores, the most efficient first; empty where all are alike or the kinds are unknown.
    pub core_kinds: Vec<CoreKind>,
    /// CPUs that are switched off; not in `cpus`.
    pub offline_cpus: CpuSet,
    /// CPUs that are on and that this process may not use; not in `cpus`.
    pub disallowed_cpus: CpuSet,
    /// PCI functions and what is near them.
    pub pci: Vec<PciPlace>,
    /// Links of PCI functions that carry data: network, storage, accelerators.
    pub pci_links: Vec<PciLink>,
    /// GPUs.
    pub gpus: Vec<Gpu>,
    /// Drives.
    pub drives: Vec<Drive>,
    /// Network interfaces with hardware behind them.
    pub nics: Vec<Nic>,
    /// Power zones.
    pub power_zones: Vec<PowerZone>,
    /// Sensors of the kernel's chips and of the node's own BMC.
    pub sensors: Vec<Sensor>,
    /// Power of the whole host by each meter that sees all of it. Never added to each other nor to the power of parts.
    pub host_power: Vec<HostPower>,
    /// The node's own BMC.
    pub bmc: Option<LocalBmc>,
    /// Pressure.
    pub pressure: Vec<Pressure>,
    /// CPU times.
    pub cpu_times: Vec<CpuTimes>,
    /// What sources said and what cannot all be true.
    pub doubts: Vec<Doubt>,
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
        let (mut driver_gpus, mut health) = (Vec::new(), Vec::new());
        for observation in observations {
            whole.take(observation);
            driver_gpus.extend(observation.driver_gpus.iter().flatten());
            health.extend(observation.drive_health.iter().flatten());
        }
        whole.complete_gpus(&driver_gpus);
        whole.complete_drives(&health);
        whole.place_by_pci();
        let disagreements = agreement::doubts(&whole);
        whole.doubts.extend(disagreements);
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
            core_kinds,
            offline_cpus,
            disallowed_cpus,
        }) = &seen.topology
        {
            self.packages.clone_from(packages);
            self.numa_nodes.clone_from(numa_nodes);
            self.caches.clone_from(caches);
            self.cores.clone_from(cores);
            self.cpus.clone_from(cpus);
            self.pci.clone_from(pci);
            self.core_kinds.clone_from(core_kinds);
            self.offline_cpus.clone_from(offline_cpus);
            self.disallowed_cpus.clone_from(disallowed_cpus);
        }
        set(&mut self.numa_memory, &seen.numa_memory);
        set(&mut self.memory_modules, &seen.memory_modules);
        set(&mut self.hugepages, &seen.hugepages);
        set(&mut self.gpus, &seen.gpus);
        set(&mut self.drives, &seen.drives);
        set(&mut self.pci_links, &seen.pci_links);
        set(&mut self.nics, &seen.nics);
        set(&mut self.power_zones, &seen.power_zones);
        // Two sources have sensors, and several meters see the host: each adds its own.
        self.sensors.extend(seen.sensors.iter().flatten().cloned());
        self.host_power
            .extend_from_slice(seen.host_power.as_deref().unwrap_or_default());
        if seen.bmc.is_some() {
            self.bmc.clone_from(&seen.bmc);
        }
        set(&mut self.pressure, &seen.pressure);
        set(&mut self.cpu_times, &seen.cpu_times);
        self.doubts.extend_from_slice(&seen.doubts);
        self.sources.extend(seen.missing.iter().map(Source::from));
    }

    /// What a driver's library says of a GPU joins what PCI says of it; a GPU that PCI does not show (in a container) comes beside.
    fn complete_gpus(&mut self, seen: &[&Gpu]) {
        for driver in seen {
            let same = |gpu: &&mut Gpu| match (gpu.pci, driver.pci) {
                (Some(place), Some(other)) => place == other,
                (None, _) | (_, None) => gpu.uuid.is_some() && gpu.uuid == driver.uuid,
            };
            match self.gpus.iter_mut().find(same) {
                Some(gpu) => gpu.complete(driver),
                None => self.gpus.push(Gpu::clone(driver)),
            }
        }
    }

    /// What an NVMe controller or a disk says of itself joins every drive that it was read from.
    fn complete_drives(&mut self, seen: &[&DriveHealth]) {
        for health in seen {
            for drive in &mut self.drives {
                if drive.device == health.read_from || drive.controllers.contains(&health.read_from) {
                    drive.health = Some(Box::new(DriveHealth::clone(health)));
                }
            }
        }
    }

    /// A part whose own source names no NUMA node takes the one that the topology names for its PCI function, where it is one.
    fn place_by_pci(&mut self) {
        let near = |address: Option<PciAddress>| {
            let place = self.pci.iter().find(|place| Some(place.address) == address)?;
            (place.numa_nodes.len() == 1)
                .then(|| place.numa_nodes.first())
                .flatten()
        };
        for drive in &mut self.drives {
            drive.numa_node = drive.numa_node.or_else(|| near(drive.pci));
        }
        for nic in &mut self.nics {
            nic.numa_node = nic.numa_node.or_else(|| near(nic.pci));
        }
        for gpu in &mut self.gpus {
            gpu.numa_node = gpu.numa_node.or_else(|| near(gpu.pci));
        }
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

    #[test]
    fn a_gpu_of_the_driver_completes_the_one_in_the_same_place() {
        let gpu = |pci: &str, model: Option<&str>, device: Option<&str>| Gpu {
            identity: crate::Identity {
                model: model.map(str::to_owned),
                ..Default::default()
            },
            uuid: None,
            pci: Some(pci.parse().unwrap()),
            pci_id: None,
            numa_node: None,
            device: device.map(str::to_owned),
            memory_bytes: None,
            readings: None,
        };
        let by_pci = Observation {
            gpus: Some(vec![
                gpu("0000:18:00.0", None, Some("card0")),
                gpu("0000:2a:00.0", None, None),
            ]),
            ..Observation::default()
        };
        let mut first = gpu("0000:18:00.0", Some("H100"), Some("nvidia0"));
        first.readings = Some(Box::default());
        let by_driver = Observation {
            driver_gpus: Some(vec![first, gpu("0000:5d:00.0", Some("H100"), Some("nvidia1"))]),
            ..Observation::default()
        };
        // Whichever spoke first: the list is the same.
        for order in [[&by_pci, &by_driver], [&by_driver, &by_pci]] {
            let whole = Inventory::merge(Moment::EPOCH, order, vec![]);
            let names: Vec<_> = whole
                .gpus
                .iter()
                .map(|gpu| {
                    (
                        gpu.device.as_deref(),
                        gpu.identity.model.as_deref(),
                        gpu.readings.is_some(),
                    )
                })
                .collect();
            assert_eq!(
                names,
                [
                    (Some("card0"), Some("H100"), true),
                    (None, None, false),
                    (Some("nvidia1"), Some("H100"), false)
                ]
            );
        }
    }
}
