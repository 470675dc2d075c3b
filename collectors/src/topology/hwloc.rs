//! hwloc's tree turned into facts: the only module that knows hwlocality.

mod build;
mod devices;
mod export;
mod parts;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use facts::observation::Observation;
use facts::topology::Topology;
use facts::{CpuSet, NoData};
use hwlocality::Topology as Tree;

use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

#[cfg(any(test, feature = "fuzz"))]
pub(super) use export::in_words_of_version_2;

const CPU: &str = "sys/devices/system/cpu";

/// Reads the machine that hwloc sees from this process: this one, or the one below `HWLOC_FSROOT` where `root` is that tree.
///
/// # Errors
/// When hwloc fails, or sees another machine than `root` names: with a wrong HWLOC_FSROOT it falls back to this machine
/// without a word, and variables in the environment can lead it anywhere.
pub fn read_here(root: &Root) -> Result<Topology, CollectError> {
    let tree = build::from_files(root.is_host())?;
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
    // hwloc leaves out what is offline and, of a recorded machine, what a cpuset keeps away; it does not say which is which.
    let missing = parts::missing_cpus(&tree);
    let is_offline =
        |cpu: &facts::CpuId| attribute::flag(root, &format!("{CPU}/cpu{cpu}/online")) == Some(false);
    topology.offline_cpus = missing.iter().filter(is_offline).collect();
    let unusable: CpuSet = topology
        .cpus
        .iter()
        .filter(|cpu| !cpu.usable)
        .map(|cpu| cpu.id)
        .collect();
    topology.disallowed_cpus = missing.difference(&topology.offline_cpus).union(&unusable);
    Ok(topology)
}

/// The longest export that is read; those of the largest machines are a few megabytes.
const LONGEST_XML: u64 = 64 << 20;

/// Reads a topology that lstopo exported as XML: the machine's name, its parts, and its devices as far as they were exported.
/// Where the export contradicts itself, hwloc may end this process: [`super::read_xml_in_child`] calls it in another one.
///
/// # Errors
/// When the file cannot be read, or hwloc does not take its text.
pub fn read_xml_file(file: &Path) -> Result<Observation, CollectError> {
    let failed = |cause: io::Error| {
        let message = format!("cannot read the exported topology {}", file.display());
        CollectError::new(NoData::Garbled, message).because(cause)
    };
    let mut text = String::new();
    let opened = File::open(file).map_err(failed)?;
    opened
        .take(LONGEST_XML)
        .read_to_string(&mut text)
        .map_err(failed)?;
    read_xml(&text).map_err(|error| {
        let message = format!("{} is no topology: {}", file.display(), error.explain());
        CollectError::new(NoData::Garbled, message)
    })
}

fn read_xml(text: &str) -> Result<Observation, CollectError> {
    let tree = build::from_xml(&export::in_words_of_version_2(text))?;
    let mut topology = facts_of(&tree);
    topology.disallowed_cpus = parts::missing_cpus(&tree);
    Ok(Observation {
        machine: Some(devices::machine(&tree)),
        memory: None,
        gpus: Some(devices::gpus(&tree)),
        drives: Some(devices::drives(&tree)),
        nics: Some(devices::nics(&tree)),
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
        pci: devices::pci_places(tree),
        core_kinds,
        offline_cpus: CpuSet::new(),
        disallowed_cpus: CpuSet::new(),
    };
    topology.cpus = parts::cpus(tree, &numbers, &topology.cores);
    topology
}
