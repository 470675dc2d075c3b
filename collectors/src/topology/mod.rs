//! Topology: packages, NUMA nodes, caches, cores and CPUs, as hwloc sees them.

mod child;
mod doubts;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod hwloc;

use std::path::PathBuf;
use std::time::Duration;

use facts::observation::Observation;

use crate::collector::{CollectError, Collector};
use crate::root::Root;

pub use child::{read_in_child, read_xml_in_child};
pub use doubts::doubts;
pub use hwloc::{read_here, read_xml_file};

/// Where the topology comes from.
#[derive(Clone, Debug)]
pub enum TopologySource {
    /// This machine.
    Live,
    /// A recorded machine. hwloc takes its root from the environment, which a process has but once, so a child reads it.
    Root {
        /// The directory that holds `sys` and `proc`.
        directory: PathBuf,
        /// The program that prints the topology when it is called with `topology-of DIRECTORY`: `busbar-agent` itself.
        reader: PathBuf,
    },
    /// A topology that `lstopo` exported as XML. hwloc ends the process at some broken ones, so a child reads it too.
    Xml {
        /// The file.
        file: PathBuf,
        /// The program that prints what is in it when it is called with `topology-of FILE`: `busbar-agent` itself.
        reader: PathBuf,
    },
}

/// Asks hwloc. Building a topology takes tens of milliseconds: never once per scrape.
pub struct TopologyCollector {
    root: Root,
    source: TopologySource,
}

impl TopologyCollector {
    /// From this source; `root` is the tree that it belongs to.
    pub fn new(root: Root, source: TopologySource) -> TopologyCollector {
        TopologyCollector { root, source }
    }
}

impl Collector for TopologyCollector {
    fn name(&self) -> &'static str {
        "topology"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["cpu", "memory", "node", "pci"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let topology = match &self.source {
            TopologySource::Live => read_here(&self.root)?,
            TopologySource::Root { directory, reader } => read_in_child(reader, directory)?,
            TopologySource::Xml { file, reader } => {
                let mut seen = read_xml_in_child(reader, file)?;
                if let Some(topology) = &seen.topology {
                    seen.doubts = doubts(&self.root, topology);
                }
                return Ok(seen);
            }
        };
        Ok(Observation {
            doubts: doubts(&self.root, &topology),
            topology: Some(topology),
            ..Observation::default()
        })
    }
}
