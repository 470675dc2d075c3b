//! What is remembered of power: the cap in force.

use agent_api::v1::PowerCap;
use facts::{Moment, Power};
use intent::WorkloadId;
use serde::{Deserialize, Serialize};

/// A cap of power that is kept in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapInForce {
    /// The most that all packages and GPUs together may draw, and since when.
    pub cap: PowerCap,
    /// Workloads that somebody ordered to go on although this cap made them stand still: it squeezes them no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spared: Vec<WorkloadId>,
}

impl CapInForce {
    /// A cap that spares nobody.
    pub fn of(watts: Power, since: Moment) -> CapInForce {
        CapInForce {
            cap: PowerCap { watts, since },
            spared: Vec::new(),
        }
    }
}
