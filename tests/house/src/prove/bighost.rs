//! A large server as files: two sockets, 256 CPUs, 16 NVMe drives, 8 network interfaces; for exporters that take another root.
//!
//! Both exporters read the same tree in the same run. What is alike on every machine (protocol counters, virtual memory
//! counters) is taken from the kernel that this runs on; nothing of the machine itself is.

mod cpu;
mod proc;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Wrong;

/// CPUs of the large server: two sockets of 64 cores with two threads each.
const CPUS: usize = 256;
const SOCKETS: usize = 2;
const NICS: usize = 8;
const DRIVES: usize = 16;

/// A tree that is being written.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn put(&self, path: &str, text: impl AsRef<str>) -> Result<(), Wrong> {
        let path = self.root.join(path);
        let wrong = |err| Wrong::Failed(format!("cannot write {}: {err}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(wrong)?;
        }
        fs::write(&path, format!("{}\n", text.as_ref().trim_end_matches('\n'))).map_err(wrong)
    }

    fn put_all(&self, folder: &str, files: &[(&str, String)]) -> Result<(), Wrong> {
        for (name, text) in files {
            self.put(&format!("{folder}/{name}"), text)?;
        }
        Ok(())
    }
}

/// Writes the server below `root`.
pub fn write(root: &Path) -> Result<(), Wrong> {
    let tree = Tree {
        root: root.to_owned(),
    };
    proc::write(&tree)?;
    for cpu in 0..CPUS {
        cpu::write(&tree, cpu)?;
    }
    for name in ["online", "possible", "present"] {
        tree.put(&format!("sys/devices/system/cpu/{name}"), list(0, CPUS - 1))?;
    }
    tree.put("sys/devices/system/cpu/isolated", "")?;
    numa_nodes(&tree)?;
    power_and_sensors(&tree)?;
    parts(&tree)
}

fn list(first: usize, last: usize) -> String {
    format!("{first}-{last}")
}

/// A mask as sysfs prints it: groups of 32 bits, the highest first.
fn mask(cpus: impl Iterator<Item = usize>) -> String {
    let mut words = [0_u32; CPUS / 32];
    for cpu in cpus {
        if let Some(word) = words.get_mut(cpu / 32) {
            *word |= 1 << (cpu % 32);
        }
    }
    let shown: Vec<String> = words.iter().rev().map(|word| format!("{word:08x}")).collect();
    shown.join(",")
}

/// The socket of a CPU: threads 0 and 1 of a core are half of all CPUs apart, as Linux numbers them.
fn socket(cpu: usize) -> usize {
    cpu % (CPUS / 2) / (CPUS / 2 / SOCKETS)
}

fn siblings(cpu: usize) -> [usize; 2] {
    let first = cpu % (CPUS / 2);
    [first, first + CPUS / 2]
}

fn of_socket(socket_of: usize) -> impl Iterator<Item = usize> {
    (0..CPUS).filter(move |cpu| socket(*cpu) == socket_of)
}

fn cpus_of_socket(socket_of: usize) -> String {
    let each = CPUS / 2 / SOCKETS;
    let (first, second) = (socket_of * each, CPUS / 2 + socket_of * each);
    format!(
        "{},{}",
        list(first, first + each - 1),
        list(second, second + each - 1)
    )
}

fn numa_nodes(tree: &Tree) -> Result<(), Wrong> {
    for node in 0..SOCKETS {
        let lines = [
            ("MemTotal", 263_987_456),
            ("MemFree", 131_072_000),
            ("MemUsed", 132_915_456),
            ("Active", 9_000_000),
            ("Inactive", 8_000_000),
            ("Dirty", 12),
            ("FilePages", 7_000_000),
            ("AnonPages", 6_000_000),
            ("Shmem", 5_000),
            ("Slab", 900_000),
        ];
        let text = lines.map(|(name, kibibytes)| format!("Node {node} {name}: {kibibytes} kB"));
        let pages = [
            ("HugePages_Total", 1024),
            ("HugePages_Free", 512),
            ("HugePages_Surp", 0),
        ];
        let pages = pages.map(|(name, count)| format!("Node {node} {name}: {count}"));
        let folder = format!("sys/devices/system/node/node{node}");
        tree.put_all(
            &folder,
            &[
                ("meminfo", format!("{}\n{}", text.join("\n"), pages.join("\n"))),
                ("numastat", "numa_hit 987654321\nnuma_miss 12\nnuma_foreign 34\ninterleave_hit 5600\nlocal_node 987654000\nother_node 321".to_owned()),
                ("distance", if node == 0 { "10 21" } else { "21 10" }.to_owned()),
                ("cpumap", mask(of_socket(node))),
                ("cpulist", cpus_of_socket(node)),
            ],
        )?;
        let pages = [
            ("nr_hugepages", "1024"),
            ("free_hugepages", "512"),
            ("surplus_hugepages", "0"),
        ];
        tree.put_all(
            &format!("{folder}/hugepages/hugepages-2048kB"),
            &pages.map(|(name, text)| (name, text.to_owned())),
        )?;
    }
    for name in ["online", "possible", "has_cpu", "has_memory"] {
        tree.put(&format!("sys/devices/system/node/{name}"), list(0, SOCKETS - 1))?;
    }
    Ok(())
}

fn power_and_sensors(tree: &Tree) -> Result<(), Wrong> {
    for socket in 0..SOCKETS {
        for (zone, name) in [
            (String::new(), format!("package-{socket}")),
            (":0".to_owned(), "dram".to_owned()),
        ] {
            tree.put_all(
                &format!("sys/class/powercap/intel-rapl:{socket}{zone}"),
                &[
                    ("name", name),
                    ("energy_uj", (123_456_789 + socket).to_string()),
                    ("max_energy_range_uj", "262143328850".to_owned()),
                    ("enabled", "1".to_owned()),
                ],
            )?;
        }
    }
    for chip in 0..6 {
        let folder = format!("sys/class/hwmon/hwmon{chip}");
        let (name, sensors) = if chip < 2 { ("coretemp", 66) } else { ("nvme", 3) };
        tree.put(&format!("{folder}/name"), format!("{name}{chip}"))?;
        for sensor in 1..=sensors {
            for (ending, text) in [
                ("input", (41_000 + sensor).to_string()),
                ("max", "95000".to_owned()),
                ("crit", "105000".to_owned()),
                ("crit_alarm", "0".to_owned()),
                ("label", format!("Core {sensor}")),
            ] {
                tree.put(&format!("{folder}/temp{sensor}_{ending}"), text)?;
            }
        }
    }
    for empty in ["sys/class/thermal", "sys/class/block", "sys/class/power_supply"] {
        fs::create_dir_all(tree.root.join(empty)).map_err(|err| Wrong::Failed(err.to_string()))?;
    }
    Ok(())
}

fn parts(tree: &Tree) -> Result<(), Wrong> {
    let fixed = [
        ("addr_assign_type", "0"),
        ("addr_len", "6"),
        ("broadcast", "ff:ff:ff:ff:ff:ff"),
        ("carrier", "1"),
        ("carrier_changes", "2"),
        ("carrier_up_count", "1"),
        ("carrier_down_count", "1"),
        ("dev_id", "0x0"),
        ("dormant", "0"),
        ("duplex", "full"),
        ("flags", "0x1303"),
        ("ifalias", ""),
        ("link_mode", "0"),
        ("mtu", "9000"),
        ("name_assign_type", "4"),
        ("netdev_group", "0"),
        ("operstate", "up"),
        ("speed", "100000"),
        ("tx_queue_len", "1000"),
        ("type", "1"),
    ];
    for nic in 0..NICS {
        let folder = format!("sys/class/net/eth{nic}");
        tree.put_all(&folder, &fixed.map(|(name, text)| (name, text.to_owned())))?;
        tree.put(&format!("{folder}/address"), format!("02:00:00:00:00:0{nic}"))?;
        tree.put(&format!("{folder}/ifindex"), (nic + 1).to_string())?;
        tree.put(&format!("{folder}/iflink"), (nic + 1).to_string())?;
    }
    for drive in 0..DRIVES {
        tree.put_all(
            &format!("sys/class/nvme/nvme{drive}"),
            &[
                ("model", "Large NVMe 3.84TB".to_owned()),
                ("serial", format!("LN{drive:04}")),
                ("firmware_rev", "1.0".to_owned()),
                ("state", "live".to_owned()),
            ],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_sockets_are_as_linux_prints_them() {
        assert_eq!(
            mask([0, 128].into_iter()),
            "00000000,00000000,00000000,00000001,00000000,00000000,00000000,00000001"
        );
        assert_eq!(cpus_of_socket(1), "64-127,192-255");
        assert_eq!((socket(63), socket(64), socket(191), socket(192)), (0, 1, 0, 1));
        assert_eq!(of_socket(0).count(), CPUS / 2);
    }
}
