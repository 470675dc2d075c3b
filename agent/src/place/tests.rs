//! Placement on made-up machines: examples, and what must hold for all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use facts::topology::{Cache, CacheKind, Core, Cpu, NumaNode, Package};
use facts::{Bytes, CoreId, CpuId, Identity, NumaNodeId, PackageId};
use proptest::prelude::*;

use super::*;

/// Packages, NUMA nodes in each, L3 caches in each, cores in each, CPUs in each core; siblings are neighbours.
fn machine(shape: [u32; 5]) -> Inventory {
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
                    in_cache = in_cache.union(&cpus);
                }
                in_numa_node = in_numa_node.union(&in_cache);
                let kind = CacheKind::Unified;
                inventory.caches.push(Cache {
                    level: 3,
                    kind,
                    size_bytes: None,
                    cpus: in_cache,
                });
            }
            in_package = in_package.union(&in_numa_node);
            let id = NumaNodeId(u32::try_from(inventory.numa_nodes.len()).unwrap());
            inventory.numa_nodes.push(NumaNode {
                id,
                cpus: in_numa_node,
                memory_bytes: Some(Bytes::new(8 << 30)),
                distances: Vec::new(),
                memory_kind: String::new(),
            });
        }
        for cpu in in_package.iter() {
            inventory.cpus.push(Cpu {
                id: cpu,
                core: None,
                package: None,
                numa_node: None,
                usable: true,
            });
        }
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

fn ask(cpus: u32, exclusive: bool) -> Ask {
    Ask {
        cpus,
        exclusive,
        ..Ask::default()
    }
}

fn try_place(inventory: &Inventory, cpus: u32, taken: &[Taken]) -> Result<Offer, Refusal> {
    place(&ask(cpus, true), inventory, taken, None, Generation(1))
}

fn holder(name: &str, cpus: &str) -> Taken {
    Taken {
        workload: name.parse().unwrap(),
        cpus: cpus.parse().unwrap(),
    }
}

#[test]
fn two_cpus_one_reserved_is_the_smallest_machine() {
    let small = machine([1, 1, 1, 2, 1]);
    let offer = try_place(&small, 1, &[]).unwrap();
    assert_eq!(
        (offer.cpus.to_string(), offer.numa_nodes.to_string()),
        ("1".into(), "0".into())
    );
    let refusal = try_place(&small, 2, &[]).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "asked 2 exclusive CPUs; 1 is free: CPU 0 is reserved for the host"
    );
    let refusal = try_place(&small, 1, &[holder("web", "1")])
        .unwrap_err()
        .to_string();
    assert_eq!(
        refusal,
        "asked 1 exclusive CPU; 0 are free: CPU 0 is reserved for the host, CPU 1 is held by web"
    );
    let offer = place(&ask(1, false), &small, &[holder("web", "1")], None, Generation(1)).unwrap();
    assert_eq!(offer.cpus.to_string(), "0");
    let refusal = place(&ask(2, false), &small, &[holder("web", "1")], None, Generation(1)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "asked 2 CPUs; 1 is shared: 1 of 2 usable are lent exclusively"
    );
    assert!(
        try_place(&machine([1, 1, 1, 1, 1]), 1, &[]).is_err(),
        "the only CPU is the host's"
    );
}

#[test]
fn the_smallest_part_that_fits_holds_all() {
    // 2 packages x 2 NUMA nodes x 2 caches x 4 cores x 2 CPUs.
    let big = machine([2, 2, 2, 4, 2]);
    let cpus = |wanted, taken: &[Taken]| try_place(&big, wanted, taken).unwrap().cpus.to_string();
    assert_eq!(
        cpus(32, &[]),
        "32-63",
        "a whole package, and the one where the host keeps no core"
    );
    assert_eq!(
        cpus(16, &[]),
        "16-31",
        "a whole NUMA node, of the package that is left fullest"
    );
    assert_eq!(cpus(8, &[]), "8-15", "a whole cache");
    assert_eq!(cpus(4, &[]), "2-5", "beside the host's core, where 6 are free");
    assert_eq!(cpus(1, &[]), "2");
    assert_eq!(
        cpus(2, &[holder("web", "2")]),
        "4-5",
        "not the other half of web's core"
    );
    let offer = try_place(&big, 1, &[]).unwrap();
    assert!(
        offer
            .because
            .iter()
            .any(|line| line.starts_with("CPU 3 shares a core")),
        "{:?}",
        offer.because
    );
    let wide = try_place(&big, 40, &[]).unwrap();
    assert!(
        wide.cpus.iter().filter(|cpu| cpu.0 >= 32).count() == 32,
        "{}",
        wide.cpus
    );
}

#[test]
fn memory_comes_from_near_and_spreads_only_when_it_must() {
    let mut two = machine([2, 1, 1, 4, 1]);
    let asked = |bytes| Ask {
        memory_bytes: Some(Bytes::new(bytes)),
        ..ask(4, true)
    };
    let offer = place(&asked(1 << 30), &two, &[], None, Generation(1)).unwrap();
    assert_eq!(offer.numa_nodes.to_string(), "1");
    let offer = place(&asked(9 << 30), &two, &[], None, Generation(1)).unwrap();
    assert_eq!(offer.numa_nodes.to_string(), "0-1");
    assert!(
        offer
            .because
            .iter()
            .any(|line| line.contains("more than NUMA node 1 has"))
    );
    let refusal = place(&asked(1 << 40), &two, &[], None, Generation(1)).unwrap_err();
    assert_eq!(refusal.to_string(), "asked 1 TiB of memory; this node has 16 GiB");
    assert!(matches!(
        place(&asked(0), &two, &[], None, Generation(1)),
        Err(Refusal::BadAsk(_))
    ));
    two.numa_nodes[1].memory_bytes = Some(Bytes::ZERO);
    let offer = try_place(&two, 4, &[]).unwrap();
    assert_eq!(
        offer.numa_nodes.to_string(),
        "0",
        "a NUMA node without memory gives none"
    );
}

#[test]
fn nonsense_is_refused_with_what_was_expected() {
    let small = machine([1, 1, 1, 2, 1]);
    assert!(matches!(try_place(&small, 0, &[]), Err(Refusal::BadAsk(_))));
    assert!(matches!(
        try_place(&small, u32::MAX, &[]),
        Err(Refusal::Shortfall(_))
    ));
    assert_eq!(try_place(&Inventory::default(), 1, &[]), Err(Refusal::Unknown));
}

/// What must hold however the machine looks: grants until nothing fits any more.
fn fill(inventory: &Inventory, asks: &[u32], reserved: Option<&CpuSet>) -> Result<(), TestCaseError> {
    let mut taken: Vec<Taken> = Vec::new();
    for (number, cpus) in asks.iter().enumerate() {
        let offered = place(&ask(*cpus, true), inventory, &taken, reserved, Generation(1));
        let again = place(&ask(*cpus, true), inventory, &taken, reserved, Generation(1));
        prop_assert_eq!(&offered, &again, "the same ask gives the same offer");
        let Ok(offer) = offered else {
            continue;
        };
        prop_assert_eq!(offer.cpus.len(), usize::try_from(*cpus).unwrap());
        let before = Pool::of(inventory, &taken, reserved);
        prop_assert!(offer.cpus.is_subset(&before.usable.difference(&before.reserved)));
        prop_assert!(offer.cpus.is_disjoint(&inventory.offline_cpus));
        prop_assert!(offer.cpus.is_disjoint(&inventory.disallowed_cpus));
        for core in &inventory.cores {
            let holders = taken
                .iter()
                .filter(|holder| !core.cpus.is_disjoint(&holder.cpus))
                .count();
            let mine = usize::from(!core.cpus.is_disjoint(&offer.cpus));
            prop_assert!(holders + mine <= 1, "core {} is split", core.id);
        }
        let free = before.free(inventory, &taken);
        let fits = |part: &CpuSet| part.intersection(&free).len() >= offer.cpus.len();
        let nearest = parts(inventory).into_iter().find(|parts| parts.iter().any(fits));
        if let Some(parts) = nearest {
            let one = parts.iter().any(|part| offer.cpus.is_subset(part));
            prop_assert!(one, "{} spread over parts of which one had room", offer.cpus);
        }
        let workload = format!("w{number}").parse().unwrap();
        taken.push(Taken {
            workload,
            cpus: offer.cpus,
        });
        prop_assert!(!Pool::of(inventory, &taken, reserved).shared.is_empty());
    }
    Ok(())
}

fn parts(inventory: &Inventory) -> [Vec<CpuSet>; 4] {
    [
        inventory.cores.iter().map(|core| core.cpus.clone()).collect(),
        inventory
            .caches
            .iter()
            .filter(|cache| cache.level == 3)
            .map(|cache| cache.cpus.clone())
            .collect(),
        inventory
            .numa_nodes
            .iter()
            .map(|numa_node| numa_node.cpus.clone())
            .collect(),
        inventory
            .packages
            .iter()
            .map(|package| package.cpus.clone())
            .collect(),
    ]
}

proptest! {
    #[test]
    fn no_machine_breaks_a_promise(
        shape in (1_u32..4, 1_u32..3, 1_u32..3, 1_u32..5, 1_u32..3),
        asks in proptest::collection::vec(1_u32..9, 1..12),
        off in proptest::collection::btree_set(0_u32..64, 0..6),
        reserved in proptest::option::of(proptest::collection::btree_set(0_u32..64, 0..4)),
    ) {
        let mut inventory = machine([shape.0, shape.1, shape.2, shape.3, shape.4]);
        for (number, cpu) in off.iter().enumerate() {
            match number % 3 {
                0 => { inventory.offline_cpus.insert(CpuId(*cpu)); }
                1 => { inventory.disallowed_cpus.insert(CpuId(*cpu)); }
                _ => inventory.cpus.iter_mut().filter(|one| one.id.0 == *cpu).for_each(|one| one.usable = false),
            }
        }
        let reserved: Option<CpuSet> = reserved.map(|set| set.into_iter().map(CpuId).collect());
        fill(&inventory, &asks, reserved.as_ref())?;
    }
}
