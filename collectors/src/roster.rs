//! The roster: every source of facts, once.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use facts::observation::Observation;
use facts::{Family, Inventory, Moment, NoData, Sheet, Source, SourceStatus};

use crate::block::BlockCollector;
use crate::collector::{CollectError, Collector};
use crate::cpu::{CpuCollector, FrequencyCollector};
use crate::disk_io::DiskIoCollector;
use crate::drive_health::DriveHealthCollector;
use crate::edac::EdacCollector;
use crate::gpu::GpuCollector;
use crate::hwmon::HwmonCollector;
use crate::local_bmc::{BmcWish, LocalBmcCollector};
use crate::machine::MachineCollector;
use crate::memory::MemoryCollector;
use crate::network::NetworkCollector;
use crate::nic::NicCollector;
use crate::node_names::{self, FilesystemCollector, KernelCollector, PartsCollector};
use crate::nvml::NvmlCollector;
use crate::pci::PciCollector;
use crate::perf::PerfCollector;
use crate::powercap::PowercapCollector;
use crate::pressure::PressureCollector;
use crate::resctrl::ResctrlCollector;
use crate::root::Root;
use crate::topology::{TopologyCollector, TopologySource};

/// What a node's configuration wishes of its collectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Counters of every CPU, not only sums of NUMA nodes and sockets.
    pub per_cpu: bool,
    /// The names of node_exporter beside our own, for those who run the agent in its place.
    pub node_names: bool,
    /// How the node's own BMC is asked.
    pub bmc: BmcWish,
}

/// The families of all sources' sheets, in the order of the page. A source that counts has one line here.
pub fn families() -> impl Iterator<Item = &'static Family> {
    let tables: [&'static [&'static Family]; 13] = [
        crate::cpu::families::TABLE,
        crate::memory::families::TABLE,
        crate::pressure::families::TABLE,
        crate::network::families::TABLE,
        crate::disk_io::families::TABLE,
        crate::resctrl::families::TABLE,
        crate::edac::families::TABLE,
        crate::drive_health::TABLE,
        crate::pci::TABLE,
        crate::perf::families::TABLE,
        crate::perf::workloads::families::TABLE,
        crate::hwmon::families::TABLE,
        crate::local_bmc::families::TABLE,
    ];
    let node_names = node_names::TABLES.into_iter().flatten().copied();
    tables.into_iter().flatten().copied().chain(node_names)
}

/// All collectors of one machine, in the order in which their facts are merged. A new source is one folder and one line here.
pub fn roster(root: &Root, topology: TopologySource, wishes: &Wishes) -> Vec<Box<dyn Collector>> {
    let root = || root.clone();
    let mut all: Vec<Box<dyn Collector>> = vec![
        Box::new(TopologyCollector::new(root(), topology)),
        Box::new(MachineCollector::new(root())),
        Box::new(CpuCollector::new(root(), wishes)),
        Box::new(MemoryCollector::new(root(), wishes)),
        Box::new(PressureCollector::new(root(), wishes)),
        Box::new(NetworkCollector::new(root(), wishes)),
        Box::new(DiskIoCollector::new(root(), wishes)),
        Box::new(FrequencyCollector::new(root(), wishes)),
        Box::new(ResctrlCollector::new(root())),
        Box::new(EdacCollector::new(root(), wishes)),
        Box::new(BlockCollector::new(root())),
        Box::new(DriveHealthCollector::new(root())),
        Box::new(PciCollector::new(root())),
        Box::new(NicCollector::new(root())),
        Box::new(GpuCollector::new(root())),
        Box::new(NvmlCollector::new(root())),
        Box::new(PerfCollector::new(root())),
        Box::new(PowercapCollector::new(root())),
        Box::new(HwmonCollector::new(root())),
        Box::new(LocalBmcCollector::new(root(), wishes.bmc.clone())),
    ];
    if wishes.node_names {
        all.push(Box::new(KernelCollector::new(root())));
        all.push(Box::new(PartsCollector::new(root())));
        all.push(Box::new(node_names::HwmonCollector::new(root())));
        all.push(Box::new(FilesystemCollector::new(root())));
    }
    all
}

/// The longest that one pass waits for its sources. All are asked at once; one that hangs in a driver never answers.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer = (Result<Observation, CollectError>, Duration);

/// What all sources said when they were asked once.
#[derive(Debug, Default)]
pub struct Asked {
    /// All sources together.
    pub inventory: Inventory,
    /// What each of them counts, in the order of the roster.
    pub sheets: Vec<Arc<Sheet>>,
}

/// Asks every source once, each on a thread of its own. One that fails or hangs becomes an entry in `sources`; it never spoils
/// the others, and the thread of one that hangs is left to itself.
pub fn facts_now(root: &Root, topology: TopologySource) -> Inventory {
    ask_all(root, topology).inventory
}

/// The same with what the sources count.
pub fn ask_all(root: &Root, topology: TopologySource) -> Asked {
    let until = Instant::now() + PATIENCE;
    let asked: Vec<(Source, Receiver<Answer>)> = roster(root, topology, &Wishes::default())
        .into_iter()
        .map(ask)
        .collect();
    let mut observations: Vec<Observation> = Vec::new();
    let (mut sources, mut sheets) = (Vec::new(), Vec::new());
    for (mut source, told) in asked {
        let left = until.saturating_duration_since(Instant::now());
        let answer = match told.recv_timeout(left) {
            Ok((answer, took)) => {
                source.duration_seconds = Some(took.as_secs_f64());
                answer
            }
            Err(error) => Err(silence(&source.name, error)),
        };
        source.status = match answer {
            Ok(mut observation) => {
                source.last_success = Some(now());
                sheets.extend(observation.sheet.take().map(Arc::new));
                observations.push(observation);
                SourceStatus::Ok
            }
            Err(error) => down(root, &error),
        };
        sources.push(source);
    }
    Asked {
        inventory: Inventory::merge(now(), &observations, sources),
        sheets,
    }
}

fn ask(mut collector: Box<dyn Collector>) -> (Source, Receiver<Answer>) {
    let source = Source::pending(collector.name(), collector.beat());
    let (tell, told) = channel();
    let started = Instant::now();
    // Without a thread the sender is dropped, and the source has said nothing.
    let _ = std::thread::Builder::new()
        .name(format!("see {}", source.name))
        .spawn(move || {
            let answer = collector.collect();
            // Fails only where nobody waits any more.
            let _ = tell.send((answer, started.elapsed()));
        });
    (source, told)
}

/// Why a source gave no answer at all.
fn silence(name: &str, error: RecvTimeoutError) -> CollectError {
    match error {
        RecvTimeoutError::Timeout => {
            let seconds = PATIENCE.as_secs();
            CollectError::new(NoData::Timeout, format!("no answer within {seconds} s"))
        }
        RecvTimeoutError::Disconnected => {
            CollectError::new(NoData::Garbled, format!("the collector {name} broke"))
        }
    }
}

fn down(root: &Root, error: &CollectError) -> SourceStatus {
    let is_topology_alone = root.is_nothing() && error.reason == NoData::Absent;
    SourceStatus::Down {
        reason: error.reason,
        message: if is_topology_alone {
            "an exported topology does not speak of it".to_owned()
        } else {
            error.explain()
        },
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
