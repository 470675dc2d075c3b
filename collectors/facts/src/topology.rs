//! Packages, NUMA nodes, caches, cores and CPUs, and how they lie in each other.

use serde::{Deserialize, Serialize};

use crate::cpuset::{CpuSet, NumaSet};
use crate::identity::{CoreId, CpuId, Identity, NumaNodeId, PackageId};
use crate::unit::Bytes;

/// One package (socket).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The kernel's number; hwloc's logical number where the kernel gives none.
    pub id: PackageId,
    /// Who it is: the CPU's vendor and model name.
    #[serde(flatten)]
    pub identity: Identity,
    /// The CPUs in it.
    pub cpus: CpuSet,
    /// The NUMA nodes attached to it.
    pub numa_nodes: NumaSet,
    /// Dies in it; 1 where the kernel names none.
    pub dies: u32,
}

/// One NUMA node: memory, and the CPUs that are near it (none for a memory-only NUMA node).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaNode {
    /// The kernel's number.
    pub id: NumaNodeId,
    /// CPUs near this memory.
    pub cpus: CpuSet,
    /// All memory of this NUMA node (`MemTotal` of `nodeN/meminfo`); `None` where the source names none.
    pub memory_bytes: Option<Bytes>,
    /// Relative distances to NUMA nodes as in ACPI SLIT (10 = local), in the order of `Inventory::numa_nodes`; empty where unknown.
    pub distances: Vec<u32>,
    /// hwloc's name for the kind of memory, `DRAM`, `HBM`, `NVM`…; empty where it is ordinary.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub memory_kind: String,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Data and instructions.
    Unified,
    /// Data only.
    Data,
    /// Instructions only.
    Instruction,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// 1 for L1 and so on.
    pub level: u32,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size; `None` where the kernel names none.
    pub size_bytes: Option<Bytes>,
    /// The CPUs that share it.
    pub cpus: CpuSet,
}

/// One core: one or more CPUs that share an execution pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Core {
    /// hwloc's logical number, unique in the machine.
    pub id: CoreId,
    /// The kernel's `topology/core_id`, unique in its package only.
    pub os_id: Option<u32>,
    /// The package that it is in, where there is one.
    pub package: Option<PackageId>,
    /// The kernel's `topology/die_id`, where there are dies.
    pub die: Option<u32>,
    /// The NUMA nodes that are nearest.
    pub numa_nodes: NumaSet,
    /// Its CPUs; more than one with SMT.
    pub cpus: CpuSet,
    /// Which kind of core, 0 = the most efficient kind; `None` where all are alike or the kinds are unknown.
    pub kind: Option<u32>,
}

/// One CPU (hardware thread).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The number in `/sys/devices/system/cpu/cpuN`.
    pub id: CpuId,
    /// Its core; `None` where the source names no cores at all.
    pub core: Option<CoreId>,
    /// Its package, where there is one.
    pub package: Option<PackageId>,
    /// Its NUMA node: the nearest one with the smallest number.
    pub numa_node: Option<NumaNodeId>,
    /// Whether this process may use it (cpuset, offline CPUs excluded). What is offline is not
    /// listed at all, as in lstopo; of a recorded machine nor is what is disallowed. Both stand in `Topology`'s own sets.
    pub usable: bool,
}

/// What hwloc knows of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Packages, by logical order.
    pub packages: Vec<Package>,
    /// NUMA nodes, by logical order.
    pub numa_nodes: Vec<NumaNode>,
    /// Caches, by level and logical order.
    pub caches: Vec<Cache>,
    /// Cores, by logical order.
    pub cores: Vec<Core>,
    /// CPUs, by logical order.
    pub cpus: Vec<Cpu>,
    /// Where PCI functions are near: address and NUMA nodes and CPUs.
    #[serde(default)]
    pub pci: Vec<PciPlace>,
    /// Kinds of cores, the most efficient first; empty where all are alike or the kinds are unknown.
    #[serde(default)]
    pub core_kinds: Vec<CoreKind>,
    /// CPUs that the kernel knows and that are switched off; not in `cpus`.
    #[serde(default)]
    pub offline_cpus: CpuSet,
    /// CPUs that are on and that this process may not use (a cpuset cgroup keeps them away); not in `cpus`.
    #[serde(default)]
    pub disallowed_cpus: CpuSet,
}

/// One kind of core of a machine that has several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreKind {
    /// Its rank, 0 = the most efficient kind; `Core::kind` refers to it.
    pub id: u32,
    /// hwloc's name for it (`CoreType`), as in `IntelAtom`, where it has one.
    pub name: Option<String>,
    /// The highest frequency in megahertz (`FrequencyMaxMHz`), where it is known.
    pub max_megahertz: Option<u32>,
    /// The CPUs of this kind.
    pub cpus: CpuSet,
}

/// One PCI function and the CPUs near it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciPlace {
    /// Its address.
    pub address: crate::identity::PciAddress,
    /// PCI class code (`class` in sysfs, upper 16 bits): 0x0108 is an NVMe controller.
    pub class: u16,
    /// Vendor and device id, as in `8086:1572`.
    pub id: String,
    /// The CPUs that are near.
    pub cpus: CpuSet,
    /// The NUMA nodes that are near.
    pub numa_nodes: NumaSet,
}
