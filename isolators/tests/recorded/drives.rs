//! Whole drives that are lent: who has one already, a stranger under the same name, and one that goes while it is held.

use intent::{DeviceKind, DeviceWish, Intent, Isolation};
use isolators::Step;
use isolators::block::holder;

use super::tree::{Tree, isolation};

const NVME: &str = "/sys/class/block/nvme0n1";

fn held(tree: &Tree) -> String {
    holder(&tree.host, "nvme0n1").unwrap().unwrap_or_default()
}

fn line(number: &str, place: &str, source: &str) -> String {
    format!("36 35 {number} / {place} rw - ext4 {source} rw\n")
}

#[test]
fn whoever_has_a_drive_is_named_with_what_would_free_it() {
    let tree = Tree::v2();
    assert_eq!(held(&tree), "");
    let cases: [(&str, String, &str); 9] = [
        (
            "/proc/1/mountinfo",
            line("259:0", "/srv", "/dev/mapper/x"),
            "mounted at /srv; umount",
        ),
        (
            "/proc/1/mountinfo",
            line("0:44", "/data", "/dev/nvme0n1p2"),
            "mounted at /data",
        ),
        (
            "/proc/swaps",
            "Filename Type\n/dev/nvme0n1p3 partition 1 0 -2\n".to_owned(),
            "swaps to /dev/nvme0n1p3",
        ),
        (
            "/run/udev/data/b259:0",
            "E:ID_FS_TYPE=LVM2_member\n".to_owned(),
            "data (LVM2_member)",
        ),
        (
            "/run/udev/data/b259:0",
            "E:ID_PART_TABLE_TYPE=gpt\n".to_owned(),
            "partition table (gpt)",
        ),
        (
            "/sys/class/block/nvme0n1/nvme0n1p1/partition",
            "1\n".to_owned(),
            "partitions (nvme0n1p1)",
        ),
        (
            "/sys/class/block/nvme0n1/holders/dm-0/x",
            String::new(),
            "part of dm-0; take it out",
        ),
        (
            "/sys/class/block/nvme0n1/device/transport",
            "tcp\n".to_owned(),
            "over tcp and stands in another machine",
        ),
        (
            "/sys/class/block/nvme0n1/device/nvme3/transport",
            "rdma\n".to_owned(),
            "over rdma",
        ),
    ];
    for (file, text, expected) in cases {
        tree.write(file, &text);
        assert!(held(&tree).contains(expected), "{file}: {}", held(&tree));
        std::fs::remove_file(tree.host.real(std::path::Path::new(file))).unwrap();
        let holders = tree
            .host
            .real(std::path::Path::new("/sys/class/block/nvme0n1/holders"));
        let _ = std::fs::remove_dir_all(holders);
    }
}

#[test]
fn names_that_only_begin_alike_and_drives_of_this_machine_are_free() {
    let tree = Tree::v2();
    tree.write(
        "/proc/1/mountinfo",
        &(line("8:0", "/a", "/dev/nvme0n10p1") + &line("8:1", "/b", "/dev/nvme0n1x")),
    );
    tree.write(&format!("{NVME}/device/transport"), "pcie\n");
    assert_eq!(held(&tree), "");
    assert!(
        holder(&tree.host, "sda1")
            .unwrap_err()
            .to_string()
            .contains("name its whole device")
    );
    assert!(holder(&tree.host, "../../etc").is_err());
}

#[test]
fn a_drive_that_the_rack_lent_to_this_node_is_free_with_what_its_tenant_left_there() {
    let tree = Tree::v2();
    tree.write(&format!("{NVME}/device/transport"), "tcp\n");
    tree.write(&format!("{NVME}/nvme0n1p1/partition"), "1\n");
    tree.write("/run/udev/data/b259:0", "E:ID_FS_TYPE=ext4\n");
    tree.write(&format!("{NVME}/device/subsysnqn"), "nqn.2020-01.org.other:x\n");
    assert!(
        held(&tree).contains("stands in another machine"),
        "{}",
        held(&tree)
    );
    let ours = "nqn.2026-11.dev.busbar:drive:S1:4\n";
    tree.write(&format!("{NVME}/device/subsysnqn"), ours);
    assert_eq!(held(&tree), "");
    tree.write("/proc/swaps", "Filename Type\n/dev/nvme0n1 partition 1 0 -2\n");
    assert!(held(&tree).contains("swaps to"), "{}", held(&tree));
}

fn wish() -> DeviceWish {
    DeviceWish {
        kind: DeviceKind::Block,
        device: Some("nvme0n1".to_owned()),
        uuid: Some("eui.1".to_owned()),
        pci: None,
    }
}

fn web() -> Isolation {
    Isolation {
        devices: Some(vec![wish()]),
        ..isolation("web", "2-3", false)
    }
}

#[test]
fn a_grant_never_slides_onto_a_stranger_and_one_that_goes_stops_nobody() {
    let tree = Tree::v2();
    tree.write(&format!("{NVME}/wwid"), "eui.2\n");
    let said = tree.refusal(web()).to_string();
    assert!(
        said.contains("another drive is called nvme0n1 now (eui.2)"),
        "{said}"
    );
    tree.write(&format!("{NVME}/wwid"), "eui.1\n");
    let one = Intent::default()
        .with(web())
        .with(isolation("plain", "2-3", false));
    let steps = tree.converge(&one);
    let denied = |(_, step): &(_, Step)| matches!(step, Step::AllowDevices { dir, rules, .. } if dir.ends_with("plain") && rules[0].to_string() == "deny b 259:0");
    assert!(steps.iter().any(denied), "nobody else opens it: {steps:?}");
    std::fs::remove_dir_all(tree.host.real(std::path::Path::new(NVME))).unwrap();
    let two = one.with(isolation("late", "2-3", false));
    tree.converge(&two);
    assert!(tree.plan(&two).is_empty());
}
