//! Made-up machines: regular ones of any shape, with distances, GPUs, huge pages and kinds of cores where a test wants them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use facts::gpu::Gpu;
use facts::inventory::HugepagePool;
use facts::topology::{Cache, CacheKind, Core, CoreKind, Cpu, NumaNode, Package};
use facts::{Bytes, CoreId, CpuId, CpuSet, Identity, Inventory, NumaNodeId, PackageId};

/// What each NUMA node of a made-up machine has.
pub const MEMORY: u64 = 8 << 30;

/// Packages, NUMA nodes in each, L3 caches in each, cores in each, CPUs in each core; siblings are neighbours.
pub fn machine(shape: [u32; 5]) -> Inventory {
    let [packages, numa_nodes, caches, cores, threads] = shape;
    let mut inventory = Inventory::default();
    let mut next = 0;
    let mut range = |count: u32| -> CpuSet {
        next += count;
        (next - count..next).map(CpuId).collect()
    };
    for package in 0..packages {
        let mut in_package = CpuSet::new();
        for _ in 0..numa_nodes {
            let mut in_numa_node = CpuSet::new();
            for _ in 0..caches {
                let mut in_cache = CpuSet::new();
                for _ in 0..cores {
                    let cpus = range(threads);
                    inventory.cores.push(core(inventory.cores.len(), &cpus));
                    in_cache.add(&cpus);
                }
                in_numa_node.add(&in_cache);
                inventory.caches.push(Cache {
                    level: 3,
                    kind: CacheKind::Unified,
                    size_bytes: None,
                    cpus: in_cache,
                });
            }
            in_package.add(&in_numa_node);
            let id = u32::try_from(inventory.numa_nodes.len()).unwrap();
            inventory.numa_nodes.push(numa_node(id, in_numa_node));
        }
        inventory.cpus.extend(in_package.iter().map(cpu));
        inventory.packages.push(Package {
            id: PackageId(package),
            identity: Identity::default(),
            cpus: in_package,
            numa_nodes: Default::default(),
            dies: 1,
        });
    }
    inventory
}

pub fn numa_node(id: u32, cpus: CpuSet) -> NumaNode {
    NumaNode {
        id: NumaNodeId(id),
        cpus,
        memory_bytes: Some(Bytes::new(MEMORY)),
        distances: Vec::new(),
        memory_kind: String::new(),
    }
}

fn cpu(id: CpuId) -> Cpu {
    Cpu {
        id,
        core: None,
        package: None,
        numa_node: None,
        usable: true,
    }
}

fn core(number: usize, cpus: &CpuSet) -> Core {
    Core {
        id: CoreId(u32::try_from(number).unwrap()),
        os_id: None,
        package: None,
        die: None,
        numa_nodes: Default::default(),
        cpus: cpus.clone(),
        kind: None,
    }
}

/// As most servers have them: 10 to itself, 12 in the package, 21 to the other.
pub fn with_distances(mut inventory: Inventory) -> Inventory {
    let home = |cpus: &CpuSet| {
        let first = cpus.first();
        let holds = |package: &Package| first.is_some_and(|first| package.cpus.contains(first));
        inventory.packages.iter().position(holds)
    };
    let homes: Vec<_> = inventory.numa_nodes.iter().map(|node| home(&node.cpus)).collect();
    for (at, node) in inventory.numa_nodes.iter_mut().enumerate() {
        let distance = |other: usize| match (other == at, homes[other] == homes[at]) {
            (true, _) => 10,
            (false, true) => 12,
            (false, false) => 21,
        };
        node.distances = (0..homes.len()).map(distance).collect();
    }
    inventory
}

/// One GPU at each of these NUMA nodes.
pub fn with_gpus(mut inventory: Inventory, numa_nodes: &[u32]) -> Inventory {
    for (number, numa_node) in numa_nodes.iter().enumerate() {
        inventory.gpus.push(Gpu {
            identity: Identity::default(),
            uuid: Some(format!("GPU-{number}")),
            pci: Some(format!("0000:{number:02x}:00.0").parse().unwrap()),
            pci_id: None,
            numa_node: Some(NumaNodeId(*numa_node)),
            device: Some(format!("nvidia{number}")),
            memory_bytes: None,
            readings: None,
        });
    }
    inventory
}

/// So many bytes in pages of 2 MiB on each NUMA node.
pub fn with_hugepages(mut inventory: Inventory, bytes: u64) -> Inventory {
    let pools = inventory.numa_nodes.iter().map(|node| HugepagePool {
        numa_node: node.id,
        page_bytes: Bytes::new(2 << 20),
        total_bytes: Bytes::new(bytes),
    });
    inventory.hugepages = pools.collect();
    inventory
}

/// The first cores are the fast kind, the rest the efficient kind.
pub fn with_kinds(mut inventory: Inventory, fast: usize) -> Inventory {
    let of = |cores: &[Core]| {
        let mut cpus = CpuSet::new();
        cores.iter().for_each(|core| cpus.add(&core.cpus));
        cpus
    };
    let (first, rest) = inventory.cores.split_at(fast);
    let kind = |id, name: &str, cpus| CoreKind {
        id,
        name: Some(name.to_owned()),
        max_megahertz: None,
        cpus,
    };
    inventory.core_kinds = vec![kind(0, "slow", of(rest)), kind(1, "fast", of(first))];
    inventory
}
