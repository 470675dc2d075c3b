//! What is remembered of a container whose cgroup its runtime makes and writes.

use serde::{Deserialize, Serialize};

/// A container of a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerEntry {
    /// The runtime, as it calls itself: `containerd`.
    pub runtime: String,
    /// The container's id.
    pub id: String,
    /// Its cgroup's path from the top of a hierarchy on, without a leading slash; empty where the runtime did not say.
    pub cgroup: String,
}
