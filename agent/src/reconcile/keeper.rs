//! The keeper itself: one task owns it.

use agent_api::v1::{AgentEvent, Ask, CgroupStatus, Ended, Exclusivity, Offer, PlannedStep, RunRequest, Workload};
use facts::{CpuSet, Inventory, Moment};
use intent::{Generation, WorkloadId};

use super::{KeeperConfig, KeeperError};

/// Owns the ledger and the intent in force. Synchronous: its calls read and write small files and may take a second.
#[derive(Debug)]
pub struct Keeper {
    _config: KeeperConfig,
}

impl Keeper {
    /// Opens the ledger, takes its lock, and finishes what an earlier run left half done (in enforce only).
    ///
    /// # Errors
    /// When the ledger is damaged or in use, or our cgroup is somebody else's.
    pub fn open(config: KeeperConfig) -> Result<Keeper, KeeperError> {
        Ok(Keeper { _config: config })
    }

    /// What opening found and did: a sentence each, for the log.
    pub fn found(&self) -> &[String] {
        &[]
    }

    /// Takes note of the machine as it is now: from it follow the reserved and the shared CPUs. Changes nothing on the host.
    pub fn look(&mut self, _inventory: &Inventory) {}

    /// What would be offered. Changes nothing and holds nothing.
    ///
    /// # Errors
    /// With what is missing.
    pub fn offer(&self, _ask: &Ask, _inventory: &Inventory) -> Result<Offer, KeeperError> {
        Err(KeeperError::Failed("the keeper is not built yet".to_owned()))
    }

    /// Offers, writes the intent down, applies it, reads back, and moves the process `pid` in.
    ///
    /// # Errors
    /// With what was refused, or what failed and was undone.
    pub fn start(
        &mut self,
        _request: RunRequest,
        _pid: u32,
        _uid: u32,
        _inventory: &Inventory,
        _now: Moment,
    ) -> Result<Workload, KeeperError> {
        Err(KeeperError::Failed("the keeper is not built yet".to_owned()))
    }

    /// Moves what still runs in it back to where it came from, and undoes the rest.
    ///
    /// # Errors
    /// When there is no such workload, or the kernel refused.
    pub fn end(&mut self, id: &WorkloadId, _now: Moment) -> Result<Ended, KeeperError> {
        Err(KeeperError::NotFound(id.clone()))
    }

    /// Ends workloads whose cgroup is empty and repairs what somebody else changed. Call it every second or so.
    pub fn sweep(&mut self, _now: Moment) -> Vec<AgentEvent> {
        Vec::new()
    }

    /// The outstanding steps; none means converged.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn plan(&self) -> Result<Vec<PlannedStep>, KeeperError> {
        Ok(Vec::new())
    }

    /// The workloads in force.
    pub fn workloads(&self) -> Vec<Workload> {
        Vec::new()
    }

    /// Who asked for this workload: its user.
    pub fn owner(&self, _id: &WorkloadId) -> Option<u32> {
        None
    }

    /// The generation of the intent in force.
    pub fn generation(&self) -> Generation {
        Generation::default()
    }

    /// CPUs that are kept for the host and never lent exclusively. Empty until `look`.
    pub fn reserved(&self) -> CpuSet {
        CpuSet::new()
    }

    /// CPUs that every workload without exclusive ones shares, with the host. Empty until `look`.
    pub fn shared(&self) -> CpuSet {
        CpuSet::new()
    }

    /// Which cgroups the host offers.
    pub fn cgroup_status(&self) -> CgroupStatus {
        CgroupStatus {
            mode: "none".to_owned(),
            controllers: Vec::new(),
            exclusivity: Exclusivity::None,
            why: "the keeper is not built yet".to_owned(),
        }
    }
}
