//! What the agent offers for an ask.

use facts::{CpuSet, NumaNodeId, NumaSet, Power};
use intent::{CacheShare, DeviceWish, Generation, HugepageShare, NumaShare};
use serde::{Deserialize, Serialize};

/// What the agent offers for an ask. An offer holds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The CPUs.
    pub cpus: CpuSet,
    /// The NUMA nodes of the memory.
    pub numa_nodes: NumaSet,
    /// Why these: a line a reason.
    pub because: Vec<String>,
    /// The intent's generation that the offer was made against.
    pub generation: Generation,
    /// How much memory of which NUMA node; empty where none was asked.
    #[serde(default)]
    pub memory: Vec<NumaShare>,
    /// How many bytes of huge pages of which NUMA node; empty where none were asked.
    #[serde(default)]
    pub hugepages: Vec<HugepageShare>,
    /// The GPUs; empty where none were asked.
    #[serde(default)]
    pub gpus: Vec<OfferedGpu>,
    /// The drives; empty where none were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drives: Vec<OfferedDrive>,
    /// Shares of the last-level caches of the CPUs; empty where none were asked.
    #[serde(default)]
    pub cache: Vec<CacheShare>,
    /// The power; `None` where none was asked.
    #[serde(default)]
    pub watts: Option<Power>,
    /// How near everything in the offer is to each other; agents before placement had topology rules say nothing.
    #[serde(default)]
    pub topology_hint: Option<TopologyHint>,
}

/// One GPU, or one MIG device, of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedGpu {
    /// Its number in the node's list of GPUs, from 0; of a MIG device, its GPU's number.
    pub index: u32,
    /// Which device.
    #[serde(flatten)]
    pub device: DeviceWish,
    /// The NUMA node it is near, where that is known.
    pub numa_node: Option<NumaNodeId>,
}

/// One drive of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedDrive {
    /// Which device.
    #[serde(flatten)]
    pub device: DeviceWish,
    /// The NUMA node it is near, where that is known.
    pub numa_node: Option<NumaNodeId>,
}

/// How near everything in an offer is to each other, in the words of the kubelet's topology manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyHint {
    /// The NUMA nodes that all of it lies on: CPUs, memory, huge pages, GPUs.
    pub numa_nodes: NumaSet,
    /// Whether that is as narrow as this machine could ever give for such an ask.
    pub aligned: bool,
    /// Why it is so.
    pub why: String,
}
