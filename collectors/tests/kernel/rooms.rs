//! Rooms on written trees: what each reads, and what broken files do.

use collectors::Root;
use facts::NoData;

use crate::page::{Sources, at, rows, wishes};
use crate::tree::Tree;

fn root(tree: &Tree) -> Root {
    Root::at(tree.path()).unwrap()
}

#[test]
fn resctrl_sums_control_groups_and_says_what_is_unavailable() {
    let tree = Tree::empty();
    let data = "sys/fs/resctrl";
    let mut sources = Sources::of(&root(&tree), &wishes(false, false), &["resctrl"]);
    let (reason, message) = sources.invalid().unwrap_err();
    assert_eq!(reason, NoData::Absent);
    assert!(
        message.contains("sys/fs/resctrl") && message.contains("not mounted"),
        "{message}"
    );
    for (cpu, cache, socket) in [(0, 0, 0), (1, 1, 1)] {
        let cpu = format!("sys/devices/system/cpu/cpu{cpu}");
        tree.write(&format!("{cpu}/cache/index3/id"), cache.to_string());
        tree.write(&format!("{cpu}/topology/physical_package_id"), socket.to_string());
    }
    let domain = |group: &str, domain: &str, counts: [&str; 3]| {
        let directory = format!("{data}{group}/mon_data/{domain}");
        let names = ["mbm_total_bytes", "mbm_local_bytes", "llc_occupancy"];
        for (name, count) in names.iter().zip(counts) {
            tree.write(&format!("{directory}/{name}"), count);
        }
    };
    domain("", "mon_L3_00", ["100\n", "60\n", "4096\n"]);
    domain("", "mon_L3_01", ["7\n", "Unavailable\n", "Error\n"]);
    domain("/red", "mon_L3_00", ["50", "10", "1024"]);
    // Counted in its control group already.
    domain("/mon_groups/watched", "mon_L3_00", ["50", "10", "1024"]);
    let page = sources.page();
    let total = |page, cache: &str, scope: &str| {
        let labels = [("socket", cache), ("cache", cache), ("scope", scope)];
        at(page, "busbar_llc_memory_bytes_total", &labels)
    };
    assert_eq!(total(&page, "0", "total"), Some(150.0));
    assert_eq!(total(&page, "0", "local"), Some(70.0));
    assert_eq!(
        (total(&page, "1", "total"), total(&page, "1", "local")),
        (Some(7.0), None)
    );
    let filled = |cache: &str| {
        at(
            &page,
            "busbar_llc_occupancy_bytes",
            &[("socket", cache), ("cache", cache)],
        )
    };
    assert_eq!((filled("0"), filled("1")), (Some(5120.0), None));
    assert_eq!(sources.invalid(), Ok(2));
    // A group that is removed takes nothing with it.
    std::fs::remove_dir_all(tree.at(&format!("{data}/red"))).unwrap();
    domain("", "mon_L3_00", ["110", "60", "0"]);
    assert_eq!(total(&sources.page(), "0", "total"), Some(160.0));
}

/// Three memory controllers: by DIMM, by the old rows and channels, and by sums alone.
fn memory_controllers() -> Tree {
    let tree = Tree::empty();
    let mc = "sys/devices/system/edac/mc";
    tree.files(
        &format!("{mc}/mc0"),
        &[
            ("ce_count", "9\n"),
            ("ue_count", "1\n"),
            ("ce_noinfo_count", "2\n"),
            ("ue_noinfo_count", "0\n"),
        ],
    );
    for (dimm, label, count) in [("dimm0", "CPU0_A1", "3\n"), ("dimm3", "CPU0_A1", "4\n")] {
        let files = [
            ("dimm_label", label),
            ("dimm_location", "channel 1 slot 0 \n"),
            ("dimm_ce_count", count),
            ("dimm_ue_count", "N/A"),
        ];
        tree.files(&format!("{mc}/mc0/{dimm}"), &files);
    }
    tree.files(
        &format!("{mc}/mc1"),
        &[
            ("ce_count", "5"),
            ("ue_count", "0"),
            ("ce_noinfo_count", "0"),
            ("ue_noinfo_count", "0"),
        ],
    );
    tree.files(
        &format!("{mc}/mc1/csrow2"),
        &[
            ("ce_count", "5"),
            ("ue_count", "0"),
            ("ch0_ce_count", "1"),
            ("ch1_ce_count", "4"),
            ("ch1_dimm_label", "B2"),
        ],
    );
    tree.files(&format!("{mc}/mc2"), &[("ce_count", "6"), ("ue_count", "")]);
    tree
}

#[test]
fn edac_tells_each_error_once() {
    let tree = memory_controllers();
    let mut sources = Sources::of(&root(&tree), &wishes(true, false), &["edac"]);
    assert_eq!(sources.invalid(), Ok(3));
    let page = sources.page();
    let name = "busbar_memory_errors_total";
    let corrected = |controller: &str| -> f64 {
        let rows = page.iter().filter(|((family, labels), _)| {
            let has = |pair: (&str, &str)| labels.iter().any(|(key, value)| (&**key, &**value) == pair);
            family == name && has(("severity", "corrected")) && has(("controller", controller))
        });
        rows.map(|(_, count)| count).sum()
    };
    assert_eq!(corrected("0"), 9.0);
    assert_eq!(corrected("1"), 5.0);
    assert_eq!(corrected("2"), 6.0);
    let labels = [
        ("controller", "0"),
        ("channel", "1"),
        ("dimm", "dimm3"),
        ("location", "CPU0_A1"),
        ("severity", "corrected"),
    ];
    assert_eq!(at(&page, name, &labels), Some(4.0));
    assert_eq!(
        at(
            &page,
            "node_edac_correctable_errors_total",
            &[("controller", "1")]
        ),
        Some(5.0)
    );
    let row = [("controller", "1"), ("csrow", "2")];
    assert_eq!(
        at(&page, "node_edac_csrow_correctable_errors_total", &row),
        Some(5.0)
    );
}

#[test]
fn a_packages_throttles_are_not_summed_over_its_cpus() {
    let tree = Tree::empty();
    for (cpu, core, clock) in [
        (0, 0, "1000000"),
        (1, 1, "3000000"),
        (2, 0, "<unknown>"),
        (3, 1, "0"),
    ] {
        let cpu = format!("sys/devices/system/cpu/cpu{cpu}");
        tree.write(&format!("{cpu}/topology/physical_package_id"), "0");
        tree.write(&format!("{cpu}/topology/core_id"), core.to_string());
        tree.write(&format!("{cpu}/thermal_throttle/core_throttle_count"), "5");
        tree.write(&format!("{cpu}/thermal_throttle/package_throttle_count"), "7");
        tree.write(&format!("{cpu}/cpufreq/scaling_cur_freq"), clock);
    }
    let mut sources = Sources::of(&root(&tree), &wishes(false, false), &["cpu_frequency"]);
    assert_eq!(sources.invalid(), Ok(2));
    let page = sources.page();
    let throttles = |scope| {
        at(
            &page,
            "busbar_cpu_throttles_total",
            &[("socket", "0"), ("scope", scope)],
        )
    };
    assert_eq!((throttles("core"), throttles("package")), (Some(10.0), Some(7.0)));
    let clock = |stat| {
        at(
            &page,
            "busbar_cpu_frequency_hertz",
            &[("socket", "0"), ("stat", stat)],
        )
    };
    assert_eq!(
        (clock("min"), clock("avg"), clock("max")),
        (Some(1e9), Some(2e9), Some(3e9))
    );
    let page = Sources::of(&root(&tree), &wishes(false, true), &["cpu_frequency"]).page();
    let labels = [("socket", "0"), ("cpu", "1")];
    assert_eq!(at(&page, "busbar_cpu_frequency_hertz", &labels), Some(3e9));
}

#[test]
fn a_page_in_rows_of_cpus_has_the_same_sums() {
    let tree = Tree::empty();
    tree.write(
        "proc/stat",
        "cpu 0 0 0 0\ncpu0 100 0 0 5\ncpu1 250 0 0 7\nctxt 1\n",
    );
    let sum = |per_cpu| -> f64 {
        let page = Sources::of(&root(&tree), &wishes(false, per_cpu), &["cpu"]).page();
        let name = "busbar_cpu_time_seconds_total";
        assert_eq!(rows(&page, name), if per_cpu { 16 } else { 8 });
        let of_family = page.iter().filter(|((family, _), _)| family == name);
        of_family.map(|(_, seconds)| seconds).sum()
    };
    assert_eq!((sum(false), sum(true)), (3.62, 3.62));
}

#[test]
fn huge_pages_are_told_by_size_and_numa_node() {
    let tree = Tree::empty();
    tree.write("proc/meminfo", "MemTotal: 100 kB\nMemFree: 10 kB\n");
    let node = "sys/devices/system/node/node3";
    tree.write("sys/devices/system/node/online", "3\n");
    tree.write(
        &format!("{node}/meminfo"),
        "Node 3 MemTotal: 100 kB\nNode 3 MemFree: 40 kB\n",
    );
    tree.write(&format!("{node}/numastat"), "numa_hit 5\nnuma_miss -4\n");
    for (size, total) in [("2048", "3"), ("1048576", "1")] {
        let directory = format!("{node}/hugepages/hugepages-{size}kB");
        tree.files(
            &directory,
            &[
                ("nr_hugepages", total),
                ("free_hugepages", "1"),
                ("surplus_hugepages", "x"),
            ],
        );
    }
    tree.write("sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "2");
    let mut sources = Sources::of(&root(&tree), &wishes(false, false), &["memory"]);
    assert_eq!(sources.invalid(), Ok(3));
    let page = sources.page();
    let memory = |state| {
        at(
            &page,
            "busbar_numa_memory_bytes",
            &[("numa_node", "3"), ("state", state)],
        )
    };
    assert_eq!(
        (memory("used"), memory("total")),
        (Some(61_440.0), Some(102_400.0))
    );
    assert_eq!(memory("hugepages"), Some((3.0 * 2048.0 + 1_048_576.0) * 1024.0));
    let reserved = [("page_bytes", "2097152"), ("state", "reserved")];
    assert_eq!(at(&page, "busbar_hugepages", &reserved), Some(2.0));
    let hit = [("numa_node", "3"), ("result", "hit")];
    assert_eq!(at(&page, "busbar_numa_allocations_total", &hit), Some(5.0));
    assert_eq!(rows(&page, "busbar_numa_allocations_total"), 1);
}

#[test]
fn traffic_is_that_of_hardware() {
    let tree = Tree::empty();
    tree.write("proc/net/dev", "Inter-| x | y\n face |a|b\n lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n eth0: 10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\nbroken\n");
    tree.write("sys/class/net/eth0/device/vendor", "0x8086");
    tree.write(
        "proc/diskstats",
        " 8 0 sda 1 2 3 4 5 6 7 8 9 1500 11\n 8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n",
    );
    tree.write("sys/class/block/sda/device/type", "0");
    let mut sources = Sources::of(&root(&tree), &wishes(false, false), &["network", "disk_io"]);
    assert_eq!(sources.invalid(), Ok(1));
    let page = sources.page();
    assert_eq!(rows(&page, "busbar_network_bytes_total"), 2);
    let sent = [("device", "eth0"), ("direction", "transmit")];
    assert_eq!(at(&page, "busbar_network_drops_total", &sent), Some(8.0));
    assert_eq!(rows(&page, "busbar_disk_io_bytes_total"), 2);
    let written = [("device", "sda"), ("direction", "write")];
    assert_eq!(at(&page, "busbar_disk_io_bytes_total", &written), Some(3584.0));
    assert_eq!(
        at(&page, "busbar_disk_io_busy_seconds_total", &[("device", "sda")]),
        Some(1.5)
    );
}
