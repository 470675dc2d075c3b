//! Files that hold anything: junk, nothing, gigabytes, a FIFO, a link to this machine. Facts come, and no panic.

use std::os::unix::fs::symlink;

use facts::NoData;
use nix::sys::stat::Mode;
use proptest::prelude::*;

use crate::tree::Tree;
use crate::{down, read};

/// One file of every source.
const FILES: [&str; 20] = [
    "proc/stat",
    "proc/meminfo",
    "proc/sys/kernel/hostname",
    "proc/sys/kernel/osrelease",
    "proc/pressure/cpu",
    "proc/pressure/irq",
    "sys/class/dmi/id/product_name",
    "sys/devices/system/node/node0/meminfo",
    "sys/devices/system/node/node0/cpulist",
    "sys/class/block/sda/size",
    "sys/class/block/sda/device/vpd_pg80",
    "sys/class/block/sda/device/model",
    "sys/class/net/eth0/speed",
    "sys/class/net/eth0/device/numa_node",
    "sys/bus/pci/devices/0000:01:00.0/class",
    "sys/class/powercap/intel-rapl:0/name",
    "sys/class/powercap/intel-rapl:0/energy_uj",
    "sys/class/hwmon/hwmon0/temp1_input",
    "sys/class/hwmon/hwmon0/name",
    "sys/class/thermal/thermal_zone0/temp",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_bytes_in_any_file_are_survived(contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), FILES.len())) {
        let tree = Tree::empty();
        for (file, bytes) in FILES.iter().zip(&contents) {
            tree.write(file, bytes);
        }
        let seen = read(&tree);
        prop_assert!(seen.sources.len() >= 11);
        let json = serde_json::to_string(&seen).unwrap();
        prop_assert!(serde_json::from_str::<facts::Inventory>(&json).is_ok());
    }
}

#[test]
fn garbled_refused_and_absent_are_told_apart() {
    let tree = Tree::empty();
    tree.write("proc/stat", "cpu0 1 2")
        .write("proc/meminfo", b"MemTotal: \xff kB");
    tree.write("proc/pressure/cpu", "some avg10=much");
    let seen = read(&tree);
    let (reason, message) = down(&seen, "pressure").unwrap();
    assert_eq!(reason, NoData::Garbled);
    assert!(
        message.contains("proc/pressure/cpu") && message.contains("expected"),
        "{message}"
    );
    assert_eq!(down(&seen, "cpu").unwrap().0, NoData::Garbled);
    tree.write(
        "proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
    );
    let seen = read(&tree);
    assert_eq!(down(&seen, "pressure"), None);
    assert_eq!(down(&seen, "pressure/cpu").unwrap().0, NoData::Garbled);
}

#[test]
fn nothing_below_a_recorded_machine_leads_to_this_one() {
    let tree = Tree::empty();
    std::fs::create_dir_all(tree.at("proc/sys/kernel")).unwrap();
    symlink("/proc/sys/kernel/osrelease", tree.at("proc/sys/kernel/osrelease")).unwrap();
    symlink("/proc/pressure", tree.at("proc/pressure")).unwrap();
    symlink("/sys/class/net", tree.at("sys/class")).unwrap();
    let seen = read(&tree);
    assert_eq!(seen.machine.kernel, None);
    assert_eq!(down(&seen, "machine").unwrap().0, NoData::Refused);
    assert!(seen.pressure.is_empty() && seen.nics.is_empty());
}

#[test]
fn a_fifo_does_not_hold_us_and_gigabytes_are_not_read() {
    let tree = Tree::empty();
    std::fs::create_dir_all(tree.at("proc/pressure")).unwrap();
    nix::unistd::mkfifo(&tree.at("proc/pressure/cpu"), Mode::S_IRWXU).unwrap();
    let huge = std::fs::File::create(tree.at("proc/stat")).unwrap();
    huge.set_len(64 << 30).unwrap();
    tree.write("sys/class/block/sda/device/model", "X")
        .write("sys/class/block/sda/removable", "0");
    let size = std::fs::File::create(tree.at("sys/class/block/sda/size")).unwrap();
    size.set_len(64 << 30).unwrap();
    let seen = read(&tree);
    assert_eq!(down(&seen, "pressure").unwrap().0, NoData::Garbled);
    let (reason, message) = down(&seen, "cpu").unwrap();
    assert_eq!(reason, NoData::Garbled);
    assert!(message.contains("longer than"), "{message}");
    assert_eq!(seen.drives.len(), 1);
}
