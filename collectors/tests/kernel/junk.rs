//! Files that hold anything: every source survives them, and what it shows is finite and not negative where it counts.

use collectors::Root;
use proptest::prelude::*;

use crate::page::{Sources, wishes};
use crate::tree::Tree;

const CPU: &str = "sys/devices/system/cpu/cpu0";

/// Files of every source.
fn files() -> Vec<String> {
    let below = |directory: &str, names: &str| -> Vec<String> {
        names
            .split_whitespace()
            .map(|name| format!("{directory}/{name}"))
            .collect()
    };
    let mut files = below(
        "proc",
        "stat meminfo diskstats loadavg schedstat vmstat pressure/io net/dev net/softnet_stat net/snmp net/snmp6 net/netstat \
         net/sockstat net/arp net/udp sys/fs/file-nr sys/kernel/random/poolsize sys/kernel/osrelease",
    );
    files.extend(below(
        "sys/devices/system/node/node0",
        "meminfo numastat cpulist hugepages/hugepages-2048kB/nr_hugepages",
    ));
    files.extend(below(
        CPU,
        "cpufreq/scaling_cur_freq cpufreq/cpuinfo_max_freq thermal_throttle/core_throttle_count",
    ));
    files.extend(below(
        CPU,
        "topology/core_id topology/physical_package_id cache/index3/id",
    ));
    files.extend(below(
        "sys/fs/resctrl/mon_data/mon_L3_00",
        "mbm_total_bytes llc_occupancy",
    ));
    files.extend(below(
        "sys/devices/system/edac/mc/mc0",
        "ce_count dimm0/dimm_ce_count dimm0/dimm_label csrow0/ch0_ce_count",
    ));
    files.extend(below(
        "sys/class/hwmon/hwmon0",
        "name temp1_input temp1_label fan1_alarm",
    ));
    files.extend(below(
        "sys/class",
        "thermal/thermal_zone0/temp net/eth0/ifindex net/eth0/speed net/eth0/flags",
    ));
    files.extend(below(
        "sys/class",
        "powercap/intel-rapl:0/name powercap/intel-rapl:0/energy_uj nvme/nvme0/model",
    ));
    files
}

/// What broken drivers and cut files leave: nothing, words, signs, too much, bytes, and lines that are nearly right.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"N/A\n".to_vec()),
        Just(b"-1\n".to_vec()),
        Just(b"18446744073709551616".to_vec()),
        Just(b"18446744073709551615\n".to_vec()),
        Just(b"nan".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..60),
        "(cpu0|MemTotal:|eth0:|Tcp:|8 0 sda|some|numa_hit|package-0|0-3)( [0-9a-f.:-]{1,20}){0,18}\n"
            .prop_map(String::into_bytes),
    ]
}

/// What the test below found after some thousand cases.
#[test]
fn an_energy_below_zero_is_absent() {
    let tree = Tree::empty();
    let energies = || {
        let mut sources = Sources::of(
            &Root::at(tree.path()).unwrap(),
            &wishes(true, true),
            &["node_parts"],
        );
        let page = sources.page().into_iter();
        page.filter(|((name, _), _)| name == "node_rapl_package_joules_total")
            .count()
    };
    tree.write("sys/class/powercap/intel-rapl:0/name", b"package-0\n");
    tree.write("sys/class/powercap/intel-rapl:0/energy_uj", b"-1\n");
    assert_eq!(energies(), 0);
    tree.write("sys/class/powercap/intel-rapl:0/energy_uj", b"1000000\n");
    assert_eq!(energies(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_bytes_in_any_file_are_survived(turns in proptest::collection::vec(proptest::collection::vec(contents(), 48), 2)) {
        let tree = Tree::empty();
        let names = ["cpu", "memory", "pressure", "network", "disk_io", "cpu_frequency", "resctrl", "edac", "node", "node_parts", "node_hwmon"];
        let mut sources = Sources::of(&Root::at(tree.path()).unwrap(), &wishes(true, true), &names);
        for turn in turns {
            for (file, bytes) in files().iter().zip(&turn) {
                tree.write(file, bytes);
            }
            for ((name, labels), number) in sources.page() {
                prop_assert!(number.is_finite(), "{name} {labels:?} {number}");
                prop_assert!(number >= 0.0 || !name.ends_with("_total"), "{name} {labels:?} {number}");
            }
        }
    }
}
