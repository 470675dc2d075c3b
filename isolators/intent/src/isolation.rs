//! An isolation: what one workload shall have.

use facts::{Bytes, CpuSet, NumaSet, Power};
use serde::{Deserialize, Serialize};

use crate::hold::{Hold, Squeeze};
use crate::limit::{CpuWeight, Priority};
use crate::part::{CacheShare, DeviceWish, HugepageShare, IoLimit, NumaShare, PartitionWish};
pub use crate::workload::{NotAWorkloadId, WorkloadId};

/// What one workload shall have. No file path, no kernel word: isolators know those. What is `None` is left as it is on the
/// host; ledgers of older agents do not name it at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Whose it is.
    pub workload: WorkloadId,
    /// The CPUs it runs on.
    pub cpus: CpuSet,
    /// The NUMA nodes its memory comes from.
    pub numa_nodes: NumaSet,
    /// Whether nobody else shall run on these CPUs.
    pub exclusive: bool,
    /// The most memory it may use; `None` for no limit.
    pub memory_max: Option<Bytes>,
    /// It gets at most the CPU time of this many CPUs; `None` for no limit. For workloads that share their CPUs.
    #[serde(default)]
    pub cpu_time_max: Option<u32>,
    /// It is held back to the time of this many thousandths of a CPU for now, whatever `cpu_time_max` says; an agent that starts
    /// again takes that away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_time_held: Option<u32>,
    /// What else it is held to for now; an agent that starts again takes that away too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Hold>,
    /// What it gives up for the cap of power in force; an agent that starts again keeps that up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squeezed: Option<Squeeze>,
    /// What kind of partition its CPUs shall be; `None` leaves it to the isolator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionWish>,
    /// Its weight where CPU time is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<CpuWeight>,
    /// Whether it runs only where nobody else wants to (`cpu.idle`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_idle: Option<bool>,
    /// Memory that is never reclaimed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_min: Option<Bytes>,
    /// Memory that is reclaimed from it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_low: Option<Bytes>,
    /// Memory beyond which it is slowed down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_high: Option<Bytes>,
    /// Whether all of it ends where one of its processes is ended for want of memory (`memory.oom.group`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_oom_group: Option<bool>,
    /// What is promised to it of each NUMA node's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_on: Option<Vec<NumaShare>>,
    /// Huge pages that are promised to it; it may use no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hugepages: Option<Vec<HugepageShare>>,
    /// Limits of its I/O, a block device each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<Vec<IoLimit>>,
    /// The most processes and threads it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids_max: Option<u32>,
    /// Devices that it may use, and no others of their kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<DeviceWish>>,
    /// Network interfaces whose queues shall be near its CPUs, by what the OS calls them today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nics: Option<Vec<String>>,
    /// Its shares of last-level caches and of memory bandwidth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Vec<CacheShare>>,
    /// Power that is promised to it and its devices: under a cap its parts get that before anybody's priority is asked, unless it
    /// is revocable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<Power>,
    /// How long it is kept when something runs short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Whether it is squeezed before everybody who is not, whatever its priority; `None` is no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocable: Option<bool>,
    /// Whether it must never be moved to other CPUs or memory; `None` is no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immovable: Option<bool>,
    /// Whether it is a container whose runtime writes all of this to the kernel, as it is told: isolators plan nothing for its cgroup.
    /// `None` is no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_runtime: Option<bool>,
}

impl Isolation {
    /// Shared CPUs and nothing else: where every isolation begins.
    pub fn new(workload: WorkloadId, cpus: CpuSet, numa_nodes: NumaSet) -> Isolation {
        Isolation {
            workload,
            cpus,
            numa_nodes,
            exclusive: false,
            memory_max: None,
            cpu_time_max: None,
            cpu_time_held: None,
            held: None,
            squeezed: None,
            partition: None,
            cpu_weight: None,
            cpu_idle: None,
            memory_min: None,
            memory_low: None,
            memory_high: None,
            memory_oom_group: None,
            memory_on: None,
            hugepages: None,
            io: None,
            pids_max: None,
            devices: None,
            nics: None,
            cache: None,
            watts: None,
            priority: None,
            revocable: None,
            immovable: None,
            by_runtime: None,
        }
    }

    /// Whether its cgroup is ours to make and to write.
    pub fn is_written_by_us(&self) -> bool {
        self.by_runtime != Some(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limit::Share;
    use crate::part::DeviceKind;

    /// As agents wrote it before isolations had more than CPUs and memory.
    const OLD: &str = r#"{
        "workload": "sleep-3", "cpus": "2-3", "numa_nodes": "0", "exclusive": true,
        "memory_max": 268435456, "cpu_time_max": null
    }"#;
    /// As the very first agents wrote it.
    const OLDEST: &str =
        r#"{"workload":"a","cpus":"0","numa_nodes":"0","exclusive":false,"memory_max":null}"#;

    #[test]
    fn isolations_of_older_ledgers_are_read_and_written_as_they_were() {
        let old: Isolation = serde_json::from_str(OLD).unwrap();
        let expected = Isolation {
            exclusive: true,
            memory_max: Some(Bytes::new(256 << 20)),
            ..Isolation::new(
                "sleep-3".parse().unwrap(),
                "2-3".parse().unwrap(),
                "0".parse().unwrap(),
            )
        };
        assert_eq!(old, expected);
        // An older agent that reads what this one wrote finds what it knows and nothing else.
        let before: serde_json::Value = serde_json::from_str(OLD).unwrap();
        assert_eq!(serde_json::to_value(&old).unwrap(), before);
        assert!(
            serde_json::from_str::<Isolation>(OLDEST)
                .unwrap()
                .cpu_time_max
                .is_none()
        );
    }

    #[test]
    fn everything_that_it_can_hold_survives_the_ledger() {
        let share = |bytes| NumaShare {
            numa_node: facts::NumaNodeId(1),
            bytes: Bytes::new(bytes),
        };
        let whole = Isolation {
            held: Some(Hold::Away {
                cpus: "4".parse().unwrap(),
                before: "4-5".parse().unwrap(),
            }),
            squeezed: Some(Squeeze::CpuTime { millicpus: 800 }),
            partition: Some(PartitionWish::Isolated),
            cpu_weight: Some(CpuWeight::new(200).unwrap()),
            cpu_idle: Some(false),
            memory_min: Some(Bytes::new(1)),
            memory_on: Some(vec![share(2)]),
            hugepages: Some(vec![HugepageShare {
                numa_node: facts::NumaNodeId(0),
                page_bytes: Bytes::new(2 << 20),
                bytes: Bytes::new(2 << 30),
            }]),
            io: Some(vec![IoLimit {
                device: "nvme0n1".to_owned(),
                reads_per_second: Some(1_000),
                ..IoLimit::default()
            }]),
            pids_max: Some(100),
            devices: Some(vec![DeviceWish {
                kind: DeviceKind::Gpu,
                device: Some("nvidia0".to_owned()),
                uuid: None,
                pci: Some("0000:3b:00.0".parse().unwrap()),
            }]),
            cache: Some(vec![CacheShare {
                cache: 0,
                cpus: "0-7".parse().unwrap(),
                l3_share: Some(Share::new(250).unwrap()),
                memory_bandwidth_share: None,
            }]),
            nics: Some(vec!["eth0".to_owned()]),
            watts: Power::from_watts(600),
            priority: Some(Priority::default()),
            revocable: Some(true),
            immovable: Some(true),
            by_runtime: Some(true),
            ..Isolation::new("a".parse().unwrap(), "4".parse().unwrap(), "0".parse().unwrap())
        };
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Isolation>(&text).unwrap(), whole);
    }
}
