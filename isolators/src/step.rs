//! One change to the host, as data.

use std::fmt;
use std::path::PathBuf;

use intent::WorkloadId;
use serde::{Deserialize, Serialize};

/// The kernel's list of processes of a cgroup; a number written there moves that process in.
pub const CGROUP_PROCS: &str = "cgroup.procs";

/// The controllers that the cgroups in a cgroup have (v2).
pub const CGROUP_SUBTREE_CONTROL: &str = "cgroup.subtree_control";

/// How what was written is found again when it is read back. The kernel rounds and sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// The same text.
    Same,
    /// The same set of numbers (`0,1,2` is `0-2`).
    List,
    /// The same number of bytes, rounded down to pages.
    Bytes,
    /// The same state of a partition: the kernel takes a write that it cannot fulfil and then shows `root invalid (why)`.
    Partition,
}

/// One change to the host. Paths are the host's own, as in `/sys/fs/cgroup/busbar`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Make a cgroup.
    MakeCgroup {
        /// Its directory.
        dir: PathBuf,
    },
    /// Switch controllers on for the cgroups in a cgroup (v2). None is ever switched off.
    EnableControllers {
        /// The cgroup; its `cgroup.subtree_control` is written.
        dir: PathBuf,
        /// The controllers that shall be on.
        controllers: Vec<String>,
        /// Those that were on when the step was planned.
        before: String,
        /// Whether the cgroup is our own; if not, this is the one thing that we change outside it.
        own: bool,
    },
    /// Write a file, then read it back.
    WriteFile {
        /// The file.
        file: PathBuf,
        /// What is written.
        value: String,
        /// What it said when the step was planned; `None` where it was not there yet.
        before: Option<String>,
        /// How it is compared with what is read back.
        reads: Reads,
        /// Empty: it must succeed. Otherwise it only serves the partitions of these workloads: where the kernel refuses,
        /// they have none, and everything else goes on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        partition_of: Vec<WorkloadId>,
    },
    /// Move a process with all its threads into another cgroup of the same hierarchy.
    MoveProcess {
        /// The process.
        pid: u32,
        /// When it was started, in clock ticks after boot (field 22 of `/proc/PID/stat`): another process with the same
        /// number is left alone.
        started: u64,
        /// The cgroup that it is in.
        from: PathBuf,
        /// The cgroup that it goes to.
        to: PathBuf,
    },
    /// Remove a cgroup that has neither processes nor cgroups in it.
    RemoveCgroup {
        /// Its directory.
        dir: PathBuf,
    },
}

impl Step {
    /// The path that the step changes.
    pub fn path(&self) -> PathBuf {
        match self {
            Step::MakeCgroup { dir } | Step::RemoveCgroup { dir } => dir.clone(),
            Step::EnableControllers { dir, .. } => dir.join(CGROUP_SUBTREE_CONTROL),
            Step::WriteFile { file, .. } => file.clone(),
            Step::MoveProcess { to, .. } => to.join(CGROUP_PROCS),
        }
    }
}

impl fmt::Display for Step {
    /// As a person reads it, one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeCgroup { dir } => write!(f, "make cgroup {}", dir.display()),
            Step::RemoveCgroup { dir } => write!(f, "remove cgroup {}", dir.display()),
            Step::MoveProcess { pid, from, to, .. } => {
                write!(
                    f,
                    "move process {pid} from {} to {}",
                    from.display(),
                    to.display()
                )
            }
            Step::EnableControllers {
                dir,
                controllers,
                own,
                ..
            } => {
                let names = controllers.join(", ");
                write!(
                    f,
                    "switch on the controllers {names} for the cgroups in {}",
                    dir.display()
                )?;
                if *own {
                    return Ok(());
                }
                f.write_str(" (outside our own cgroup; adds, and takes nothing away)")
            }
            Step::WriteFile {
                file, value, before, ..
            } => {
                let shown = if value.is_empty() { "(empty)" } else { value };
                write!(f, "write {shown} to {}", file.display())?;
                match before.as_deref() {
                    None => Ok(()),
                    Some("") => f.write_str(" (was empty)"),
                    Some(before) => write!(f, " (was {before})"),
                }
            }
        }
    }
}
