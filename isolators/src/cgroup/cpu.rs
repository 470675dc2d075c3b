//! The cpu controller: how much CPU time a workload may use that shares its CPUs, and its weight where time is short.

use std::path::Path;

use intent::{CpuWeight, Intent, Isolation, Squeeze};

use super::difference::{Wanted, limit, read, unless_said};
use super::lacking::Optional;
use super::layout::Layout;
use super::mount::{Controller, Version};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// v2: quota and period in microseconds.
const CPU_MAX: &str = "cpu.max";
/// v1: quota in microseconds.
const CPU_CFS_QUOTA_US: &str = "cpu.cfs_quota_us";
/// v1: period in microseconds.
const CPU_CFS_PERIOD_US: &str = "cpu.cfs_period_us";
/// The kernel's own default period.
const PERIOD_US: u64 = 100_000;
/// The least quota that the kernel takes.
const LEAST_QUOTA_US: u64 = 1_000;
/// v2: 1 to 10000, 100 by default; 0 while `cpu.idle` is 1.
const CPU_WEIGHT: &str = "cpu.weight";
/// v1: 2 to 262144, 1024 by default.
const CPU_SHARES: &str = "cpu.shares";
/// What v1 has by default where v2 has a weight of 100.
const SHARES_OF_WEIGHT_100: u64 = 1_024;
/// The least that v1 takes.
const LEAST_SHARES: u64 = 2;
/// v2 and v1: whether it runs only where nobody else wants to.
const CPU_IDLE: Optional = Optional {
    controller: Controller::Cpu,
    file: "cpu.idle",
    gives: "Linux 5.15 or later with CONFIG_CFS_BANDWIDTH and CONFIG_FAIR_GROUP_SCHED has it",
};

/// Plans `cpu.max`, `cpu.weight` and `cpu.idle` (v2), or `cpu.cfs_quota_us`, `cpu.shares` and `cpu.idle` (v1).
#[derive(Clone, Debug)]
pub struct Cpu {
    layout: Layout,
}

type Steps = Vec<(Phase, Step)>;

impl Cpu {
    /// For this layout.
    pub fn new(layout: &Layout) -> Cpu {
        Cpu {
            layout: layout.clone(),
        }
    }

    fn of_one(&self, host: &Host, isolation: &Isolation) -> Result<Steps, IsolateError> {
        if !Layout::needs(isolation).contains(&Controller::Cpu) {
            return Ok(Vec::new());
        }
        let place = self.layout.place(Controller::Cpu)?;
        let group = self.layout.group(place, isolation);
        let mut steps = Vec::new();
        if let Some(cpus) = isolation.cpu_time_max {
            let quota = u64::from(cpus) * PERIOD_US;
            let squeezed = match isolation.squeezed {
                Some(Squeeze::CpuTime { millicpus }) => Some(millicpus),
                Some(Squeeze::Still) | None => None,
            };
            let less = [isolation.cpu_time_held, squeezed].into_iter().flatten();
            let less = less.map(|thousandths| {
                let held = u64::from(thousandths) * PERIOD_US / 1_000;
                held.max(LEAST_QUOTA_US)
            });
            let quota = less.fold(quota, u64::min);
            steps.extend(time(host, place.version, &group, quota)?);
        }
        // A weight means nothing as long as the cgroup is idle, whoever made it so.
        let is_idle = read(host, &group.join(CPU_IDLE.file))?.as_deref() == Some("1");
        let awake = (isolation.cpu_weight.is_some() && is_idle).then_some(false);
        if let Some(idle) = isolation.cpu_idle.or(awake) {
            CPU_IDLE.in_group(host, place, &group, "running only where nobody else wants to")?;
            steps.extend(idleness(host, &group, idle)?);
        }
        if let Some(weight) = isolation.cpu_weight
            && isolation.cpu_idle != Some(true)
        {
            // The kernel takes no weight of a cgroup that is idle, so this comes after `cpu.idle`.
            steps.extend(weigh(host, place.version, &group, weight)?);
        }
        Ok(steps)
    }
}

fn time(host: &Host, version: Version, group: &Path, quota: u64) -> Result<Steps, IsolateError> {
    let (period, quota) = match version {
        Version::V1 => {
            let period = Wanted::new(group.join(CPU_CFS_PERIOD_US), PERIOD_US.to_string(), Reads::Same);
            let quota = Wanted::new(group.join(CPU_CFS_QUOTA_US), quota.to_string(), Reads::Same);
            (unless_said(host, Phase::Shape, period)?, quota)
        }
        Version::V2 => {
            let value = format!("{quota} {PERIOD_US}");
            (None, Wanted::new(group.join(CPU_MAX), value, Reads::Same))
        }
    };
    let steps = [period, limit(host, quota, number)?];
    Ok(steps.into_iter().flatten().collect())
}

fn idleness(host: &Host, group: &Path, idle: bool) -> Result<Steps, IsolateError> {
    let file = group.join(CPU_IDLE.file);
    let before = read(host, &file)?;
    let wanted = Wanted::new(file, if idle { "1" } else { "0" }, Reads::Same);
    let phase = match (&before, idle) {
        (None, _) => Phase::Shape,
        (Some(_), true) => Phase::Release,
        (Some(_), false) => Phase::Grant,
    };
    Ok(unless_said(host, phase, wanted)?.into_iter().collect())
}

fn weigh(host: &Host, version: Version, group: &Path, weight: CpuWeight) -> Result<Steps, IsolateError> {
    let weight = u64::from(weight.get());
    let (file, value) = match version {
        Version::V2 => (CPU_WEIGHT, weight),
        Version::V1 => (
            CPU_SHARES,
            (weight * SHARES_OF_WEIGHT_100 / 100).max(LEAST_SHARES),
        ),
    };
    let wanted = Wanted::new(group.join(file), value.to_string(), Reads::Same);
    let before = read(host, &wanted.file)?;
    let found = before.as_deref().and_then(number);
    // Zero is what an idle cgroup shows: from there a weight is more.
    let phase = match found {
        None => Phase::Shape,
        Some(is) if value < is => Phase::Release,
        Some(_) => Phase::Grant,
    };
    Ok(unless_said(host, phase, wanted)?.into_iter().collect())
}

/// The quota; `max` and `-1` are no limit.
fn number(text: &str) -> Option<u64> {
    let quota = text.split_whitespace().next()?;
    if quota == "max" || quota == "-1" {
        Some(u64::MAX)
    } else {
        quota.parse().ok()
    }
}

impl Isolator for Cpu {
    fn name(&self) -> &'static str {
        Controller::Cpu.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let mut steps = Vec::new();
        for isolation in &intent.isolations {
            steps.extend(self.of_one(host, isolation)?);
        }
        Ok(steps)
    }
}
