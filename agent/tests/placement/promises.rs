//! What must hold for every offer on every machine, whoever asked for what before.

use agent::place::{Machine, Pool, Taken, place};
use agent_api::v1::{Ask, CoreWish, Policy, Siblings, TopologyRule};
use facts::{Bytes, CpuId, CpuSet, Inventory};
use intent::{Generation, Share};
use proptest::prelude::*;

use crate::made;

/// One line of a story: an ask, or the end of whoever came as that number.
#[derive(Clone, Debug)]
pub enum Act {
    Ask(Box<Ask>),
    End(usize),
}

pub fn acts(most_cpus: u32) -> impl Strategy<Value = Vec<Act>> {
    let words = (
        proptest::sample::select(Policy::ALL.to_vec()),
        proptest::sample::select(TopologyRule::ALL.to_vec()),
        proptest::option::of(proptest::sample::select(CoreWish::ALL.to_vec())),
        proptest::sample::select(Siblings::ALL.to_vec()),
    );
    let amounts = (
        1..most_cpus,
        proptest::option::of(1_u64..12),
        proptest::option::weighted(0.2, 1_u64..700),
        proptest::bool::weighted(0.9),
    );
    let ask = (words, amounts).prop_map(
        |((policy, topology, core_kind, siblings), (cpus, gib, l3, exclusive))| {
            let plain = Ask {
                cpus,
                memory_bytes: gib.map(|gib| Bytes::new(gib << 30)),
                ..Ask::default()
            };
            if !exclusive {
                return plain;
            }
            let l3_share = l3.map(|parts| Share::new(parts).unwrap());
            Ask {
                exclusive,
                policy,
                topology,
                core_kind,
                siblings,
                l3_share,
                ..plain
            }
        },
    );
    let act = prop_oneof![
        5 => ask.prop_map(|ask| Act::Ask(Box::new(ask))),
        1 => (0_usize..20).prop_map(Act::End),
    ];
    proptest::collection::vec(act, 1..16)
}

/// Plays the acts and checks every promise after each; how many offers there were.
pub fn play(inventory: &Inventory, acts: &[Act], reserved: Option<&CpuSet>) -> usize {
    let machine = Machine::of(inventory, reserved);
    let mut taken: Vec<Taken> = Vec::new();
    let mut offers = 0;
    for (number, act) in acts.iter().enumerate() {
        let ask = match act {
            Act::Ask(ask) => ask,
            Act::End(number) => {
                if let Some(at) = number.checked_rem(taken.len()) {
                    check_end(&machine, &mut taken, at, reserved.is_none());
                }
                continue;
            }
        };
        let offered = place(ask, &machine, &taken, Generation(1));
        assert_eq!(
            offered,
            place(ask, &machine, &taken, Generation(1)),
            "the same ask gives the same offer"
        );
        let Ok(offer) = offered else { continue };
        offers += 1;
        let before = Pool::of(&machine, &taken);
        if ask.exclusive {
            check_cpus(inventory, ask, &offer.cpus, &before, &taken);
            let hint = offer.topology_hint.clone().unwrap();
            if ask.topology == TopologyRule::SingleNumaNode {
                assert!(hint.aligned && hint.numa_nodes.len() <= 1, "{ask:?}: {offer:?}");
            }
        }
        let given: Bytes = offer.memory.iter().map(|share| share.bytes).sum();
        assert_eq!(given, ask.memory_bytes.unwrap_or_default());
        assert!(
            offer
                .memory
                .iter()
                .all(|share| offer.numa_nodes.contains(share.numa_node))
        );
        taken.push(Taken::of(format!("w{number}").parse().unwrap(), ask, &offer));
        assert!(
            !Pool::of(&machine, &taken).shared.is_empty(),
            "the shared pool is empty"
        );
        check_sums(inventory, &taken);
    }
    offers
}

/// One workload ends: what it held is free again, and whoever asks for the same has a place for it.
fn check_end(machine: &Machine, taken: &mut Vec<Taken>, at: usize, same_reserve: bool) {
    let one = taken.remove(at);
    assert!(one.cpus.is_subset(&Pool::of(machine, taken).shared));
    let Some(ask) = &one.ask else { return };
    // The shared pool has shrunk for who shares; and a reserve that is chosen among what is left may be another one now.
    if ask.exclusive && same_reserve && ask.topology != TopologyRule::Restricted {
        let offer = place(ask, machine, taken, Generation(1));
        assert!(offer.is_ok(), "{ask:?} had a place and has none: {offer:?}");
    }
}

fn check_cpus(inventory: &Inventory, ask: &Ask, cpus: &CpuSet, before: &Pool, taken: &[Taken]) {
    assert_eq!(cpus.len(), ask.cpus as usize);
    assert!(
        cpus.is_subset(&before.usable.difference(&before.reserved)),
        "{cpus}"
    );
    assert!(
        cpus.is_disjoint(&inventory.offline_cpus.union(&inventory.disallowed_cpus)),
        "{cpus}"
    );
    for holder in taken {
        assert!(
            holder.cpus.is_disjoint(cpus),
            "{cpus} is {}'s too",
            holder.workload
        );
    }
    for core in inventory.cores.iter().filter(|core| !core.cpus.is_disjoint(cpus)) {
        let others = taken
            .iter()
            .filter(|holder| !core.cpus.is_disjoint(&holder.cpus))
            .count();
        assert_eq!(others, 0, "core {} is split", core.id);
        if ask.siblings == Siblings::Whole {
            assert!(core.cpus.is_subset(cpus), "core {} is not whole", core.id);
        }
    }
    if ask.core_kind != Some(CoreWish::Any) && inventory.core_kinds.len() > 1 {
        let kinds = inventory
            .core_kinds
            .iter()
            .filter(|kind| !kind.cpus.is_disjoint(cpus));
        assert_eq!(kinds.count(), 1, "{cpus} mixes kinds of cores");
    }
}

/// Nothing is promised twice.
fn check_sums(inventory: &Inventory, taken: &[Taken]) {
    for node in &inventory.numa_nodes {
        let shares = taken.iter().flat_map(|one| &one.memory);
        let promised: Bytes = shares
            .filter(|share| share.numa_node == node.id)
            .map(|share| share.bytes)
            .sum();
        assert!(
            node.memory_bytes.is_none_or(|all| promised <= all),
            "NUMA node {}: {promised}",
            node.id
        );
    }
    for cache in inventory.caches.iter().filter(|cache| cache.level == 3) {
        let shares = taken
            .iter()
            .flat_map(|one| &one.cache)
            .filter(|share| share.cpus == cache.cpus);
        let parts: u32 = shares
            .filter_map(|share| share.l3_share)
            .map(|share| u32::from(share.get()))
            .sum();
        assert!(parts <= 1_000, "{parts} parts of one L3 cache");
    }
}

proptest! {
    #[test]
    fn no_machine_breaks_a_promise(
        shape in (1_u32..4, 1_u32..4, 1_u32..3, 1_u32..5, 1_u32..4),
        acts in acts(12),
        off in proptest::collection::btree_set(0_u32..64, 0..6),
        reserved in proptest::option::of(proptest::collection::btree_set(0_u32..64, 0..4)),
        fast in proptest::option::weighted(0.3, 1_usize..4),
    ) {
        let mut inventory = made::with_distances(made::machine([shape.0, shape.1, shape.2, shape.3, shape.4]));
        if let Some(fast) = fast.filter(|fast| *fast < inventory.cores.len()) {
            inventory = made::with_kinds(inventory, fast);
        }
        for (number, cpu) in off.iter().enumerate() {
            match number % 3 {
                0 => { inventory.offline_cpus.insert(CpuId(*cpu)); }
                1 => { inventory.disallowed_cpus.insert(CpuId(*cpu)); }
                _ => inventory.cpus.iter_mut().filter(|one| one.id.0 == *cpu).for_each(|one| one.usable = false),
            }
        }
        let reserved: Option<CpuSet> = reserved.map(|set| set.into_iter().map(CpuId).collect());
        play(&inventory, &acts, reserved.as_ref());
    }
}

#[test]
fn sixty_four_numa_nodes_are_no_explosion() {
    let big = made::with_distances(made::machine([8, 8, 1, 2, 2]));
    let machine = Machine::of(&big, None);
    for cpus in [3, 9, 60, 200] {
        let ask = Ask {
            cpus,
            exclusive: true,
            memory_bytes: Some(Bytes::new(u64::from(cpus) << 30)),
            ..Ask::default()
        };
        let offer = place(&ask, &machine, &[], Generation(1)).unwrap();
        let width = big
            .numa_nodes
            .iter()
            .filter(|node| !node.cpus.is_disjoint(&offer.cpus))
            .count();
        assert_eq!(width as u32, cpus.div_ceil(4), "{}", offer.cpus);
    }
}
