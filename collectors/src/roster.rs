//! The roster: every source of facts, once.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use facts::observation::Observation;
use facts::{Inventory, Moment, NoData, Source, SourceStatus};

use crate::block::BlockCollector;
use crate::collector::Collector;
use crate::cpu::CpuCollector;
use crate::gpu::GpuCollector;
use crate::hwmon::HwmonCollector;
use crate::local_bmc::LocalBmcCollector;
use crate::machine::MachineCollector;
use crate::nic::NicCollector;
use crate::nvml::NvmlCollector;
use crate::powercap::PowercapCollector;
use crate::pressure::PressureCollector;
use crate::root::Root;
use crate::topology::{TopologyCollector, TopologySource};

/// All collectors of one machine, in the order in which their facts are merged. A new source is one folder and one line here.
pub fn roster(root: &Root, topology: TopologySource) -> Vec<Box<dyn Collector>> {
    let root = || root.clone();
    vec![
        Box::new(TopologyCollector::new(root(), topology)),
        Box::new(MachineCollector::new(root())),
        Box::new(CpuCollector::new(root())),
        Box::new(PressureCollector::new(root())),
        Box::new(BlockCollector::new(root())),
        Box::new(NicCollector::new(root())),
        Box::new(GpuCollector::new(root())),
        Box::new(NvmlCollector::new(root())),
        Box::new(PowercapCollector::new(root())),
        Box::new(HwmonCollector::new(root())),
        Box::new(LocalBmcCollector::new(root())),
    ]
}

/// Asks every source once. One that fails becomes an entry in `sources`; it never spoils the others.
pub fn facts_now(root: &Root, topology: TopologySource) -> Inventory {
    let mut observations: Vec<Observation> = Vec::new();
    let mut sources = Vec::new();
    for collector in &mut roster(root, topology) {
        let (source, observation) = ask(root, collector.as_mut());
        sources.push(source);
        observations.extend(observation);
    }
    Inventory::merge(now(), &observations, sources)
}

fn ask(root: &Root, collector: &mut dyn Collector) -> (Source, Option<Observation>) {
    let mut source = Source::pending(collector.name(), collector.beat());
    let started = Instant::now();
    let answer = collector.collect();
    source.duration_seconds = Some(started.elapsed().as_secs_f64());
    match answer {
        Ok(observation) => {
            source.status = SourceStatus::Ok;
            source.last_success = Some(now());
            (source, Some(observation))
        }
        Err(error) => {
            let is_topology_alone = root.is_nothing() && error.reason == NoData::Absent;
            source.status = SourceStatus::Down {
                reason: error.reason,
                message: if is_topology_alone {
                    "an exported topology does not speak of it".to_owned()
                } else {
                    error.explain()
                },
            };
            (source, None)
        }
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
