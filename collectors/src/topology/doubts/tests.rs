//! Machines put together from files: each contradiction is one doubt, and what is merely odd is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use facts::NumaNodeId;
use facts::topology::{CacheKind, NumaNode};
use proptest::prelude::*;

use super::*;

fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = Root::at(dir.path()).unwrap();
    (dir, root)
}

fn node(id: u32, distances: &[u32], mebibytes: u64) -> NumaNode {
    NumaNode {
        id: NumaNodeId(id),
        cpus: CpuSet::new(),
        memory_bytes: Some(Bytes::new(mebibytes << 20)),
        distances: distances.to_vec(),
        memory_kind: String::new(),
    }
}

fn with_nodes(nodes: Vec<NumaNode>) -> Topology {
    Topology {
        numa_nodes: nodes,
        ..Topology::default()
    }
}

fn codes(files: &[(&str, &str)], topology: &Topology) -> Vec<String> {
    let (_dir, root) = root(files);
    doubts(&root, topology)
        .into_iter()
        .map(|doubt| doubt.code)
        .collect()
}

#[test]
fn odd_machines_are_not_wrong_ones() {
    // Sparse numbers, a NUMA node without CPUs and one without memory, distances that differ but agree both ways.
    let files = [
        ("sys/devices/system/cpu/online", "0,4,8"),
        ("sys/devices/system/cpu/present", "0,4,8,12"),
        ("sys/devices/system/cpu/possible", "0-63"),
        ("sys/devices/system/node/online", "0,3,7"),
        ("sys/devices/system/node/has_memory", "0,7"),
        ("sys/devices/system/node/node0/cpulist", "0,4"),
        ("sys/devices/system/node/node3/cpulist", "8"),
        ("sys/devices/system/node/node7/cpulist", ""),
        ("sys/devices/system/node/node0/distance", "10 21 17"),
        (
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal: 1048576 kB",
        ),
        ("sys/devices/system/node/node3/meminfo", "Node 3 MemTotal: 0 kB"),
        ("proc/meminfo", "MemTotal: 1048576 kB"),
    ];
    let topology = with_nodes(vec![
        node(0, &[10, 21, 17], 1024),
        node(3, &[21, 10, 28], 0),
        node(7, &[17, 28, 10], 0),
    ]);
    assert_eq!(codes(&files, &topology), Vec::<String>::new());
    assert_eq!(codes(&[], &Topology::default()), Vec::<String>::new());
}

#[test]
fn distances_that_cannot_be_are_doubted() {
    let topology = with_nodes(vec![node(0, &[10, 20], 1), node(1, &[21, 30], 1)]);
    let (_dir, root) = root(&[]);
    let all = doubts(&root, &topology);
    let said: Vec<(&str, &str)> = all.iter().map(|doubt| (&*doubt.about, &*doubt.message)).collect();
    assert_eq!(
        said,
        [
            (
                "NUMA node 1",
                "its distance to itself is 30, and to NUMA node 0 it is 21: nearer"
            ),
            (
                "NUMA nodes 0 and 1",
                "their distance is 20 one way and 21 the other"
            ),
        ]
    );
    let many = (0..10).map(|id| node(id, &[20; 10], 1)).collect();
    let all = doubts(&root, &with_nodes(many));
    assert_eq!(all.len(), 4);
    assert!(
        all[3].message.ends_with("(and 6 more of this kind)"),
        "{}",
        all[3].message
    );
}

#[test]
fn a_kernel_that_contradicts_itself_is_doubted() {
    let files = [
        ("sys/devices/system/cpu/online", "0-3,9"),
        ("sys/devices/system/cpu/present", "0-4"),
        ("sys/devices/system/node/online", "0-2"),
        ("sys/devices/system/node/has_memory", "0-1"),
        ("sys/devices/system/node/node0/cpulist", "0-2"),
        ("sys/devices/system/node/node1/cpulist", "2,4"),
        ("sys/devices/system/node/node0/distance", "10"),
        (
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal: 1048576 kB",
        ),
        ("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 0 kB"),
        ("proc/meminfo", "MemTotal: 8388608 kB"),
    ];
    let topology = with_nodes(vec![node(0, &[], 1024), node(1, &[], 0)]);
    let (_dir, root) = root(&files);
    let all = doubts(&root, &topology);
    let codes: Vec<&str> = all.iter().map(|doubt| &*doubt.code).collect();
    let expected = "cpu_lists numa_cpus numa_cpus numa_cpus numa_nodes numa_memory numa_distances memory";
    assert_eq!(codes.join(" "), expected, "{all:#?}");
    for cpu in [2, 3, 4, 9] {
        let number = cpu.to_string();
        assert!(
            all.iter().any(|doubt| doubt.message.contains(&number)),
            "CPU {cpu}: {all:#?}"
        );
    }
    assert!(all.last().unwrap().message.contains("8 GiB"), "{all:#?}");
}

#[test]
fn caches_and_numbers_that_cannot_be_are_doubted() {
    let cache = |level: u32, bytes: u64| Cache {
        level,
        kind: CacheKind::Unified,
        size_bytes: Some(Bytes::new(bytes)),
        cpus: "0-1".parse().unwrap(),
    };
    let topology = Topology {
        caches: vec![
            cache(1, 32 << 10),
            cache(2, 1 << 40),
            cache(3, 0),
            cache(9, 1 << 60),
        ],
        ..Topology::default()
    };
    assert_eq!(codes(&[], &topology), ["cache_size", "cache_size"]);
}

proptest! {
    #[test]
    fn any_text_is_a_list_or_no_doubt_at_all(text in "[0-9, \\-a-zN:]{0,40}") {
        let files = [
            ("sys/devices/system/cpu/online", &*text),
            ("sys/devices/system/cpu/present", &*text),
            ("sys/devices/system/node/node0/cpulist", &*text),
            ("sys/devices/system/node/node0/distance", &*text),
            ("sys/devices/system/node/node1/meminfo", &*text),
            ("proc/meminfo", &*text),
        ];
        let (_dir, root) = root(&files);
        let _ = doubts(&root, &with_nodes(vec![node(0, &[10], 1)]));
    }
}
