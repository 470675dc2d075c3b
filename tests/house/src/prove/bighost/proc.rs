//! /proc of the large server.

use std::fs;

use super::{CPUS, DRIVES, NICS, Tree, socket};
use crate::Wrong;

/// Files that are taken from this kernel as they are.
const ALIKE: [&str; 22] = [
    "meminfo",
    "loadavg",
    "vmstat",
    "uptime",
    "version",
    "net/netstat",
    "net/snmp",
    "net/snmp6",
    "net/sockstat",
    "net/sockstat6",
    "net/arp",
    "net/udp",
    "net/udp6",
    "sys/fs/file-nr",
    "sys/kernel/random/entropy_avail",
    "sys/kernel/random/poolsize",
    "sys/kernel/osrelease",
    "pressure/cpu",
    "pressure/memory",
    "pressure/io",
    "self/stat",
    "self/status",
];

pub(super) fn write(tree: &Tree) -> Result<(), Wrong> {
    for name in ALIKE {
        if let Ok(text) = fs::read_to_string(format!("/proc/{name}")) {
            tree.put(&format!("proc/{name}"), text)?;
        }
    }
    for folder in ["self", "1"] {
        tree.put(&format!("proc/{folder}/mounts"), "")?;
        tree.put(&format!("proc/{folder}/mountinfo"), "")?;
    }
    let mut stat = vec!["cpu  31604736 3072 6004736 2528421888 88320 256 252672 0 0 0".to_owned()];
    stat.extend((0..CPUS).map(|n| {
        let (user, system, idle) = (123_456 + n, 23_456 + n, 9_876_648 + n);
        format!("cpu{n} {user} 12 {system} {idle} {} 1 987 0 0 0", 345 + n)
    }));
    stat.push(format!("intr 123456789{}", " 0".repeat(300)));
    stat.extend(
        [
            "ctxt 987654321",
            "btime 1790000000",
            "processes 1234567",
            "procs_running 12",
            "procs_blocked 0",
            "softirq 66 1 2 3 4 5 6 7 8 9 21",
        ]
        .map(str::to_owned),
    );
    tree.put("proc/stat", stat.join("\n"))?;
    per_cpu_counters(tree)
}

/// Counters that have a line a CPU, and those of interfaces and drives.
fn per_cpu_counters(tree: &Tree) -> Result<(), Wrong> {
    let each = |line: &dyn Fn(usize) -> String| (0..CPUS).map(line).collect::<Vec<_>>().join("\n");
    let scheduled = each(&|n| {
        format!(
            "cpu{n} 0 0 0 0 0 0 {} {} {}",
            1_234_567_890 + n,
            234_567 + n,
            34_567 + n
        )
    });
    tree.put(
        "proc/schedstat",
        format!("version 15\ntimestamp 4300000000\n{scheduled}"),
    )?;
    let soft = each(&|n| {
        format!(
            "{:08x} 00000000 00000001{} {n:08x}",
            12_345 + n,
            " 00000000".repeat(9)
        )
    });
    tree.put("proc/net/softnet_stat", soft)?;
    let about = each(&|n| {
        let (socket, core) = (socket(n), n % (CPUS / 4));
        format!(
            "processor\t: {n}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Large(R) CPU\n\
             cpu MHz\t\t: 2500.000\nphysical id\t: {socket}\ncore id\t\t: {core}\ncpu cores\t: 64\nflags\t\t: fpu\n"
        )
    });
    tree.put("proc/cpuinfo", about)?;
    let mut net = vec![
        "Inter-|   Receive                            |  Transmit".to_owned(),
        " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed".to_owned(),
    ];
    net.extend((0..NICS).map(|n| format!("  eth{n}: 12345{n} 7890 0 0 0 0 0 0 65432{n} 4567 0 0 0 0 0 0")));
    tree.put("proc/net/dev", net.join("\n"))?;
    let disk = |n: usize| {
        let counts: Vec<String> = (1..18).map(|k| (1000 * k + n).to_string()).collect();
        format!(" 259 {n} nvme{n}n1 {}", counts.join(" "))
    };
    tree.put(
        "proc/diskstats",
        (0..DRIVES).map(disk).collect::<Vec<_>>().join("\n"),
    )
}
