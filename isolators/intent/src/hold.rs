//! What a workload is held to for a time, for the sake of another one's promise.

use std::fmt;

use facts::CpuSet;
use serde::{Deserialize, Serialize};

use crate::limit::Share;

/// What a workload is held to for a time, beside less CPU time ([`crate::Isolation::cpu_time_held`]). It never lasts: an agent that
/// starts again takes it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// At most this part of every last-level cache and of the memory bandwidth behind it. Others may use that part too.
    Cache {
        /// Of the cache.
        l3_share: Share,
        /// Of the bandwidth.
        memory_bandwidth_share: Share,
    },
    /// These of the shared CPUs only.
    Away {
        /// Where it may run.
        cpus: CpuSet,
        /// Where it might before.
        before: CpuSet,
    },
    /// All of its processes stand still.
    Still,
}

/// What a workload gives up for a cap of the node's power, beside what a [`Hold`] takes. It lasts as long as the cap in force
/// needs it, through an agent's end too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Squeeze {
    /// It gets at most this much CPU time.
    CpuTime {
        /// In thousandths of a CPU.
        millicpus: u32,
    },
    /// All of its processes stand still.
    Still,
}

impl fmt::Display for Squeeze {
    /// For people: what who is squeezed so does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Squeeze::CpuTime { millicpus } => write!(
                f,
                "gets the time of {}.{:03} CPUs",
                millicpus / 1_000,
                millicpus % 1_000
            ),
            Squeeze::Still => f.write_str("stands still"),
        }
    }
}
