//! One change to the host, as data.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use facts::Power;
use intent::WorkloadId;
use serde::{Deserialize, Serialize};

use crate::affinity::{Affinity, threads_of};
use crate::fabric::FabricStep;
use crate::gpu_power;
use crate::resctrl::is_monitor;
use crate::rule::DeviceRule;

/// The kernel's list of processes of a cgroup; a number written there moves that process in.
pub const CGROUP_PROCS: &str = "cgroup.procs";

/// The controllers that the cgroups in a cgroup have (v2).
pub const CGROUP_SUBTREE_CONTROL: &str = "cgroup.subtree_control";

/// What the devices controller of v1 allows; read only.
pub const DEVICES_LIST: &str = "devices.list";
/// Written to allow and to deny (v1).
pub const DEVICES_ALLOW: &str = "devices.allow";
/// See [`DEVICES_ALLOW`].
pub const DEVICES_DENY: &str = "devices.deny";

/// The threads of a class of resctrl; a number written there puts that thread in.
pub const TASKS: &str = "tasks";

/// How many threads a line names.
const MOST_SHOWN: usize = 8;

/// What is asked of processes that shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// `SIGTERM`: in order, by themselves.
    Term,
    /// `SIGKILL`, or `cgroup.kill` where the kernel has it: at once, and no process that was just made is missed.
    Kill,
}

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
    /// One line of several, found by its first word: the words that were written are in it.
    Keyed,
    /// The same set of CPUs, as a mask in hexadecimal.
    Mask,
    /// The same number of microwatts, rounded down to the hardware's unit.
    Microwatts,
    /// The lines of a resctrl schemata that were written.
    Schemata,
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
        /// Where it is noted that the kernel refuses, which is no failure then: interrupts that cannot be moved are many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusal_to: Option<PathBuf>,
    },
    /// Note what files say before they are changed for the first time; on disk when the step is done.
    Remember {
        /// The record.
        record: PathBuf,
        /// The boot that it speaks of.
        boot_id: String,
        /// What each file says.
        originals: BTreeMap<PathBuf, String>,
    },
    /// Take files out of the record again: they say what they said before.
    Forget {
        /// The record.
        record: PathBuf,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// Attach the program of these rules to a cgroup (v2), in the place of the one that we attached before.
    AllowDevices {
        /// The cgroup.
        dir: PathBuf,
        /// The rules; the first that fits decides, what none fits is allowed.
        rules: Vec<DeviceRule>,
        /// The name of our program that was attached when the step was planned.
        before: Option<String>,
    },
    /// Allow or deny a line of the devices controller (v1), then read its list back.
    ListDevice {
        /// The cgroup.
        dir: PathBuf,
        /// `b 8:0 rwm`.
        entry: String,
        /// Whether it is allowed.
        allow: bool,
    },
    /// Make a class of resctrl, or a group that counts (`mon_groups`): where the kernel has no number for that one left, it is noted
    /// and no failure.
    MakeClass {
        /// Its directory.
        dir: PathBuf,
    },
    /// Remove a class of resctrl, or a group that counts; its threads go back to the class of everybody.
    RemoveClass {
        /// Its directory.
        dir: PathBuf,
    },
    /// Put all threads of a process into a class of resctrl, or into a group that counts.
    AssignTasks {
        /// The class.
        dir: PathBuf,
        /// The process.
        pid: u32,
        /// When it was started, as in [`Step::MoveProcess`].
        started: u64,
    },
    /// Stop or continue all processes of a cgroup, and wait until they are.
    Freeze {
        /// The cgroup.
        dir: PathBuf,
        /// Whether they shall stand still.
        frozen: bool,
    },
    /// Ask all processes of a cgroup, and of those in it, to end.
    End {
        /// The cgroup.
        dir: PathBuf,
        /// How.
        how: Ending,
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
    /// Let the threads of a process run on these CPUs and no others of their cgroup's, then ask each.
    SetAffinity(Affinity),
    /// Place a file of our own with this text, in the place of the one that we placed before.
    PlaceFile {
        /// The file.
        file: PathBuf,
        /// What it says.
        text: String,
    },
    /// Remove a file that we placed.
    RemoveFile {
        /// The file.
        file: PathBuf,
    },
    /// Set the power limit of a GPU, then read it back.
    LimitGpu {
        /// Its driver's universally unique id.
        uuid: String,
        /// The limit.
        milliwatts: u32,
        /// The one that was set when the step was planned, in milliwatts.
        before: u32,
    },
    /// Change what a fabric of drives offers, or is connected to.
    Fabric(FabricStep),
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
            Step::MakeCgroup { dir }
            | Step::RemoveCgroup { dir }
            | Step::MakeClass { dir }
            | Step::RemoveClass { dir }
            | Step::AllowDevices { dir, .. }
            | Step::Freeze { dir, .. }
            | Step::End { dir, .. } => dir.clone(),
            Step::Remember { record, .. } | Step::Forget { record, .. } => record.clone(),
            Step::ListDevice { dir, allow, .. } => {
                dir.join(if *allow { DEVICES_ALLOW } else { DEVICES_DENY })
            }
            Step::AssignTasks { dir, .. } => dir.join(TASKS),
            Step::EnableControllers { dir, .. } => dir.join(CGROUP_SUBTREE_CONTROL),
            Step::WriteFile { file, .. } | Step::PlaceFile { file, .. } | Step::RemoveFile { file } => {
                file.clone()
            }
            Step::MoveProcess { to, .. } => to.join(CGROUP_PROCS),
            Step::SetAffinity(affinity) => threads_of(affinity.pid),
            Step::LimitGpu { uuid, .. } => gpu_power::name_of(uuid),
            Step::Fabric(step) => step.path(),
        }
    }
}

impl fmt::Display for Step {
    /// As a person reads it, one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeCgroup { dir } => write!(f, "make cgroup {}", dir.display()),
            Step::RemoveCgroup { dir } => write!(f, "remove cgroup {}", dir.display()),
            Step::MakeClass { dir } => write!(f, "make {}", in_resctrl(dir)),
            Step::RemoveClass { dir } => write!(f, "remove {}", in_resctrl(dir)),
            Step::Remember {
                originals, record, ..
            } => {
                let count = originals.len();
                write!(f, "note what {count} file(s) say now in {}", record.display())
            }
            Step::Forget { files, record } => {
                let count = files.len();
                write!(
                    f,
                    "take {count} file(s) that are as before out of {}",
                    record.display()
                )
            }
            Step::AllowDevices { dir, rules, .. } => {
                write!(f, "attach device rules to {}: {}", dir.display(), in_words(rules))
            }
            Step::ListDevice { dir, entry, allow } => {
                let word = if *allow { "allow" } else { "deny" };
                write!(f, "{word} devices {entry} in {}", dir.display())
            }
            Step::AssignTasks { dir, pid, .. } => {
                write!(f, "put the threads of process {pid} into {}", in_resctrl(dir))
            }
            Step::Freeze { dir, frozen } => {
                let word = if *frozen { "freeze" } else { "thaw" };
                write!(f, "{word} {}", dir.display())
            }
            Step::End { dir, how } => {
                let word = match how {
                    Ending::Term => "ask to end",
                    Ending::Kill => "kill",
                };
                write!(f, "{word} the processes in {}", dir.display())
            }
            Step::PlaceFile { file, .. } => write!(f, "place {}", file.display()),
            Step::RemoveFile { file } => write!(f, "remove {}", file.display()),
            Step::LimitGpu {
                uuid,
                milliwatts,
                before,
            } => {
                let (shall, is) = (power(*milliwatts), power(*before));
                write!(f, "set the power limit of {uuid} to {shall} (it is {is})")
            }
            Step::MoveProcess { pid, from, to, .. } => {
                let (from, to) = (from.display(), to.display());
                write!(f, "move process {pid} from {from} to {to}")
            }
            Step::SetAffinity(affinity) => show_affinity(f, affinity),
            Step::Fabric(step) => step.fmt(f),
            Step::EnableControllers {
                dir,
                controllers,
                own,
                ..
            } => show_controllers(f, dir, controllers, *own),
            Step::WriteFile {
                file, value, before, ..
            } => show_write(f, file, value, before.as_deref()),
        }
    }
}

/// A directory of resctrl with what it is.
fn in_resctrl(dir: &Path) -> String {
    let what = if is_monitor(dir) {
        "group of monitoring"
    } else {
        "class"
    };
    format!("{what} {}", dir.display())
}

fn show_controllers(
    f: &mut fmt::Formatter<'_>,
    dir: &Path,
    controllers: &[String],
    own: bool,
) -> fmt::Result {
    let names = controllers.join(", ");
    write!(
        f,
        "switch on the controllers {names} for the cgroups in {}",
        dir.display()
    )?;
    if own {
        return Ok(());
    }
    f.write_str(" (outside our own cgroup; adds, and takes nothing away)")
}

fn show_affinity(f: &mut fmt::Formatter<'_>, affinity: &Affinity) -> fmt::Result {
    write!(f, "let process {} run on CPUs {}", affinity.pid, affinity.cpus)?;
    for (at, (thread, cpus)) in affinity.threads.iter().enumerate() {
        if at == MOST_SHOWN {
            return write!(f, " and {} threads on others", affinity.threads.len() - at);
        }
        write!(f, ", its thread {thread} on {cpus}")?;
    }
    Ok(())
}

fn show_write(f: &mut fmt::Formatter<'_>, file: &Path, value: &str, before: Option<&str>) -> fmt::Result {
    let shown = if value.is_empty() { "(empty)" } else { value };
    write!(f, "write {shown} to {}", file.display())?;
    match before {
        None => Ok(()),
        Some("") => f.write_str(" (was empty)"),
        Some(before) => write!(f, " (was {before})"),
    }
}

fn in_words(rules: &[DeviceRule]) -> String {
    if rules.is_empty() {
        return "everything is allowed again".to_owned();
    }
    let texts: Vec<String> = rules.iter().map(DeviceRule::to_string).collect();
    texts.join(", ")
}

fn power(milliwatts: u32) -> Power {
    Power::from_milliwatts(u64::from(milliwatts))
}
