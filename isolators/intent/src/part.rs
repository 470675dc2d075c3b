//! Parts of a node that one workload holds: memory of NUMA nodes, huge pages, cache, devices, I/O.

use facts::{Bytes, CpuSet, NumaNodeId, PciAddress};
use serde::{Deserialize, Serialize};

use crate::limit::{IoWeight, Share};

/// What kind of cpuset partition a workload's CPUs shall be (`cpuset.cpus.partition` of cgroup v2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionWish {
    /// A scheduling domain of its own, with load balancing in it.
    Root,
    /// The same without load balancing: for work that pins its own threads.
    Isolated,
    /// No partition at all.
    Member,
}

/// Memory of one NUMA node that is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumaShare {
    /// The NUMA node.
    pub numa_node: NumaNodeId,
    /// How much of its memory.
    pub bytes: Bytes,
}

/// Huge pages of one size on one NUMA node that are promised. They must stand in the kernel's pool already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HugepageShare {
    /// The NUMA node.
    pub numa_node: NumaNodeId,
    /// The size of one page.
    pub page_bytes: Bytes,
    /// All pages together.
    pub bytes: Bytes,
}

/// A share of one last-level cache, and of the memory bandwidth behind it. The cache is known by the CPUs that share it;
/// the kernel's number of it (`cache/index3/id`) is read where the share is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CacheShare {
    /// Its number among the last-level caches of the inventory, from 0.
    pub cache: u32,
    /// All CPUs that share it.
    pub cpus: CpuSet,
    /// How much of it, for the workload alone; `None` where no share was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l3_share: Option<Share>,
    /// How much of the memory bandwidth; `None` where no share was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bandwidth_share: Option<Share>,
}

/// What kind of device a workload may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A whole GPU.
    Gpu,
    /// A part of a GPU that works as one of its own (MIG).
    Mig,
    /// A block device.
    Block,
}

/// A device that a workload may use; with a list of them it may use no other one of these kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceWish {
    /// What kind it is.
    pub kind: DeviceKind,
    /// What the OS calls it today, where it calls it anything: `nvidia0`, `nvme0n1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Its driver's universally unique id (of a MIG device: its own), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Where it sits (of a MIG device: where its GPU sits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci: Option<PciAddress>,
}

impl DeviceWish {
    /// What tells it from all others: the unique id, or the place, or the name of today.
    pub fn name(&self) -> String {
        match (&self.uuid, self.pci, &self.device) {
            (Some(uuid), _, _) => uuid.clone(),
            (None, Some(pci), _) => pci.to_string(),
            (None, None, Some(device)) => device.clone(),
            (None, None, None) => String::new(),
        }
    }
}

/// Limits of one block device (`io.max`, `io.weight`, `io.latency` of cgroup v2). `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct IoLimit {
    /// What the OS calls it today: `nvme0n1`.
    pub device: String,
    /// The most bytes read a second (`rbps`).
    pub read_bytes_per_second: Option<u64>,
    /// The most bytes written a second (`wbps`).
    pub write_bytes_per_second: Option<u64>,
    /// The most reads a second (`riops`).
    pub reads_per_second: Option<u64>,
    /// The most writes a second (`wiops`).
    pub writes_per_second: Option<u64>,
    /// Its weight against others.
    pub weight: Option<IoWeight>,
    /// Others are slowed where this workload's requests take longer, in microseconds (`target` of `io.latency`).
    pub latency_microseconds: Option<u64>,
}
