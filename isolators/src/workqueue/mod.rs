//! Work of the kernel itself: unbound work queues are kept off exclusive CPUs, and its threads there are reported.

use std::path::Path;

use facts::CpuSet;
use intent::Intent;

use crate::cgroup::Layout;
use crate::daemon;
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::record::{Listing, Record, Shall, keep_away};
use crate::step::{Reads, Step};
use crate::task::Stat;

/// A mask: the CPUs of all unbound work queues (Documentation/core-api/workqueue.rst).
const CPUMASK: &str = "/sys/devices/virtual/workqueue/cpumask";
/// CPUs that are on.
const ONLINE: &str = "/sys/devices/system/cpu/online";
const PROC: &str = "/proc";
const CPUS_ALLOWED_LIST: &str = "Cpus_allowed_list:";
/// Nobody may move it (`include/linux/sched.h`).
const PF_NO_SETAFFINITY: u64 = 0x0400_0000;
/// The daemon that sets this mask by itself (its plug-in `scheduler` with `isolated_cores`).
const TUNED: &str = "tuned";

/// Plans the mask of the unbound work queues.
#[derive(Clone, Debug)]
pub struct Workqueue {
    layout: Layout,
}

/// A thread of the kernel that may run on given CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelThread {
    /// Its number.
    pub pid: u32,
    /// Its name, `kworker/u8:2`.
    pub name: String,
    /// Those of the given CPUs that it may run on.
    pub cpus: CpuSet,
    /// Whether the kernel lets nobody move it.
    pub bound: bool,
}

impl Workqueue {
    /// For this layout.
    pub fn new(layout: &Layout) -> Workqueue {
        Workqueue {
            layout: layout.clone(),
        }
    }
}

/// The kernel's threads that may run on these CPUs, by number. Reads, and writes nothing.
pub fn kernel_threads(host: &Host, cpus: &CpuSet) -> Vec<KernelThread> {
    let names = host.directories(Path::new(PROC)).unwrap_or_default();
    let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter()
        .filter_map(|pid| kernel_thread(host, pid, cpus))
        .collect()
}

fn kernel_thread(host: &Host, pid: u32, cpus: &CpuSet) -> Option<KernelThread> {
    let dir = Path::new(PROC).join(pid.to_string());
    let stat = host.read(&dir.join("stat")).ok().flatten()?;
    let stat = Stat::of(&stat)?;
    let flags = stat.flags()?;
    if !stat.is_kernels()? {
        return None;
    }
    let status = host.read(&dir.join("status")).ok().flatten()?;
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix(CPUS_ALLOWED_LIST))?;
    let allowed: CpuSet = allowed.trim().parse().ok()?;
    let here = allowed.intersection(cpus);
    (!here.is_empty()).then(|| KernelThread {
        pid,
        name: stat.name.to_owned(),
        cpus: here,
        bound: flags & PF_NO_SETAFFINITY != 0,
    })
}

impl Isolator for Workqueue {
    fn name(&self) -> &'static str {
        "workqueue"
    }

    fn keeps_clear(&self) -> bool {
        true
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let Some(path) = &self.layout.record else {
            return Ok(Vec::new());
        };
        let file = Path::new(CPUMASK);
        let record = Record::read(host, path)?;
        let exclusive = intent.exclusive_cpus();
        let moved = record.originals.contains_key(file);
        if (exclusive.is_empty() && !moved) || daemon::pid_of(host, TUNED).is_some() {
            return Ok(Vec::new());
        }
        let online = host.recalled(Path::new(ONLINE)).ok().flatten();
        let Some(online) = online.and_then(|text| text.parse::<CpuSet>().ok()) else {
            return Ok(Vec::new());
        };
        let listing = Listing {
            file: file.to_owned(),
            reads: Reads::Mask,
            instead: online.difference(&exclusive),
            near: None,
            shall: Shall::Leave,
        };
        keep_away(host, path, &record, vec![listing], &exclusive)
    }
}
