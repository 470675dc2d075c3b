//! Drawings of machines that are put together here: everything is there once, and a large machine stays short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use facts::drive::Drive;
use facts::observation::Source;
use facts::topology::{Cache, CacheKind, Core, Cpu, NumaNode, Package};
use facts::{Bytes, CoreId, CpuId, CpuSet, Identity, NoData, NumaNodeId, NumaSet, PackageId, SourceStatus};

use super::*;

const PLAIN: Style = Style { colours: false };

/// A machine of packages with NUMA nodes, each with L3s of some cores of two CPUs; the second CPUs are numbered behind.
fn machine(packages: u32, nodes: u32, caches: u32, cores: u32) -> Inventory {
    let mut seen = Inventory::default();
    let all_cores = packages * nodes * caches * cores;
    let cpus_of = |first: u32, many: u32| -> CpuSet {
        (first..first + many)
            .flat_map(|core| [CpuId(core), CpuId(core + all_cores)])
            .collect()
    };
    for package in 0..packages {
        let a_package = nodes * caches * cores;
        seen.packages.push(Package {
            id: PackageId(package),
            identity: Identity {
                model: Some("Some  CPU".to_owned()),
                ..Identity::default()
            },
            cpus: cpus_of(package * a_package, a_package),
            numa_nodes: NumaSet::new(),
            dies: 1,
        });
    }
    for node in 0..packages * nodes {
        seen.numa_nodes.push(NumaNode {
            id: NumaNodeId(node),
            cpus: cpus_of(node * caches * cores, caches * cores),
            memory_bytes: Some(Bytes::new(64 << 30)),
            distances: (0..packages * nodes)
                .map(|to| if to == node { 10 } else { 21 })
                .collect(),
            memory_kind: String::new(),
        });
    }
    for cache in 0..packages * nodes * caches {
        seen.caches.push(Cache {
            level: 3,
            kind: CacheKind::Unified,
            size_bytes: Some(Bytes::new(32 << 20)),
            cpus: cpus_of(cache * cores, cores),
        });
    }
    for core in 0..all_cores {
        let cpus = cpus_of(core, 1);
        seen.cpus.extend(cpus.iter().map(|id| Cpu {
            id,
            core: Some(CoreId(core)),
            package: None,
            numa_node: None,
            usable: true,
        }));
        seen.cores.push(Core {
            id: CoreId(core),
            os_id: None,
            package: None,
            die: None,
            numa_nodes: NumaSet::new(),
            cpus,
            kind: None,
        });
    }
    seen
}

fn drive(device: &str, node: u32) -> Drive {
    Drive {
        identity: Identity {
            model: Some("FAST".to_owned()),
            ..Identity::default()
        },
        numa_node: Some(NumaNodeId(node)),
        device: device.to_owned(),
        transport: Some("nvme".to_owned()),
        size_bytes: Bytes::new(4 << 40),
        rotational: Some(false),
        ..Drive::default()
    }
}

fn drawn(seen: &Inventory) -> String {
    text(seen, Path::new("/recorded"), PLAIN)
}

#[test]
fn a_large_machine_is_short_and_whole() {
    let mut seen = machine(2, 4, 2, 8);
    seen.drives = (0..6)
        .map(|number| drive(&format!("nvme{number}n1"), 5))
        .collect();
    let drawn = drawn(&seen);
    assert!(drawn.lines().count() < 30, "{drawn}");
    assert!(
        drawn.contains("2 packages · 8 NUMA nodes · 128 cores · 256 CPUs · 6 drives"),
        "{drawn}"
    );
    for piece in [
        "package 1  Some CPU",
        "NUMA node 7  64 GiB  distance 10, to others 21",
        "2 × L3 32 MiB  each 8 cores  16 cores 112-127, 2 CPUs each = CPUs 112-127,240-255",
        "6 drives  nvme0n1 … nvme5n1  FAST  4 TiB  nvme each",
    ] {
        assert!(drawn.contains(piece), "{piece} is missing:\n{drawn}");
    }
    let place = |text: &str| drawn.find(text).unwrap();
    assert!(
        place("NUMA node 5") < place("6 drives  nvme0n1")
            && place("6 drives  nvme0n1") < place("NUMA node 6"),
        "{drawn}"
    );
}

#[test]
fn a_thousand_packages_are_a_few_lines() {
    let mut seen = machine(1_000, 1, 1, 1);
    seen.drives.push(drive("nvme0n1", 500));
    let drawn = drawn(&seen);
    assert!(drawn.lines().count() < 12, "{drawn}");
    assert!(drawn.contains("packages 0-499"), "{drawn}");
    assert!(drawn.contains("each 1 NUMA node of 64 GiB, 1 core"), "{drawn}");
}

#[test]
fn nothing_known_is_said_in_few_words() {
    let mut seen = Inventory::default();
    seen.sources.push(Source {
        status: SourceStatus::Down {
            reason: NoData::Absent,
            message: "/recorded/sys/class/net is not there".to_owned(),
        },
        ..Source::pending("nic", std::time::Duration::from_secs(1))
    });
    let drawn = drawn(&seen);
    assert!(drawn.contains("a machine without a name"), "{drawn}");
    assert!(
        drawn.contains("nic  absent  /sys/class/net is not there"),
        "{drawn}"
    );
}

#[test]
fn colours_are_escape_codes_and_nothing_else() {
    let seen = machine(1, 1, 1, 2);
    let painted = text(&seen, Path::new("/"), Style { colours: true });
    assert!(painted.contains("\x1b["));
    let mut plain = String::new();
    let mut inside = false;
    for c in painted.chars() {
        match (inside, c) {
            (false, '\x1b') => inside = true,
            (true, 'm') => inside = false,
            (false, c) => plain.push(c),
            (true, _) => {}
        }
    }
    assert_eq!(plain, text(&seen, Path::new("/"), PLAIN));
}
