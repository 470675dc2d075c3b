//! Placement on made-up machines: the sentences, and what each part of an ask does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod away;
mod devices;
#[path = "../../tests/placement/made.rs"]
mod made;

use agent_api::v1::{CoreWish, GpuWish, HugepageAsk, Policy, Siblings, TopologyRule};
use facts::{Bytes, Inventory, Power};
use intent::Share;
use made::{MEMORY, machine, with_distances, with_gpus, with_hugepages, with_kinds};

use super::*;

fn ask(cpus: u32) -> Ask {
    Ask {
        cpus,
        exclusive: true,
        ..Ask::default()
    }
}

fn on(inventory: &Inventory, ask: &Ask, taken: &[Taken]) -> Result<Offer, Refusal> {
    place(ask, &Machine::of(inventory, None), taken, Generation(1))
}

fn cpus(inventory: &Inventory, ask: &Ask, taken: &[Taken]) -> String {
    on(inventory, ask, taken).unwrap().cpus.to_string()
}

fn refused(inventory: &Inventory, ask: &Ask, taken: &[Taken]) -> String {
    on(inventory, ask, taken).unwrap_err().to_string()
}

fn holder(name: &str, cpus: &str) -> Taken {
    Taken::new(name.parse().unwrap(), cpus.parse().unwrap())
}

/// A workload that was placed by its ask.
fn placed(inventory: &Inventory, name: &str, ask: &Ask, taken: &mut Vec<Taken>) {
    let offer = on(inventory, ask, taken).unwrap();
    taken.push(Taken::of(name.parse().unwrap(), ask, &offer));
}

#[test]
fn two_cpus_one_reserved_is_the_smallest_machine() {
    let small = machine([1, 1, 1, 2, 1]);
    let offer = on(&small, &ask(1), &[]).unwrap();
    assert_eq!(
        (offer.cpus.to_string(), offer.numa_nodes.to_string()),
        ("1".into(), "0".into())
    );
    assert_eq!(
        refused(&small, &ask(2), &[]),
        "asked 2 exclusive CPUs; 1 is free: CPU 0 is reserved for the host"
    );
    assert_eq!(
        refused(&small, &ask(1), &[holder("web", "1")]),
        "asked 1 exclusive CPU; 0 are free: CPU 0 is reserved for the host, CPU 1 is held by web"
    );
    let shared = |cpus| Ask {
        cpus,
        ..Ask::default()
    };
    assert_eq!(cpus(&small, &shared(1), &[holder("web", "1")]), "0");
    assert_eq!(
        refused(&small, &shared(2), &[holder("web", "1")]),
        "asked 2 CPUs; 1 is shared: 1 of 2 usable are lent exclusively"
    );
    assert!(
        on(&machine([1, 1, 1, 1, 1]), &ask(1), &[]).is_err(),
        "the only CPU is the host's"
    );
}

#[test]
fn the_smallest_part_that_fits_holds_all() {
    // 2 packages x 2 NUMA nodes x 2 caches x 4 cores x 2 CPUs.
    let big = machine([2, 2, 2, 4, 2]);
    let packed = |wanted, taken: &[Taken]| cpus(&big, &ask(wanted), taken);
    assert_eq!(
        packed(32, &[]),
        "32-63",
        "a whole package, and the one where the host keeps no core"
    );
    assert_eq!(
        packed(16, &[]),
        "16-31",
        "a whole NUMA node, of the package that is left fullest"
    );
    assert_eq!(packed(8, &[]), "8-15", "a whole cache");
    assert_eq!(packed(4, &[]), "2-5", "beside the host's core, where 6 are free");
    assert_eq!(packed(1, &[]), "2");
    assert_eq!(
        packed(2, &[holder("web", "2")]),
        "4-5",
        "not the other half of web's core"
    );
    let offer = on(&big, &ask(1), &[]).unwrap();
    assert!(
        offer
            .because
            .iter()
            .any(|line| line.starts_with("CPU 3 shares a core")),
        "{:?}",
        offer.because
    );
    let wide = on(&big, &ask(40), &[]).unwrap().cpus;
    assert_eq!(wide.iter().filter(|cpu| cpu.0 >= 32).count(), 32, "{wide}");
}

#[test]
fn policies_take_different_places() {
    let big = machine([2, 2, 2, 4, 2]);
    let with = |policy, cpus| Ask { policy, ..ask(cpus) };
    assert_eq!(
        cpus(&big, &with(Policy::Balanced, 4), &[]),
        "32-35",
        "where the most is free, and in the emptiest package"
    );
    let spread = on(&big, &with(Policy::Spread, 8), &[]).unwrap().cpus;
    for part in &big.caches {
        assert_eq!(part.cpus.intersection_len(&spread), 1, "{spread}");
    }
    let inside = Ask {
        topology: TopologyRule::SingleNumaNode,
        ..with(Policy::Spread, 4)
    };
    let inside = on(&big, &inside, &[]).unwrap();
    assert_eq!(inside.topology_hint.unwrap().numa_nodes.len(), 1);
    let cores = big
        .cores
        .iter()
        .filter(|core| !core.cpus.is_disjoint(&inside.cpus));
    assert_eq!(cores.count(), 4, "{}", inside.cpus);
}

#[test]
fn whole_cores_are_whole_or_refused() {
    let big = machine([1, 1, 1, 4, 2]);
    let whole = |cpus| Ask {
        siblings: Siblings::Whole,
        ..ask(cpus)
    };
    assert_eq!(cpus(&big, &whole(4), &[]), "2-5");
    assert_eq!(
        refused(&big, &whole(3), &[]),
        "asked 3 CPUs as whole cores; a core has 2 here: ask for 2 or 4"
    );
    assert!(refused(&big, &whole(1), &[]).ends_with("ask for 2"));
}

#[test]
fn kinds_of_cores_are_not_mixed_unless_asked() {
    // 4 fast cores with two CPUs (0-7), 4 slow ones (8-15).
    let hybrid = with_kinds(machine([1, 1, 1, 8, 2]), 4);
    let of = |kind, cpus| Ask {
        core_kind: kind,
        ..ask(cpus)
    };
    assert_eq!(cpus(&hybrid, &of(None, 2), &[]), "2-3", "the fast ones first");
    assert_eq!(cpus(&hybrid, &of(None, 8), &[]), "8-15", "what fits in one kind");
    assert_eq!(cpus(&hybrid, &of(Some(CoreWish::Efficient), 2), &[]), "8-9");
    assert_eq!(cpus(&hybrid, &of(Some(CoreWish::Any), 14), &[]), "2-15");
    let text = refused(&hybrid, &of(None, 10), &[]);
    assert!(
        text.contains("core_kind any would mix them") && text.contains("8 are free"),
        "{text}"
    );
    assert!(refused(&hybrid, &of(Some(CoreWish::Performance), 8), &[]).contains("of kind fast"));
}

#[test]
fn memory_is_promised_once_and_near() {
    let two = with_distances(machine([2, 1, 1, 4, 1]));
    let with = |cpus, bytes| Ask {
        memory_bytes: Some(Bytes::new(bytes)),
        ..ask(cpus)
    };
    let offer = on(&two, &with(4, 1 << 30), &[]).unwrap();
    assert_eq!(
        (offer.numa_nodes.to_string(), offer.memory[0].bytes),
        ("1".into(), Bytes::new(1 << 30))
    );
    let offer = on(&two, &with(4, 9 << 30), &[]).unwrap();
    assert_eq!(offer.numa_nodes.to_string(), "0-1");
    assert!(
        offer.topology_hint.unwrap().aligned,
        "an empty machine has no NUMA node with 9 GiB either"
    );
    assert_eq!(
        refused(&two, &with(4, 1 << 40), &[]),
        "asked 1 TiB of memory; this node has 16 GiB"
    );
    let mut taken = Vec::new();
    placed(&two, "hog", &with(1, 6 << 30), &mut taken);
    placed(&two, "hog-2", &with(1, 6 << 30), &mut taken);
    assert_ne!(
        taken[0].memory[0].numa_node, taken[1].memory[0].numa_node,
        "6 of 8 GiB are promised"
    );
    let text = refused(&two, &with(1, 5 << 30), &taken);
    assert!(
        text.contains("4 GiB of 16 GiB is promised to nobody: hog has 6 GiB, hog-2 has 6 GiB"),
        "{text}"
    );
    let one = Ask {
        topology: TopologyRule::SingleNumaNode,
        ..with(1, 3 << 30)
    };
    assert!(refused(&two, &one, &taken).contains("2 GiB of 3 GiB memory free"));
    let restricted = Ask {
        topology: TopologyRule::Restricted,
        ..one
    };
    let text = refused(&two, &restricted, &taken);
    assert!(
        text.contains("1 NUMA node and what is free now needs 2 NUMA nodes"),
        "{text}"
    );
    placed(&two, "late", &with(1, 3 << 30), &mut taken);
    assert_eq!(taken[2].memory.len(), 2, "best effort takes what is left of both");
}

#[test]
fn memory_only_numa_nodes_give_memory_and_no_cpus() {
    let mut tiers = with_distances(machine([1, 1, 1, 4, 1]));
    let all = tiers.numa_nodes[0].cpus.clone();
    tiers.numa_nodes[0].distances = vec![10, 17, 28];
    for (id, cpus) in [(1, all), (2, CpuSet::new())] {
        let mut node = made::numa_node(id, cpus);
        node.distances = vec![17, 10, 28];
        tiers.numa_nodes.push(node);
    }
    let with = |bytes| Ask {
        memory_bytes: Some(Bytes::new(bytes)),
        ..ask(2)
    };
    assert_eq!(
        on(&tiers, &with(MEMORY), &[]).unwrap().numa_nodes.to_string(),
        "0"
    );
    assert_eq!(
        on(&tiers, &with(MEMORY + 4096), &[])
            .unwrap()
            .numa_nodes
            .to_string(),
        "0-1",
        "the nearer one"
    );
    let all = on(&tiers, &with(3 * MEMORY), &[]).unwrap();
    assert_eq!(all.numa_nodes.to_string(), "0-2");
    assert!(!all.topology_hint.unwrap().aligned);
}

#[test]
fn cpus_that_no_numa_node_names_have_no_memory_of_their_own() {
    let mut odd = machine([2, 1, 1, 4, 1]);
    odd.numa_nodes[1].cpus = CpuSet::new();
    let one = Ask {
        memory_bytes: Some(Bytes::new(1 << 30)),
        topology: TopologyRule::SingleNumaNode,
        ..ask(3)
    };
    assert_eq!(cpus(&odd, &one, &[]), "1-3");
    assert!(refused(&odd, &one, &[holder("web", "1")]).contains("no NUMA node holds all of it"));
}

#[test]
fn the_pool_keeps_a_cpu_when_the_reserved_ones_are_gone() {
    let mut small = machine([1, 1, 1, 4, 1]);
    small.offline_cpus = "0".parse().unwrap();
    let configured: CpuSet = "0".parse().unwrap();
    let machine = Machine::of(&small, Some(&configured));
    assert!(place(&ask(3), &machine, &[], Generation(1)).is_err());
    let held = [holder("web", "1-2")];
    assert!(place(&ask(1), &machine, &held, Generation(1)).is_err());
    assert!(!Pool::of(&machine, &held).shared.is_empty());
}

#[test]
fn nonsense_is_refused_with_what_was_expected() {
    let small = machine([1, 1, 1, 2, 1]);
    for (bad, expected) in [
        (ask(0), "asked 0 CPUs; expected 1 or more"),
        (ask(u32::MAX), "expected 1 to 8192"),
        (
            Ask {
                memory_bytes: Some(Bytes::ZERO),
                ..ask(1)
            },
            "asked 0 B",
        ),
        (
            Ask {
                watts: Some(Power::ZERO),
                ..ask(1)
            },
            "asked 0 W",
        ),
        (
            Ask {
                gpus: Some(GpuWish::Count(0)),
                ..ask(1)
            },
            "asked 0 GPUs",
        ),
        (
            Ask {
                gpus: Some(GpuWish::These(vec!["../x".into()])),
                ..ask(1)
            },
            "is no GPU",
        ),
        (
            Ask {
                core_kind: Some(CoreWish::Any),
                exclusive: false,
                ..ask(1)
            },
            "exclusive CPUs only",
        ),
    ] {
        let refusal = on(&small, &bad, &[]).unwrap_err();
        assert!(
            matches!(refusal, Refusal::BadAsk(_)) && refusal.to_string().contains(expected),
            "{refusal}"
        );
    }
    assert_eq!(on(&Inventory::default(), &ask(1), &[]), Err(Refusal::Unknown));
    let huge = serde_json::from_str::<Ask>(r#"{"cpus":1000000000000000000}"#)
        .unwrap_err()
        .to_string();
    assert!(
        huge.starts_with("asked 1000000000000000000 CPUs; expected 1 to 8192"),
        "{huge}"
    );
    let long = format!(r#"{{"cpus":1,"near":["nic:{}"]}}"#, "x".repeat(65_536));
    assert!(serde_json::from_str::<Ask>(&long).unwrap_err().to_string().len() < 400);
    assert!(serde_json::from_str::<Ask>(r#"{"cpus":1,"gpus":1000000000000000000}"#).is_err());
}
