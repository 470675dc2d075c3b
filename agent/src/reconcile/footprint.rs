//! What Busbar placed on a host, and how it leaves.

use std::fmt;
use std::path::{Path, PathBuf};

use collectors::Root;
use intent::WorkloadId;
use serde::Serialize;

use super::KeeperError;

/// Everything that Busbar placed on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Workloads that the ledger names.
    pub workloads: Vec<WorkloadId>,
    /// Cgroup directories.
    pub cgroups: Vec<PathBuf>,
    /// Files of the state directory.
    pub files: Vec<PathBuf>,
}

/// What came of leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Processes that were moved back to where they came from.
    pub moved: usize,
    /// Cgroup directories that were removed: Busbar's own, a hierarchy each.
    pub removed: Vec<PathBuf>,
    /// What could not be removed, and why.
    pub kept: Vec<String>,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.removed.len() == 1 { "" } else { "s" };
        write!(f, "removed: {} cgroup{plural}", self.removed.len())?;
        if self.kept.is_empty() {
            f.write_str("; nothing left")
        } else {
            write!(f, "; left: {}", self.kept.join("; "))
        }
    }
}

/// Lists everything that Busbar placed on this host. Writes nothing.
///
/// # Errors
/// When the ledger cannot be read.
pub fn footprint(_root: &Root, _state_dir: &Path) -> Result<Footprint, KeeperError> {
    Err(KeeperError::Failed("the keeper is not built yet".to_owned()))
}

/// Moves what still runs back to where it came from and removes every cgroup that the ledger names.
///
/// # Errors
/// When the ledger cannot be read or an agent is running.
pub fn leave(_root: &Root, _state_dir: &Path) -> Result<Left, KeeperError> {
    Err(KeeperError::Failed("the keeper is not built yet".to_owned()))
}
