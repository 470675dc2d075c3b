//! Interrupts, and queues of network interfaces: moved off CPUs that somebody has exclusively, put back when these are given back, reported where they refuse.

mod queues;

use std::path::{Path, PathBuf};

use facts::CpuSet;
use intent::Intent;

use crate::cgroup::Layout;
use crate::daemon;
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::record::{Listing, Record, Shall, keep_away};
use crate::step::{Reads, Step};
use queues::CLASS_NET;

/// A directory an interrupt.
const PROC_IRQ: &str = "/proc/irq";
/// The CPUs that an interrupt may be sent to.
const SMP_AFFINITY_LIST: &str = "smp_affinity_list";
/// The CPUs to which it is sent now.
const EFFECTIVE_AFFINITY_LIST: &str = "effective_affinity_list";
/// The NUMA node of its device; -1 where there is none.
const NODE: &str = "node";
/// A mask: what an interrupt gets that is set up later.
const DEFAULT_SMP_AFFINITY: &str = "/proc/irq/default_smp_affinity";
/// CPUs that are on.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// The daemon that moves interrupts by itself, and what makes it yield.
const IRQBALANCE: (&str, &str) = (
    "irqbalance",
    "IRQBALANCE_BANNED_CPULIST= for lent CPUs, or systemctl disable --now irqbalance",
);

/// Plans `smp_affinity_list` of each interrupt, and `default_smp_affinity`.
#[derive(Clone, Debug)]
pub struct Irq {
    layout: Layout,
}

/// An interrupt that may still come to CPUs that somebody has exclusively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staying {
    /// Its number.
    pub irq: u32,
    /// The exclusive CPUs among those that it may come to.
    pub cpus: CpuSet,
    /// Why it was not moved: the kernel's words, or the daemon that decides.
    pub why: String,
}

impl Irq {
    /// For this layout.
    pub fn new(layout: &Layout) -> Irq {
        Irq {
            layout: layout.clone(),
        }
    }
}

/// Who moves interrupts on this host by itself, and what would make it yield. A sentence, or nothing.
pub fn owner(host: &Host) -> Option<String> {
    let pid = daemon::pid_of(host, IRQBALANCE.0)?;
    Some(format!(
        "{} (process {pid}) decides which CPUs take interrupts; it yields with {}",
        IRQBALANCE.0, IRQBALANCE.1
    ))
}

/// Interrupts that stay on CPUs which these isolations have exclusively. Reads, and writes nothing.
///
/// # Errors
/// When the record of originals cannot be read.
pub fn staying(host: &Host, layout: &Layout, intent: &Intent) -> Result<Vec<Staying>, IsolateError> {
    let exclusive = intent.exclusive_cpus();
    if exclusive.is_empty() {
        return Ok(Vec::new());
    }
    let record = match &layout.record {
        Some(path) => Record::read(host, path)?,
        None => Record::default(),
    };
    let owner = owner(host);
    let mut staying = Vec::new();
    for irq in numbers(host)? {
        let dir = Path::new(PROC_IRQ).join(irq.to_string());
        let file = dir.join(SMP_AFFINITY_LIST);
        // What it is sent to now counts; older kernels show only what is allowed.
        let effective = list(host, &dir.join(EFFECTIVE_AFFINITY_LIST)).filter(|cpus| !cpus.is_empty());
        let Some(cpus) = effective.or_else(|| list(host, &file)) else {
            continue;
        };
        let cpus = cpus.intersection(&exclusive);
        if cpus.is_empty() {
            continue;
        }
        let refused = record.refused.get(&file).map(|refused| refused.why.clone());
        let why = refused
            .or_else(|| owner.clone())
            .unwrap_or_else(|| "it was not moved yet".to_owned());
        staying.push(Staying { irq, cpus, why });
    }
    Ok(staying)
}

fn numbers(host: &Host) -> Result<Vec<u32>, IsolateError> {
    let names = host.directories(Path::new(PROC_IRQ));
    let names = names.map_err(|cause| IsolateError::Unreadable {
        path: PROC_IRQ.into(),
        cause,
    })?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn list(host: &Host, file: &Path) -> Option<CpuSet> {
    host.read(file).ok().flatten()?.parse().ok()
}

impl Isolator for Irq {
    fn name(&self) -> &'static str {
        "irq"
    }

    fn keeps_clear(&self) -> bool {
        true
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let Some(path) = &self.layout.record else {
            return Ok(Vec::new());
        };
        let record = Record::read(host, path)?;
        let exclusive = intent.exclusive_cpus();
        let ours = |file: &PathBuf| file.starts_with(PROC_IRQ) || file.starts_with(CLASS_NET);
        let wanted = intent.isolations.iter().any(|isolation| isolation.nics.is_some());
        let moved = record.originals.keys().any(ours);
        // Whoever moves interrupts by itself is the owner: nothing is written beside it, not even to put something back.
        if (exclusive.is_empty() && !moved && !wanted) || owner(host).is_some() {
            return Ok(Vec::new());
        }
        let online = host.recalled(Path::new(ONLINE)).ok().flatten();
        let Some(online) = online.and_then(|text| text.parse::<CpuSet>().ok()) else {
            return Ok(Vec::new());
        };
        let free = online.difference(&exclusive);
        let mut listings = vec![Listing {
            file: DEFAULT_SMP_AFFINITY.into(),
            reads: Reads::Mask,
            instead: free.clone(),
            near: None,
            shall: Shall::Leave,
        }];
        let near = queues::near(host, intent, &record, &free);
        for irq in numbers(host)? {
            let dir = Path::new(PROC_IRQ).join(irq.to_string());
            listings.push(Listing {
                instead: free.clone(),
                near: Some(dir.join(NODE)),
                file: dir.join(SMP_AFFINITY_LIST),
                reads: Reads::List,
                shall: near.irqs.get(&irq).cloned().map_or(Shall::Leave, Shall::Be),
            });
        }
        listings.extend(near.masks);
        keep_away(host, path, &record, listings, &exclusive)
    }
}
