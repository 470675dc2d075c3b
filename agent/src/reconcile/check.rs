//! What the keeper says of one workload when somebody wants a proof.

use std::path::{Path, PathBuf};

use agent_api::v1::Workload;
use intent::WorkloadId;
use isolators::Step;

use super::{Keeper, KeeperError};
use crate::proof::Checked;

impl Keeper {
    /// The directories that are ours on this host, where they really are: whoever writes there is to be heard.
    pub fn directories(&self) -> Vec<PathBuf> {
        let mut dirs = self.own_directories();
        for entry in &self.ledger.workloads {
            dirs.extend(self.groups(entry).into_iter().map(|(_, dir)| dir));
        }
        dirs.iter().map(|dir| self.host.real(dir)).collect()
    }

    /// Those of one workload, and those that all workloads stand in.
    pub fn directories_of(&self, id: &WorkloadId) -> Vec<PathBuf> {
        let mut dirs = self.own_directories();
        let groups = self.ledger.entry(id).map(|entry| self.groups(entry));
        dirs.extend(groups.into_iter().flatten().map(|(_, dir)| dir));
        dirs.iter().map(|dir| self.host.real(dir)).collect()
    }

    fn own_directories(&self) -> Vec<PathBuf> {
        let places = self.layout.all_hierarchies().into_iter();
        let mut dirs: Vec<PathBuf> = places.flat_map(|place| self.layout.own(place)).collect();
        dirs.retain(|dir| self.host.is_dir(dir));
        dirs
    }

    /// Compares the host with the intent of one workload. Reads, and changes nothing.
    ///
    /// # Errors
    /// When there is no such workload, or the host cannot be read.
    pub fn check(&self, id: &WorkloadId) -> Result<Checked, KeeperError> {
        self.host.forget();
        let not_found = || KeeperError::NotFound(id.clone());
        let entry = self.ledger.entry(id).ok_or_else(not_found)?;
        let isolation = self.ledger.intent.of(id).ok_or_else(not_found)?;
        let workload = self.shown(entry, isolation);
        let dirs: Vec<PathBuf> = workload.cgroups.iter().map(PathBuf::from).collect();
        let steps = self.missing(&self.ledger.intent)?;
        let ours = steps
            .iter()
            .map(|(_, step)| step)
            .filter(|step| is_of(step, &dirs) || is_pin_of(step, &workload));
        let outstanding = ours
            .map(Step::to_string)
            .chain(self.container_differs(entry))
            .collect();
        let wants_partition = self.layout.wants_partition(isolation);
        let why_no_partition = if let Some(container) = &entry.container {
            format!("its cgroup is {}'s, who makes no partitions", container.runtime)
        } else if wants_partition {
            String::new()
        } else {
            let whole_host = self.layout.why_no_partition();
            whole_host.map_or_else(|| entry.refused.clone(), str::to_owned)
        };
        Ok(Checked {
            workload,
            wants_partition,
            why_no_partition,
            outstanding,
        })
    }
}

/// Whether a step pins this workload's virtual machine.
fn is_pin_of(step: &Step, workload: &Workload) -> bool {
    let pid = workload.vm.as_ref().map(|vm| vm.pid);
    matches!(step, Step::SetAffinity(affinity) if Some(affinity.pid) == pid)
}

/// Whether a step changes one of these cgroups, or a file of the cgroup right above one.
fn is_of(step: &Step, dirs: &[PathBuf]) -> bool {
    let path = step.path();
    let is_file_above = |dir: &Path| match step {
        Step::WriteFile { .. } | Step::EnableControllers { .. } => path.parent() == dir.parent(),
        Step::MakeCgroup { .. }
        | Step::RemoveCgroup { .. }
        | Step::MoveProcess { .. }
        | Step::Remember { .. }
        | Step::Forget { .. }
        | Step::AllowDevices { .. }
        | Step::ListDevice { .. }
        | Step::MakeClass { .. }
        | Step::RemoveClass { .. }
        | Step::AssignTasks { .. }
        | Step::SetAffinity(_)
        | Step::Freeze { .. }
        | Step::LimitGpu { .. }
        | Step::PlaceFile { .. }
        | Step::RemoveFile { .. }
        | Step::Fabric(_)
        | Step::End { .. } => false,
    };
    dirs.iter().any(|dir| path.starts_with(dir) || is_file_above(dir))
}
