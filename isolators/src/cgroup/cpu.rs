//! The cpu controller: how much CPU time a workload may use that shares its CPUs.

use std::path::Path;

use intent::{Intent, Isolation};

use super::difference::{Wanted, limit, unless_said};
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

/// Plans `cpu.max` (v2) or `cpu.cfs_quota_us` (v1).
#[derive(Clone, Debug)]
pub struct Cpu {
    layout: Layout,
}

impl Cpu {
    /// For this layout.
    pub fn new(layout: &Layout) -> Cpu {
        Cpu {
            layout: layout.clone(),
        }
    }

    fn of_one(&self, host: &Host, isolation: &Isolation) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let Some(cpus) = isolation.cpu_time_max else {
            return Ok(Vec::new());
        };
        let place = self.layout.place(Controller::Cpu)?;
        let group = self.layout.group(place, isolation);
        let quota = u64::from(cpus) * PERIOD_US;
        match place.version {
            Version::V1 => v1(host, &group, quota),
            Version::V2 => {
                let value = format!("{quota} {PERIOD_US}");
                let step = limit(host, Wanted::new(group.join(CPU_MAX), value, Reads::Same), number)?;
                Ok(step.into_iter().collect())
            }
        }
    }
}

fn v1(host: &Host, group: &Path, quota: u64) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let period = Wanted::new(group.join(CPU_CFS_PERIOD_US), PERIOD_US.to_string(), Reads::Same);
    let quota = Wanted::new(group.join(CPU_CFS_QUOTA_US), quota.to_string(), Reads::Same);
    let steps = [
        unless_said(host, Phase::Shape, period)?,
        limit(host, quota, number)?,
    ];
    Ok(steps.into_iter().flatten().collect())
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
