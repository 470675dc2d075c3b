//! Kernel files of a workload's cgroup, read back, and what their words mean. Pure.

use agent_api::v1::Control;
use facts::CpuSet;

/// The files that are read back, of v2 and of v1. Those that are not there are left out.
pub(super) const FILES: [&str; 20] = [
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "cpuset.effective_cpus",
    "cpuset.cpus.exclusive",
    "cpuset.cpus.partition",
    "cpuset.mems",
    "cpuset.mems.effective",
    "cpuset.effective_mems",
    "cpu.max",
    "cpu.cfs_quota_us",
    "cpu.weight",
    "cpu.idle",
    "memory.min",
    "memory.low",
    "memory.high",
    "memory.max",
    "memory.limit_in_bytes",
    "pids.max",
    "io.max",
    "cgroup.freeze",
];
/// The CPUs that the kernel really gives, in v2 and in v1.
const EFFECTIVE: [&str; 2] = ["cpuset.cpus.effective", "cpuset.effective_cpus"];
/// The state of a partition.
pub(super) const PARTITION: &str = "cpuset.cpus.partition";

/// The kernel's reasons (`perr_strings` of `kernel/cgroup/cpuset.c`, Linux 6.12), and what helps.
const REASONS: [(&str, &str); 8] = [
    (
        "not exclusive",
        "another cgroup at the same level names one of these CPUs in its cpuset.cpus or cpuset.cpus.exclusive; take them out there",
    ),
    (
        "Invalid cpu list",
        "one of these CPUs is not among those of the cgroup above",
    ),
    (
        "invalid partition root",
        "the partition of the cgroup above is broken; mend that first",
    ),
    (
        "not a partition root",
        "the cgroup above is no partition, and this kernel has no remote ones (Linux 6.7 and later have)",
    ),
    (
        "distribute cpu",
        "nothing would be left for the tasks of the cgroup above",
    ),
    ("hotplug", "all its CPUs are off; put one online"),
    (
        "housekeeping",
        "the kernel was started with isolcpus= or nohz_full= that this would split",
    ),
    (
        "not permitted",
        "the write came from within a cgroup namespace or without the permission",
    ),
];

/// What `cpuset.cpus.partition` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// No partition.
    Member,
    /// A partition whose CPUs are balanced among its own tasks.
    Root,
    /// A partition whose CPUs are balanced by nobody.
    Isolated,
    /// A partition that the kernel does not keep. It does not recover by itself when the reason is gone: it must be written again.
    Invalid {
        /// The kernel's reason, as it stands in brackets.
        why: String,
    },
    /// A word of a newer kernel.
    Unknown(String),
}

/// Reads the state: `root`, `isolated invalid (Cpu list in cpuset.cpus not exclusive)`.
pub fn partition_state(text: &str) -> PartitionState {
    let text = text.trim();
    if let Some((kind, rest)) = text.split_once(" invalid")
        && matches!(kind, "root" | "isolated")
    {
        let rest = rest.trim();
        let why = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        return PartitionState::Invalid {
            why: why.unwrap_or(rest).to_owned(),
        };
    }
    match text {
        "member" => PartitionState::Member,
        "root" => PartitionState::Root,
        "isolated" => PartitionState::Isolated,
        other => PartitionState::Unknown(other.to_owned()),
    }
}

impl PartitionState {
    /// Whether the kernel keeps every other task off.
    pub fn is_valid(&self) -> bool {
        matches!(self, PartitionState::Root | PartitionState::Isolated)
    }

    /// What is wrong, and what to do; nothing where nothing is.
    pub fn trouble(&self) -> String {
        match self {
            PartitionState::Root | PartitionState::Isolated => String::new(),
            PartitionState::Member => "it is no partition: the kernel keeps nobody off".to_owned(),
            PartitionState::Unknown(word) => {
                format!("{word:?} is no state that is known; expected member, root or isolated")
            }
            PartitionState::Invalid { why } => {
                let known = REASONS.iter().find(|(words, _)| why.contains(words));
                let what = known.map_or("the kernel keeps nobody off", |(_, what)| *what);
                format!("the kernel does not keep it ({why}): {what}; then the state must be written again")
            }
        }
    }
}

/// Judges one file: `wanted` are the workload's CPUs, and whether they shall be a partition.
pub(super) fn read_back(
    dir: &str,
    file: &str,
    says: String,
    wanted: &CpuSet,
    wants_partition: bool,
) -> Control {
    let trouble = if EFFECTIVE.contains(&file) {
        match says.parse::<CpuSet>() {
            Ok(cpus) if cpus == *wanted => String::new(),
            Ok(cpus) => format!("the kernel gives CPUs {cpus}; expected {wanted}"),
            Err(error) => error.to_string(),
        }
    } else if file == PARTITION && wants_partition {
        partition_state(&says).trouble()
    } else {
        String::new()
    };
    Control {
        file: format!("{dir}/{file}"),
        says,
        trouble,
    }
}

/// Judges the state of a cgroup that the workload's stands in. One that is broken breaks all below, and Linux 6.1 goes on
/// saying `root` there; that it is no partition at all is no trouble, because a remote one needs none above.
pub(super) fn read_above(dir: &str, says: String) -> Control {
    let state = partition_state(&says);
    let is_broken = matches!(state, PartitionState::Invalid { .. });
    Control {
        file: format!("{dir}/{PARTITION}"),
        says,
        trouble: if is_broken { state.trouble() } else { String::new() },
    }
}

/// Whether these files show a partition that the kernel keeps: the workload's own, and none above that is broken.
pub(super) fn is_enforced(controls: &[Control]) -> bool {
    let states = controls
        .iter()
        .filter(|control| control.file.ends_with(PARTITION));
    let mut is_valid = false;
    for state in states.map(|control| partition_state(&control.says)) {
        is_valid |= state.is_valid();
        if matches!(state, PartitionState::Invalid { .. }) {
            return false;
        }
    }
    is_valid
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn invalid_partitions_are_understood() {
        for (text, expected) in [
            (
                "isolated invalid (Cpu list in cpuset.cpus not exclusive)",
                "take them out there",
            ),
            ("root invalid (Parent is not a partition root)", "remote"),
            (
                "isolated invalid (No cpu available due to hotplug)",
                "put one online",
            ),
            ("root invalid (Some later reason)", "Some later reason"),
            ("root invalid", "written again"),
        ] {
            let state = partition_state(text);
            assert!(
                !state.is_valid() && state.trouble().contains(expected),
                "{state:?}"
            );
        }
        for valid in ["root", "isolated\n"] {
            assert!(partition_state(valid).is_valid() && partition_state(valid).trouble().is_empty());
        }
        assert_eq!(partition_state("member"), PartitionState::Member);
        assert!(partition_state("banana").trouble().contains("banana"));
    }

    #[test]
    fn what_the_kernel_really_gives_is_compared() {
        let wanted: CpuSet = "2-3".parse().unwrap();
        let read = |file, says: &str, partition| read_back("/cg", file, says.to_owned(), &wanted, partition);
        assert_eq!(read("cpuset.cpus.effective", "2-3", true).trouble, "");
        let less = read("cpuset.effective_cpus", "2", false);
        assert_eq!(less.trouble, "the kernel gives CPUs 2; expected 2-3");
        assert_eq!(read("cpuset.cpus.partition", "member", false).trouble, "");
        let controls = [read("cpuset.cpus.partition", "isolated invalid (x)", true)];
        assert!(!is_enforced(&controls) && !controls[0].trouble.is_empty());
        assert!(is_enforced(&[read("cpuset.cpus.partition", "root", true)]));
    }
}
