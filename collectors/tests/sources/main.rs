//! Every source but hwloc, on a machine that is written here: what it reads, and how it says what is missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::float_cmp
)]

mod junk;
mod nvme;
mod parts;
mod tree;

use collectors::{Root, RootError, TopologySource, facts_now};
use facts::{Inventory, NoData, SourceStatus};

use tree::Tree;

/// The facts of a tree without a topology, which the other tests are about.
fn read(tree: &Tree) -> Inventory {
    let root = Root::at(tree.path()).unwrap();
    let nowhere = std::path::PathBuf::from("/nonexistent/program");
    let source = TopologySource::Xml {
        file: nowhere.clone(),
        reader: nowhere,
    };
    facts_now(&root, source)
}

/// How a source is: none where it spoke.
fn down(inventory: &Inventory, name: &str) -> Option<(NoData, String)> {
    let source = inventory.sources.iter().find(|source| source.name == name);
    match &source.unwrap_or_else(|| panic!("{name} is in no source")).status {
        SourceStatus::Down { reason, message } => Some((*reason, message.clone())),
        SourceStatus::Ok => None,
        SourceStatus::Pending => panic!("{name} was not asked"),
    }
}

#[test]
fn a_wrong_root_says_what_is_wrong() {
    let nowhere = Root::at(std::path::Path::new("/nonexistent/machine")).unwrap_err();
    assert!(matches!(nowhere, RootError::Unreadable { .. }));
    assert!(nowhere.to_string().contains("/nonexistent/machine"), "{nowhere}");
    let tree = Tree::empty();
    tree.write("one/sys/kernel/x", "").write("file", "");
    assert!(matches!(
        Root::at(&tree.at("file")).unwrap_err(),
        RootError::Unreadable { .. }
    ));
    let outer = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outer.path().join("machine/proc")).unwrap();
    let outside = Root::at(outer.path()).unwrap_err().to_string();
    assert!(outside.contains("neither sys/ nor proc/"), "{outside}");
    assert!(outside.contains("/machine does"), "{outside}");
}

#[test]
fn an_empty_machine_names_every_source_and_its_path() {
    let tree = Tree::empty();
    let seen = read(&tree);
    for (name, path) in [
        ("machine", "proc/sys/kernel/osrelease"),
        ("cpu", "proc/stat"),
        ("pressure", "proc/pressure"),
        ("block", "sys/class/block"),
        ("nic", "sys/class/net"),
        ("gpu", "sys/bus/pci/devices"),
        ("powercap", "sys/class/powercap"),
        ("hwmon", "sys/class/hwmon"),
        ("bmc", "dev/ipmi0"),
    ] {
        let (reason, message) = down(&seen, name).unwrap();
        assert_eq!(reason, NoData::Absent, "{name}: {message}");
        assert!(message.contains(path), "{name}: {message}");
    }
    assert_eq!(down(&seen, "nvml").unwrap().0, NoData::Absent);
    assert_eq!(down(&seen, "topology").unwrap().0, NoData::Refused);
}

#[test]
fn this_machine_has_facts_without_any_tree() {
    let seen = facts_now(&Root::host(), TopologySource::Live);
    assert_eq!(down(&seen, "topology"), None);
    assert_eq!(down(&seen, "cpu"), None);
    assert!(!seen.cpus.is_empty() && seen.memory.is_some() && seen.machine.kernel.is_some());
    let json = serde_json::to_string(&seen).unwrap();
    assert_eq!(serde_json::from_str::<Inventory>(&json).unwrap(), seen);
}
