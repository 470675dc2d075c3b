//! What is remembered of a workload whose cgroup somebody else makes and writes: a container's runtime, or who was asked to.

use facts::{Bytes, CpuSet, NumaSet};
use serde::{Deserialize, Serialize};

/// A container of a runtime, or a unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerEntry {
    /// The runtime, as it calls itself: `containerd`; `systemd` and `Podman` where these were asked.
    pub runtime: String,
    /// The container's id, or the unit's name.
    pub id: String,
    /// Its cgroup's path from the top of a hierarchy on, without a leading slash; empty where the runtime did not say.
    pub cgroup: String,
    /// What it had before its owner was asked to give it CPUs; nothing where a runtime asked us (NRI). Whoever has this gets it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub had: Option<Had>,
}

/// What an owner had set for a cgroup before it was asked; a list that is empty was not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Had {
    /// The CPUs that it was bound to.
    pub cpus: CpuSet,
    /// The NUMA nodes that its memory was bound to.
    pub numa_nodes: NumaSet,
    /// Its limit of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<Bytes>,
    /// Which run of it this was, in the owner's words (systemd's `InvocationID`): a later one of the same name is another. Empty where
    /// the name itself is used once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
}
