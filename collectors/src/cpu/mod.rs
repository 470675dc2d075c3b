//! CPU times and memory: what the kernel counts of them.

mod meminfo;
mod stat;

use std::collections::BTreeMap;
use std::time::Duration;

use facts::inventory::NumaMemory;
use facts::observation::Observation;
use facts::power::CpuTimes;
use facts::{CpuId, CpuSet, NoData, NumaNodeId};

use crate::collector::{CollectError, Collector};
use crate::root::Root;

const STAT: &str = "proc/stat";
const MEMINFO: &str = "proc/meminfo";
const NODE: &str = "sys/devices/system/node";

/// Reads `/proc/stat` and `/proc/meminfo`.
pub struct CpuCollector {
    root: Root,
}

impl CpuCollector {
    /// Of this root.
    pub fn new(root: Root) -> CpuCollector {
        CpuCollector { root }
    }

    fn times(&self) -> Result<Vec<CpuTimes>, CollectError> {
        let text = self.root.read(STAT)?;
        // A recorded machine keeps its ticks with USER_HZ, which is 100 on every Linux architecture but Alpha.
        let times = stat::parse(&text).ok_or_else(|| {
            CollectError::garbled(&self.root.shown(STAT), "lines as in \"cpu0 1 2 3 4\"", &text)
        })?;
        Ok(stat::per_numa_node(&times, &self.numa_nodes_of_cpus()))
    }

    /// The NUMA nodes and their directories; none on a kernel without NUMA.
    fn numa_nodes(&self) -> Vec<(NumaNodeId, String)> {
        let names = self.root.list(NODE).unwrap_or_default();
        let nodes = names.iter().filter_map(|name| {
            let id: u32 = name.strip_prefix("node")?.parse().ok()?;
            Some((NumaNodeId(id), format!("{NODE}/{name}")))
        });
        nodes.collect()
    }

    /// Which NUMA node each CPU is in, from `nodeN/cpulist`.
    fn numa_nodes_of_cpus(&self) -> BTreeMap<CpuId, NumaNodeId> {
        let mut nodes = BTreeMap::new();
        for (id, directory) in self.numa_nodes() {
            let cpus = self.root.read(&format!("{directory}/cpulist")).ok();
            let cpus: CpuSet = cpus.and_then(|list| list.parse().ok()).unwrap_or_default();
            for cpu in cpus.iter() {
                // Broken firmware names a CPU twice; the first NUMA node keeps it.
                nodes.entry(cpu).or_insert(id);
            }
        }
        nodes
    }

    fn numa_memory(&self) -> Vec<NumaMemory> {
        let nodes = self.numa_nodes().into_iter();
        let memory = nodes.filter_map(|(id, directory)| {
            let text = self.root.read(&format!("{directory}/meminfo")).ok()?;
            meminfo::numa_memory(&text, id)
        });
        memory.collect()
    }
}

impl Collector for CpuCollector {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let mut seen = Observation {
            numa_memory: Some(self.numa_memory()),
            ..Observation::default()
        };
        let memory = meminfo::machine_memory(&self.root, MEMINFO);
        let times = self.times();
        match (memory, times) {
            (Err(memory), Err(times)) => {
                // Both are gone: the one that is not merely absent tells more.
                return Err(if memory.reason == NoData::Absent {
                    times
                } else {
                    memory
                });
            }
            (memory, times) => {
                match memory {
                    Ok(memory) => seen.memory = Some(memory),
                    Err(error) => seen.missing.push(error.into_missing("cpu/memory")),
                }
                match times {
                    Ok(times) => seen.cpu_times = Some(times),
                    Err(error) => seen.missing.push(error.into_missing("cpu/times")),
                }
            }
        }
        Ok(seen)
    }
}
