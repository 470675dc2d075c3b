//! Adoption: what somebody else started becomes a workload, and goes back where it came from when that ends.

use serde::{Deserialize, Serialize};

use super::{Ask, PlannedStep, Workload};

/// Whom to adopt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Adoptee {
    /// A process, and whom it started.
    Process {
        /// Its number.
        pid: u32,
        /// When it was started (field 22 of `/proc/PID/stat`), as whoever asks saw it: another process that has the number by now
        /// is left alone.
        started: u64,
    },
    /// The processes of a systemd unit, as in `web.scope`.
    Unit(String),
    /// The processes of a container, by its id or the first 12 characters of it.
    Container(String),
}

/// A request to adopt. Only root's is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// Whom.
    pub adoptee: Adoptee,
    /// What it shall have.
    pub ask: Ask,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Leave it in its cgroup, and have systemd (a unit) or Podman (a container), whose that is, write there what it gets.
    #[serde(default, skip_serializing_if = "is_false")]
    pub through_owner: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What came of it, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// The workload; none where it was only asked.
    pub workload: Option<Workload>,
    /// Processes that came along, the first one first.
    pub processes: Vec<u32>,
    /// Who did not, and why, a sentence each.
    pub not_followed: Vec<String>,
    /// What would be done; empty where it was done.
    pub would: Vec<PlannedStep>,
}

/// A request to move a running workload to another place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrateRequest {
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of a move, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// The workload as it is now.
    pub workload: Workload,
    /// The CPUs that it had.
    pub from: facts::CpuSet,
    /// The CPUs that it has, or would have.
    pub to: facts::CpuSet,
    /// The NUMA nodes of its memory, before.
    pub memory_from: facts::NumaSet,
    /// The NUMA nodes of its memory, after.
    pub memory_to: facts::NumaSet,
    /// Why there.
    pub because: Vec<String>,
    /// What was done, a line a step; where it was only asked, what would be done first.
    pub steps: Vec<String>,
}
