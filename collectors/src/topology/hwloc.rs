//! hwloc's tree turned into facts: the only module that knows hwlocality.

mod build;
mod export;
mod io;
mod parts;

use facts::observation::Observation;
use facts::topology::Topology;
use facts::{CpuSet, NoData};
use hwlocality::Topology as Tree;

use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

const CPU: &str = "sys/devices/system/cpu";

/// Reads the machine that hwloc sees from this process: this one, or the one below `HWLOC_FSROOT` where `root` is that tree.
///
/// # Errors
/// When hwloc fails, or sees another machine than `root` names: with a wrong HWLOC_FSROOT it falls back to this machine
/// without a word, and variables in the environment can lead it anywhere.
pub fn read_here(root: &Root) -> Result<Topology, CollectError> {
    let tree = build::from_files()?;
    if tree.is_this_system() != root.is_host() {
        let message = if root.is_host() {
            "hwloc reads another machine than this one: an HWLOC_ variable in the environment leads it there"
                .to_owned()
        } else {
            format!(
                "hwloc cannot read {} and fell back to this machine",
                root.directory().display()
            )
        };
        return Err(CollectError::new(NoData::Garbled, message));
    }
    let mut topology = facts_of(&tree);
    // hwloc leaves out what is offline and what a cpuset keeps away, and does not say which is which.
    let missing = parts::missing_cpus(&tree);
    let is_offline =
        |cpu: &facts::CpuId| attribute::flag(root, &format!("{CPU}/cpu{cpu}/online")) == Some(false);
    topology.offline_cpus = missing.iter().filter(is_offline).collect();
    topology.disallowed_cpus = missing.difference(&topology.offline_cpus);
    Ok(topology)
}

/// Reads a topology that lstopo exported as XML: the machine's name, its parts, and its devices as far as they were exported.
///
/// # Errors
/// When hwloc does not take the text.
pub fn read_xml(text: &str) -> Result<Observation, CollectError> {
    let tree = build::from_xml(&export::in_words_of_version_2(text))?;
    let mut topology = facts_of(&tree);
    topology.disallowed_cpus = parts::missing_cpus(&tree);
    Ok(Observation {
        machine: Some(io::machine(&tree)),
        memory: None,
        gpus: Some(io::gpus(&tree)),
        drives: Some(io::drives(&tree)),
        nics: Some(io::nics(&tree)),
        topology: Some(topology),
        ..Observation::default()
    })
}

fn facts_of(tree: &Tree) -> Topology {
    let core_kinds = parts::core_kinds(tree);
    let numbers = parts::Numbers::of(tree);
    let mut topology = Topology {
        packages: parts::packages(tree, &numbers),
        numa_nodes: parts::numa_nodes(tree),
        caches: parts::caches(tree),
        cores: parts::cores(tree, &numbers, &core_kinds),
        cpus: Vec::new(),
        pci: io::pci_places(tree),
        core_kinds,
        offline_cpus: CpuSet::new(),
        disallowed_cpus: CpuSet::new(),
    };
    topology.cpus = parts::cpus(tree, &numbers, &topology.cores);
    topology
}
