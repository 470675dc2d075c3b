//! What a workload holds, exclusively or promised: everything that others cannot have.

use agent_api::v1::{Ask, Offer};
use facts::{Bytes, CpuSet, NumaNodeId, Power};
use intent::{CacheShare, DeviceKind, DeviceWish, HugepageShare, Isolation, NumaShare, Priority, WorkloadId};

/// What one workload holds. One that shares its CPUs may hold memory and devices all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Who.
    pub workload: WorkloadId,
    /// Its exclusive CPUs; empty where it shares them.
    pub cpus: CpuSet,
    /// Memory that is promised to it.
    pub memory: Vec<NumaShare>,
    /// Huge pages that are promised to it.
    pub hugepages: Vec<HugepageShare>,
    /// GPUs and MIG devices.
    pub gpus: Vec<DeviceWish>,
    /// Whole drives.
    pub drives: Vec<DeviceWish>,
    /// Shares of caches and of memory bandwidth.
    pub cache: Vec<CacheShare>,
    /// Power that is promised to it.
    pub watts: Option<Power>,
    /// How long it is kept when something runs short.
    pub priority: Priority,
    /// Whether it must stay where it is.
    pub immovable: bool,
    /// What it asked for; without it nobody can tell where else it would fit, and it stays where it is.
    pub ask: Option<Ask>,
}

impl Taken {
    /// A holder of CPUs and nothing else.
    pub fn new(workload: WorkloadId, cpus: CpuSet) -> Taken {
        Taken {
            workload,
            cpus,
            memory: Vec::new(),
            hugepages: Vec::new(),
            gpus: Vec::new(),
            drives: Vec::new(),
            cache: Vec::new(),
            watts: None,
            priority: Priority::default(),
            immovable: false,
            ask: None,
        }
    }

    /// What a workload holds once an offer is its own.
    pub fn of(workload: WorkloadId, ask: &Ask, offer: &Offer) -> Taken {
        let cpus = if ask.exclusive {
            offer.cpus.clone()
        } else {
            CpuSet::new()
        };
        Taken {
            memory: offer.memory.clone(),
            hugepages: offer.hugepages.clone(),
            gpus: offer.gpus.iter().map(|gpu| gpu.device.clone()).collect(),
            drives: offer.drives.iter().map(|drive| drive.device.clone()).collect(),
            cache: offer.cache.clone(),
            watts: offer.watts,
            priority: ask.priority.unwrap_or_default(),
            immovable: ask.immovable,
            ask: Some(ask.clone()),
            ..Taken::new(workload, cpus)
        }
    }

    /// What an isolation in force holds, and the ask that it came from, where the ledger still knows it.
    pub fn of_isolation(isolation: &Isolation, ask: Option<&Ask>) -> Taken {
        let cpus = if isolation.exclusive {
            isolation.cpus.clone()
        } else {
            CpuSet::new()
        };
        let devices = isolation.devices.iter().flatten();
        let (drives, gpus): (Vec<_>, Vec<_>) = devices
            .cloned()
            .partition(|device| device.kind == DeviceKind::Block);
        Taken {
            memory: promised(isolation),
            hugepages: isolation.hugepages.clone().unwrap_or_default(),
            gpus,
            drives,
            cache: isolation.cache.clone().unwrap_or_default(),
            watts: isolation.watts,
            priority: isolation.priority.unwrap_or_default(),
            immovable: isolation.immovable.unwrap_or(false),
            ask: ask.cloned(),
            ..Taken::new(isolation.workload.clone(), cpus)
        }
    }
}

/// What is promised of each NUMA node; ledgers of older agents knew one sum only, which counts on all its NUMA nodes alike.
fn promised(isolation: &Isolation) -> Vec<NumaShare> {
    if let Some(shares) = &isolation.memory_on {
        return shares.clone();
    }
    let nodes: Vec<NumaNodeId> = isolation.numa_nodes.iter().collect();
    let (Some(max), Ok(count)) = (isolation.memory_max, u64::try_from(nodes.len())) else {
        return Vec::new();
    };
    let each = max.get().checked_div(count).unwrap_or(0);
    let share = |numa_node| NumaShare {
        numa_node,
        bytes: Bytes::new(each),
    };
    nodes.into_iter().map(share).collect()
}
