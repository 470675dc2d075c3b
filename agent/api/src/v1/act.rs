//! Acts on what runs here, and what came of them: a workload stands still and goes on, the packages' power is capped.

use facts::Power;
use intent::WorkloadId;
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

/// A request to cap the power of this node's CPU packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapRequest {
    /// The most that all packages together may draw; each gets the same part of it, and never more than was found there.
    pub watts: Power,
}

/// What came of a cap, or of its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capped {
    /// The cap; `None` where what was found before the first one is in force again.
    pub watts: Option<Power>,
    /// What was done, a line a step; empty where it was so already.
    pub done: Vec<String>,
}
