//! Performance counters (perf_event_open(2)): what CPUs do, memory bandwidth, energy, and what a workload's cgroup does.
//!
//! Hardware events need a PMU; where there is none (most virtual machines) the kernel's software events are counted and
//! `perf/hardware` says so. Everything is counted in groups that run together, and what had to share its counter is scaled by
//! the time in which it did not run, which `busbar_cpu_perf_time_ratio` shows.

mod budget;
mod counters;
pub mod families;
mod meters;
mod packages;
mod place;
pub mod pmu;
mod probe;
mod refusal;
mod scale;
pub mod switches;
pub mod workloads;

use std::time::Duration;

use facts::NoData;
use facts::observation::Observation;
use facts::sheet::Pad;

use crate::collector::{CollectError, Collector};
use crate::root::Root;
use meters::Meters;
use packages::Packages;

/// A system call for each CPU and meter: a millisecond on a large machine, so not at every scrape.
const BEAT: Duration = Duration::from_secs(5);

/// Counts with perf.
pub struct PerfCollector {
    root: Root,
    packages: Packages,
    meters: Meters,
    pad: Pad,
}

impl PerfCollector {
    /// Of this root. Nothing is opened before the first turn.
    pub fn new(root: Root) -> PerfCollector {
        PerfCollector {
            packages: Packages::new(root.clone()),
            meters: Meters::new(root.clone()),
            root,
            pad: Pad::default(),
        }
    }

    /// How many descriptors are held.
    pub fn files(&self) -> usize {
        self.packages.files() + self.meters.files()
    }
}

impl Collector for PerfCollector {
    fn name(&self) -> &'static str {
        "perf"
    }

    fn beat(&self) -> Duration {
        BEAT
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["cpu", "event_source"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        if !self.root.is_host() {
            let message = "a recorded machine counts nothing: perf counts what runs now, on this machine";
            return Err(CollectError::new(NoData::Absent, message));
        }
        self.packages.turn()?;
        self.meters.turn(self.packages.online());
        let mut sheet = self.pad.begin();
        self.packages.write(&mut sheet);
        self.meters.write(&mut sheet);
        let missing = self.packages.missing().iter().chain(self.meters.missing());
        Ok(Observation {
            missing: missing.cloned().collect(),
            sheet: Some(sheet.finish()),
            ..Observation::default()
        })
    }
}

#[cfg(test)]
mod tests;
