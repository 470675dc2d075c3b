//! Recorded machines: our facts of each must agree with what lstopo says of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod exported;
mod machines;
mod odd;
mod parts;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use collectors::{Root, TopologySource, facts_now, topology};
use facts::topology::Topology;
use facts::{CpuSet, NoData, SourceStatus};

use exported::Exported;
use machines::{Machine, shared};

/// Packages, NUMA nodes, cores and CPUs as lstopo 2.9 counts them: what must hold where lstopo is not installed.
const COUNTS: [(&str, [usize; 4]); 26] = include!("counts.in");

fn counts(topology: &Topology) -> [usize; 4] {
    [
        topology.packages.len(),
        topology.numa_nodes.len(),
        topology.cores.len(),
        topology.cpus.len(),
    ]
}

/// Numbers in facts must refer to facts: each CPU to its core, each core to its package.
fn assert_whole(name: &str, topology: &Topology) {
    let of_cores: CpuSet = topology.cores.iter().flat_map(|core| core.cpus.iter()).collect();
    for cpu in &topology.cpus {
        assert_eq!(
            cpu.core.is_some(),
            of_cores.contains(cpu.id),
            "{name}: core of CPU {}",
            cpu.id
        );
        assert!(cpu.usable, "{name}: CPU {} is listed and not usable", cpu.id);
        assert!(
            !topology.offline_cpus.contains(cpu.id),
            "{name}: CPU {} is offline",
            cpu.id
        );
    }
    for core in &topology.cores {
        let Some(id) = core.package else { continue };
        let package = topology.packages.iter().find(|package| package.id == id);
        assert!(
            package.is_some_and(|package| core.cpus.is_subset(&package.cpus)),
            "{name}: {core:?}"
        );
    }
    for node in &topology.numa_nodes {
        let expected = [0, topology.numa_nodes.len()];
        assert!(
            expected.contains(&node.distances.len()),
            "{name}: NUMA node {}",
            node.id
        );
    }
}

fn assert_alike(name: &str, ours: &Topology, theirs: &Exported) {
    assert_eq!(
        counts(ours),
        theirs.counts(),
        "{name}: packages, NUMA nodes, cores, CPUs"
    );
    let cpus: CpuSet = ours.cpus.iter().map(|cpu| cpu.id).collect();
    assert_eq!(cpus, theirs.cpus, "{name}: CPUs");
    let nodes: BTreeMap<u32, (CpuSet, u64)> = ours
        .numa_nodes
        .iter()
        .map(|node| {
            (
                node.id.0,
                (
                    node.cpus.clone(),
                    node.memory_bytes.map_or(0, |bytes| bytes.get()),
                ),
            )
        })
        .collect();
    assert_eq!(nodes, theirs.numa_nodes, "{name}: CPUs and memory of NUMA nodes");
    let missing = ours.offline_cpus.union(&ours.disallowed_cpus);
    assert_eq!(missing, theirs.missing, "{name}: CPUs that are not counted");
    let caches: usize = ours.caches.len();
    assert_eq!(caches, theirs.caches, "{name}: caches");
}

/// With what the installed lstopo says, or else with what lstopo 2.9 said.
fn compare(name: &str, ours: &Topology, theirs: Option<Exported>) {
    match theirs {
        Some(theirs) => assert_alike(name, ours, &theirs),
        None => {
            let known = COUNTS.iter().find(|(known, _)| *known == name);
            assert!(
                known.is_none_or(|(_, counted)| counts(ours) == *counted),
                "{name}: {:?}",
                counts(ours)
            );
        }
    }
}

#[test]
fn recorded_machines_are_as_lstopo_sees_them() {
    let Some(shared) = shared() else { return };
    let reader = machines::reader();
    let recorded = machines::recorded(&shared);
    assert!(recorded.len() >= 20, "only {} recorded machines", recorded.len());
    for machine in &recorded {
        let unpacked = machine.unpack();
        let ours = machine.topology(&reader, &unpacked.directory);
        assert_whole(&machine.name, &ours);
        let theirs = Exported::of_tree(&unpacked.directory, &machine.env);
        compare(&machine.name, &ours, theirs);
    }
}

#[test]
fn exported_topologies_are_as_lstopo_sees_them() {
    let Some(shared) = shared() else { return };
    let files = machines::exported(&shared);
    assert!(files.len() >= 6, "only {} exported topologies", files.len());
    for (name, file) in files {
        let reader = machines::reader();
        let ours = topology::read_xml_in_child(&reader, &file)
            .unwrap()
            .topology
            .unwrap();
        let source = TopologySource::Xml {
            file: file.clone(),
            reader,
        };
        let inventory = facts_now(&Root::nothing(), source);
        assert_eq!(inventory.cpus, ours.cpus, "{name}");
        assert_whole(&name, &ours);
        compare(&name, &ours, Exported::of_xml(&file));
    }
}

#[test]
fn a_cut_or_changed_export_is_refused_with_its_name_or_read() {
    let Some(shared) = shared() else { return };
    let reader = machines::reader();
    let keep = tempfile::tempdir().unwrap();
    let place = keep.path().join("broken.xml");
    for (_, file) in machines::exported(&shared) {
        let text = std::fs::read_to_string(&file).unwrap();
        let cuts = (0..40).map(|part| text[..text.len() * part / 40].to_owned());
        let changes = [
            ("type=\"PU\"", "type=\"Core\""),
            ("os_index=\"1\"", "os_index=\"0\""),
            ("cpuset=\"0x", "cpuset=\"0xf...f,0x"),
            ("nodeset=\"0x", "nodeset=\"0xf...f,0x"),
            ("osdev_type=\"", "osdev_type=\"9"),
            ("nbobjs=\"2\"", "nbobjs=\"3\""),
            ("kind=\"", "kind=\"9"),
        ];
        let changed = changes.iter().map(|(from, to)| text.replace(from, to));
        for broken in cuts.chain(changed) {
            std::fs::write(&place, &broken).unwrap();
            if let Err(error) = topology::read_xml_in_child(&reader, &place) {
                assert!(error.explain().contains("broken.xml"), "{}", error.explain());
            }
        }
    }
}

fn one(name: &str) -> Option<(Machine, machines::Unpacked)> {
    let machine = machines::recorded(&shared()?)
        .into_iter()
        .find(|machine| machine.name == name)?;
    let unpacked = machine.unpack();
    Some((machine, unpacked))
}

#[test]
fn offline_cpus_are_told_from_those_that_a_cpuset_keeps_away() {
    let Some((machine, unpacked)) = one("16em64t-4s2c2t-offlines") else {
        return;
    };
    let topology = machine.topology(&machines::reader(), &unpacked.directory);
    assert!(!topology.offline_cpus.is_empty());
    assert!(
        topology.disallowed_cpus.is_empty(),
        "{}",
        topology.disallowed_cpus
    );
    let Some((machine, unpacked)) = one("16amd64-8n2c-cpusets") else {
        return;
    };
    let topology = machine.topology(&machines::reader(), &unpacked.directory);
    assert_eq!(topology.offline_cpus.to_string(), "4");
    assert_eq!(topology.disallowed_cpus.to_string(), "7-11");
}

#[test]
fn forced_pci_locality_and_core_kinds_reach_the_facts() {
    let Some((machine, unpacked)) = one("40intel64-2g2n4c+pcilocality") else {
        return;
    };
    let topology = machine.topology(&machines::reader(), &unpacked.directory);
    // Each PCI bus was put near one of two packages, which have two NUMA nodes each.
    assert!(!topology.pci.is_empty());
    assert!(
        topology.pci.iter().all(|place| place.numa_nodes.len() == 2),
        "{:?}",
        topology.pci
    );
    let Some((machine, unpacked)) = one("20em64t-hybrid-1p6c2t+2ca4co1t") else {
        return;
    };
    let topology = machine.topology(&machines::reader(), &unpacked.directory);
    assert_eq!(topology.core_kinds.len(), 2);
    assert!(topology.core_kinds[0].max_megahertz < topology.core_kinds[1].max_megahertz);
    assert!(topology.cores.iter().all(|core| core.kind.is_some()));
}

#[test]
fn a_whole_recorded_machine_gives_facts_and_says_what_is_missing() {
    let Some((_, unpacked)) = one("32em64t-2n8c+dax+nvme+mic+dimms") else {
        return;
    };
    let root = Root::at(&unpacked.directory).unwrap();
    let source = TopologySource::Root {
        directory: unpacked.directory.clone(),
        reader: machines::reader(),
    };
    let inventory = facts_now(&root, source);
    assert!(!inventory.drives.is_empty() && !inventory.nics.is_empty());
    assert!(
        inventory
            .drives
            .iter()
            .all(|drive| !drive.device.starts_with("loop"))
    );
    let powercap = inventory
        .sources
        .iter()
        .find(|source| source.name == "powercap")
        .unwrap();
    let SourceStatus::Down { reason, message } = &powercap.status else {
        panic!("{powercap:?}")
    };
    assert_eq!(*reason, NoData::Absent);
    assert!(message.contains("sys/class/powercap"), "{message}");
}

#[test]
fn a_child_that_reads_another_machine_is_refused() {
    let reader = machines::reader();
    let nowhere = topology::read_in_child(&reader, Path::new("/nonexistent/machine")).unwrap_err();
    assert!(
        nowhere.explain().contains("/nonexistent/machine"),
        "{}",
        nowhere.explain()
    );
    let empty = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(empty.path().join("proc")).unwrap();
    // Called without HWLOC_FSROOT, hwloc sees this machine: it must not pass for the recorded one.
    let output = Command::new(&reader)
        .arg("topology-of")
        .arg(empty.path())
        .env_remove("HWLOC_FSROOT")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("fell back to this machine"));
}
