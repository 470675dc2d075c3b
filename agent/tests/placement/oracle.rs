//! How far from the best: on small machines every possible choice of CPUs is scored, and the answer is compared with the best.

use std::cmp::Reverse;

use agent::place::{Machine, Pool, Taken, place};
use agent_api::v1::{Ask, Policy};
use facts::{CpuId, CpuSet, Inventory};
use intent::Generation;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::made;

/// How many situations are compared with the best answer.
const SITUATIONS: usize = 3_000;

/// The smaller, the better. Packed: how many NUMA nodes, L3 caches and cores it is on; then what it leaves to others: as many
/// whole NUMA nodes, caches and cores as can be.
type Score = (
    usize,
    usize,
    usize,
    Reverse<usize>,
    Reverse<usize>,
    Reverse<usize>,
);

fn touched<'a>(parts: impl Iterator<Item = &'a CpuSet>, cpus: &CpuSet) -> usize {
    parts.filter(|part| !part.is_disjoint(cpus)).count()
}

fn numa_nodes(inventory: &Inventory) -> impl Iterator<Item = &CpuSet> {
    inventory.numa_nodes.iter().map(|node| &node.cpus)
}

fn caches(inventory: &Inventory) -> impl Iterator<Item = &CpuSet> {
    inventory.caches.iter().map(|cache| &cache.cpus)
}

fn cores(inventory: &Inventory) -> impl Iterator<Item = &CpuSet> {
    inventory.cores.iter().map(|core| &core.cpus)
}

fn packed(inventory: &Inventory, free: &CpuSet, cpus: &CpuSet) -> Score {
    let mut left = free.difference(cpus);
    cores(inventory)
        .filter(|core| !core.is_disjoint(cpus))
        .for_each(|core| left.remove(core));
    let whole = |part: &&CpuSet| part.is_subset(&left);
    (
        touched(numa_nodes(inventory), cpus),
        touched(caches(inventory), cpus),
        touched(cores(inventory), cpus),
        Reverse(numa_nodes(inventory).filter(whole).count()),
        Reverse(caches(inventory).filter(whole).count()),
        Reverse(cores(inventory).filter(whole).count()),
    )
}

/// Spread: how uneven it is over NUMA nodes, caches and cores. A part can give no more than it has free.
fn spread(inventory: &Inventory, free: &CpuSet, cpus: &CpuSet) -> Score {
    let uneven = |parts: &mut dyn Iterator<Item = &CpuSet>| {
        parts
            .filter(|part| !part.is_disjoint(free))
            .map(|part| part.intersection_len(cpus).pow(2))
            .sum()
    };
    let none = Reverse(0);
    (
        uneven(&mut numa_nodes(inventory)),
        uneven(&mut caches(inventory)),
        uneven(&mut cores(inventory)),
        none,
        none,
        none,
    )
}

/// All ways to take so many of these.
fn choices(free: &CpuSet, wanted: usize) -> Vec<CpuSet> {
    let all: Vec<CpuId> = free.iter().collect();
    let masks = (0_u32..1 << all.len()).filter(|mask| mask.count_ones() as usize == wanted);
    masks
        .map(|mask| {
            all.iter()
                .enumerate()
                .filter(|(at, _)| mask >> at & 1 == 1)
                .map(|(_, cpu)| *cpu)
                .collect()
        })
        .collect()
}

/// What can be lent exclusively, told apart from placement's own books.
fn lendable(inventory: &Inventory, pool: &Pool, taken: &[Taken]) -> CpuSet {
    let mut free = pool.usable.difference(&pool.reserved);
    for holder in taken {
        cores(inventory)
            .filter(|core| !core.is_disjoint(&holder.cpus))
            .for_each(|core| free.remove(core));
    }
    free
}

struct Tally {
    situations: usize,
    /// Score by score from the front: as good as the best up to there.
    as_good: [usize; 3],
    best: usize,
}

fn compare(policy: Policy, score: fn(&Inventory, &CpuSet, &CpuSet) -> Score) -> Tally {
    let mut runner = TestRunner::deterministic();
    // At most 12 CPUs: 4,096 choices each.
    let shapes = proptest::sample::select(vec![
        [1, 1, 1, 4, 2],
        [2, 1, 1, 3, 2],
        [1, 2, 1, 3, 2],
        [1, 2, 2, 3, 1],
        [2, 2, 1, 3, 1],
        [1, 3, 1, 2, 2],
        [1, 1, 3, 2, 2],
        [2, 1, 2, 3, 1],
    ]);
    let story = (
        shapes,
        proptest::collection::vec(1_u32..4, 0..4),
        1_u32..9,
        proptest::num::u64::ANY,
    );
    let mut tally = Tally {
        situations: 0,
        as_good: [0; 3],
        best: 0,
    };
    while tally.situations < SITUATIONS {
        let (shape, before, wanted, seed) = story.new_tree(&mut runner).unwrap().current();
        let inventory = made::machine(shape);
        let machine = Machine::of(&inventory, None);
        let taken = holes(&machine, &before, seed);
        let ask = Ask {
            cpus: wanted,
            exclusive: true,
            policy,
            ..Ask::default()
        };
        let free = lendable(&inventory, &Pool::of(&machine, &taken), &taken);
        let all = choices(&free, wanted as usize);
        let Ok(offer) = place(&ask, &machine, &taken, Generation(1)) else {
            assert!(all.is_empty(), "refused {wanted} of {free}");
            continue;
        };
        let best = all
            .iter()
            .map(|cpus| score(&inventory, &free, cpus))
            .min()
            .unwrap();
        let ours = score(&inventory, &free, &offer.cpus);
        assert!(best <= ours, "the oracle knows all choices");
        tally.situations += 1;
        let good = [
            ours.0 == best.0,
            (ours.0, ours.1) == (best.0, best.1),
            (ours.0, ours.1, ours.2) == (best.0, best.1, best.2),
        ];
        good.iter()
            .zip(&mut tally.as_good)
            .for_each(|(good, count)| *count += usize::from(*good));
        tally.best += usize::from(ours == best);
    }
    tally
}

/// Some workloads, of which some have ended: a machine with holes.
fn holes(machine: &Machine, asks: &[u32], seed: u64) -> Vec<Taken> {
    let mut taken = Vec::new();
    for (number, cpus) in asks.iter().enumerate() {
        let ask = Ask {
            cpus: *cpus,
            exclusive: true,
            ..Ask::default()
        };
        if let Ok(offer) = place(&ask, machine, &taken, Generation(1)) {
            taken.push(Taken::of(format!("w{number}").parse().unwrap(), &ask, &offer));
        }
    }
    let mut number = 0;
    taken.retain(|_| {
        number += 1;
        seed >> number & 1 == 1
    });
    taken
}

fn percent(part: usize, whole: usize) -> usize {
    part * 1_000 / whole
}

#[test]
fn packed_answers_are_near_the_best() {
    let tally = compare(Policy::Packed, packed);
    let share = |part| percent(part, tally.situations);
    let [numa, cache, core] = tally.as_good.map(share);
    println!(
        "packed, {} situations: fewest NUMA nodes {numa}/1000, and fewest L3 caches {cache}/1000, and fewest cores {core}/1000, \
         and least broken for others {}/1000",
        tally.situations,
        share(tally.best)
    );
    assert_eq!(numa, 1_000);
    // Measured: 997, 997, 989.
    assert!(cache >= 990 && core >= 990 && share(tally.best) >= 980);
}

#[test]
fn spread_answers_are_near_the_best() {
    let tally = compare(Policy::Spread, spread);
    let share = |part| percent(part, tally.situations);
    let [numa, cache, core] = tally.as_good.map(share);
    println!(
        "spread, {} situations: most even over NUMA nodes {numa}/1000, and caches {cache}/1000, and cores {core}/1000",
        tally.situations
    );
    // Measured: 998 each.
    assert!(numa >= 990 && cache >= 990 && core >= 990);
}
