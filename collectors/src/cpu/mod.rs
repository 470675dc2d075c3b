//! CPUs: the time that they spent in each mode, their clocks, and how often heat slowed them down.

pub mod families;
mod frequency;
pub(crate) mod place;
mod stat;
mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use facts::observation::Observation;
use facts::power::CpuTimes;
use facts::sheet::{Pad, Writing};
use facts::{NumaNodeId, Sheet};

use crate::collector::{CollectError, Collector};
use crate::node_names::kernel as n;
use crate::root::{Kept, Root};
use crate::roster::Wishes;
use families as f;
pub use frequency::FrequencyCollector;
use stat::{Kernel, Line, MODES};
use tally::Tally;

const STAT: &str = "proc/stat";

/// Reads `/proc/stat`.
pub struct CpuCollector {
    root: Root,
    wishes: Wishes,
    file: Kept,
    buffer: Vec<u8>,
    lines: Vec<Line>,
    tally: Tally,
    pad: Pad,
}

impl CpuCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> CpuCollector {
        CpuCollector {
            wishes: wishes.clone(),
            file: Kept::new(&root, STAT),
            root,
            buffer: Vec::new(),
            lines: Vec::new(),
            tally: Tally::default(),
            pad: Pad::default(),
        }
    }

    fn write(&mut self, kernel: &Kernel) -> Sheet {
        let mut sheet = self.pad.begin();
        if self.wishes.per_cpu {
            for cpu in self.tally.cpus.iter().filter(|cpu| cpu.is_on) {
                let group = self.tally.groups.get(cpu.group);
                let (numa_node, socket) = group.map_or(("", ""), |group| (&group.numa_node, &group.socket));
                for (mode, ticks) in MODES.iter().zip(cpu.ticks) {
                    let labels = [numa_node, socket, &cpu.name, mode];
                    sheet.add(&f::CPU_TIME, &labels, Some(stat::seconds(ticks)));
                }
            }
        } else {
            for group in &self.tally.groups {
                for (mode, ticks) in MODES.iter().zip(group.ticks) {
                    let labels = [&*group.numa_node, &group.socket, "", mode];
                    sheet.add(&f::CPU_TIME, &labels, Some(stat::seconds(ticks)));
                }
            }
        }
        if self.wishes.node_names {
            write_node_names(&mut sheet, &self.tally, kernel);
        }
        sheet.finish()
    }

    /// Sums by NUMA node, for the inventory.
    fn times(&self) -> Vec<CpuTimes> {
        let mut sums: BTreeMap<Option<u32>, [u64; MODES.len()]> = BTreeMap::new();
        for group in &self.tally.groups {
            let sum = sums.entry(group.place.numa_node).or_default();
            for (total, more) in sum.iter_mut().zip(group.ticks) {
                *total = total.saturating_add(more);
            }
        }
        let times = sums.into_iter().map(|(numa_node, ticks)| CpuTimes {
            numa_node: numa_node.map(NumaNodeId),
            seconds: MODES
                .iter()
                .zip(ticks)
                .map(|(mode, ticks)| ((*mode).to_owned(), stat::seconds(ticks)))
                .collect(),
        });
        times.collect()
    }
}

/// The names of node_exporter's collectors `cpu` and `stat`.
fn write_node_names(sheet: &mut Writing<'_>, tally: &Tally, kernel: &Kernel) {
    for cpu in tally.cpus.iter().filter(|cpu| cpu.is_on) {
        let mut ticks = cpu.ticks.iter().copied();
        for (mode, ticks) in MODES.iter().zip(ticks.by_ref()) {
            sheet.add(&n::CPU, &[&cpu.name, mode], Some(stat::seconds(ticks)));
        }
    }
    for cpu in tally.cpus.iter().filter(|cpu| cpu.is_on) {
        let guests = cpu.ticks.iter().skip(MODES.len());
        for (mode, ticks) in ["user", "nice"].iter().zip(guests) {
            sheet.add(&n::CPU_GUEST, &[&cpu.name, mode], Some(stat::seconds(*ticks)));
        }
    }
    sheet.add(&n::INTERRUPTS, &[], kernel.interrupts);
    sheet.add(&n::CONTEXT_SWITCHES, &[], kernel.context_switches);
    sheet.add(&n::FORKS, &[], kernel.forks);
    sheet.add(&n::BOOT_TIME, &[], kernel.booted_at);
    sheet.add(&n::RUNNING, &[], kernel.running);
    sheet.add(&n::BLOCKED, &[], kernel.blocked);
}

impl Collector for CpuCollector {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["cpu"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let text = self.file.read(&mut self.buffer)?;
        let Some(kernel) = stat::parse(text, &mut self.lines) else {
            let found = String::from_utf8_lossy(text);
            let expected = "lines as in \"cpu0 1 2 3 4\"";
            return Err(CollectError::garbled(&self.file.shown(), expected, &found));
        };
        self.tally.take(&self.root, &self.lines);
        let sheet = self.write(&kernel);
        Ok(Observation {
            cpu_times: Some(self.times()),
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}
