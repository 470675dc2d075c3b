//! What the keeper says of one workload when somebody wants a proof.

use std::path::{Path, PathBuf};

use intent::WorkloadId;
use isolators::Step;

use super::{Keeper, KeeperError};
use crate::proof::Checked;

impl Keeper {
    /// The directories that are ours on this host, where they really are: whoever writes there is to be heard.
    pub fn directories(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        for place in self.layout.all_hierarchies() {
            dirs.extend(self.layout.own(place));
        }
        for entry in &self.ledger.workloads {
            dirs.extend(self.groups(entry).into_iter().map(|(_, dir)| dir));
        }
        dirs.retain(|dir| self.host.is_dir(dir));
        dirs.iter().map(|dir| self.host.real(dir)).collect()
    }

    /// Compares the host with the intent of one workload. Reads, and changes nothing.
    ///
    /// # Errors
    /// When there is no such workload, or the host cannot be read.
    pub fn check(&self, id: &WorkloadId) -> Result<Checked, KeeperError> {
        let not_found = || KeeperError::NotFound(id.clone());
        let entry = self.ledger.entry(id).ok_or_else(not_found)?;
        let isolation = self.ledger.intent.of(id).ok_or_else(not_found)?;
        let workload = self.shown(entry, isolation);
        let dirs: Vec<PathBuf> = workload.cgroups.iter().map(PathBuf::from).collect();
        let steps = self.missing(&self.ledger.intent)?;
        let ours = steps
            .iter()
            .map(|(_, step)| step)
            .filter(|step| is_of(step, &dirs));
        let wants_partition = self.layout.wants_partition(isolation);
        let why_no_partition = if wants_partition {
            String::new()
        } else {
            let whole_host = self.layout.why_no_partition();
            whole_host.map_or_else(|| entry.refused.clone(), str::to_owned)
        };
        Ok(Checked {
            workload,
            wants_partition,
            why_no_partition,
            outstanding: ours.map(Step::to_string).collect(),
        })
    }
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
        | Step::Freeze { .. }
        | Step::LimitGpu { .. }
        | Step::PlaceFile { .. }
        | Step::RemoveFile { .. }
        | Step::End { .. } => false,
    };
    dirs.iter().any(|dir| path.starts_with(dir) || is_file_above(dir))
}
