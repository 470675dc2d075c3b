//! Acts on what runs here, and what came of them: a workload stands still and goes on, the packages' power is capped.

use facts::{Moment, Power};
use intent::{Squeeze, WorkloadId};
use serde::{Deserialize, Serialize};

/// What came of freezing or thawing a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Which.
    pub id: WorkloadId,
    /// Whether all of its processes stand still now.
    pub frozen: bool,
    /// What was done, a line a step; empty where it was so already.
    pub done: Vec<String>,
}

/// The longest reason of a drain, in characters: it stands in a status and in refusals.
pub const LONGEST_REASON: usize = 200;

/// A request that the node shall take no new workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeDrainRequest {
    /// Why, for people; at most [`LONGEST_REASON`] characters.
    #[serde(default)]
    pub reason: String,
}

/// A node that takes no new workloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drained {
    /// Since when.
    pub since: Moment,
    /// Why; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What came of draining the node, or of taking that back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDrain {
    /// The drain in force; `None` where the node takes workloads.
    pub drained: Option<Drained>,
    /// The workloads that still run: a drain ends none.
    pub running: Vec<WorkloadId>,
}

/// A request to cap the power of this node's CPU packages and GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapRequest {
    /// The most that all packages and GPUs together may draw; none gets more than was found there, and workloads that are shed
    /// first are squeezed first.
    pub watts: Power,
}

/// What came of a cap, or of its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capped {
    /// The cap; `None` where what was found before the first one is in force again.
    pub watts: Option<Power>,
    /// What was done, a line a step; empty where it was so already.
    pub done: Vec<String>,
    /// What each part may draw; empty where the cap ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<CappedPart>,
    /// GPUs that take no limit and are not in the sum, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_capped: Vec<String>,
}

/// A part of a node under a cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CappedPart {
    /// `package-0`, or the unique id of a GPU.
    pub part: String,
    /// Its limit.
    pub watts: Power,
    /// The workload that holds it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<WorkloadId>,
}

/// The cap of power in force on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerCap {
    /// The most that all CPU packages and GPUs together may draw.
    pub watts: Power,
    /// When it was set.
    pub since: Moment,
}

/// What a workload gives up for the cap in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Squeezed {
    /// What: CPU time, or all of it.
    pub to: Squeeze,
    /// Which cap, for whose sake, and why this workload; empty right after a start of the agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}
