//! NVMe controllers and the ways to a drive, as a kernel shows them.

use std::fs;

use crate::read;
use crate::tree::Tree;

#[test]
fn a_controller_without_a_namespace_is_a_drive_once_it_says_who_it_is() {
    let seen_as = |state: &str, serial: &str| {
        let tree = Tree::empty();
        let pci = tree.pci("0000:5e:00.0", "0x010802", ("0x144d", "0xa80a"), "0");
        let controller = format!("{pci}/nvme/nvme0");
        tree.files(
            &controller,
            &[("state", state), ("serial", serial), ("model", serial)],
        );
        tree.link("sys/class/nvme/nvme0", &controller);
        fs::create_dir_all(tree.at("sys/class/block")).unwrap();
        let drives = read(&tree).drives;
        drives.first().map(|drive| drive.identity.serial.clone())
    };
    // While it connects the kernel has nothing to show and prints so; while it goes, it is its namespaces that went first.
    for (state, serial, expected) in [
        ("live", "S64", Some(Some("S64"))),
        ("resetting", "S64", Some(Some("S64"))),
        ("dead", "(efault)", Some(None)),
        ("connecting", "(efault)", None),
        ("new", "", None),
        ("deleting", "S64", None),
        ("deleting (no IO)", "S64", None),
    ] {
        let seen = seen_as(&format!("{state}\n"), &format!("{serial}\n"));
        assert_eq!(
            seen,
            expected.map(|serial| serial.map(str::to_owned)),
            "{state} {serial}"
        );
    }
}

#[test]
fn a_drive_with_several_ways_to_it_is_one_drive() {
    let tree = Tree::empty();
    let pci = tree.pci("0000:5e:00.0", "0x010802", ("0x144d", "0xa80a"), "0");
    let controller = format!("{pci}/nvme/nvme0");
    tree.files(&controller, &[("transport", "pcie")]);
    tree.files(
        &format!("{controller}/nvme0c0n1"),
        &[("hidden", "1"), ("size", "8")],
    );
    tree.link(&format!("{controller}/nvme0c0n1/device"), &controller);
    tree.link("sys/class/block/nvme0c0n1", &format!("{controller}/nvme0c0n1"));
    let subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
    tree.files(subsystem, &[("model", "TWOWAYS"), ("serial", "1")]);
    tree.link(&format!("{subsystem}/nvme0"), &controller);
    tree.files(&format!("{subsystem}/nvme0n1"), &[("size", "8"), ("hidden", "0")]);
    tree.link(&format!("{subsystem}/nvme0n1/device"), subsystem);
    tree.link("sys/class/block/nvme0n1", &format!("{subsystem}/nvme0n1"));
    let seen = read(&tree);
    let [drive] = seen.drives.as_slice() else {
        panic!("{:?}", seen.drives)
    };
    assert_eq!(drive.identity.model.as_deref(), Some("TWOWAYS"));
    assert_eq!(drive.pci.unwrap().to_string(), "0000:5e:00.0");
}
