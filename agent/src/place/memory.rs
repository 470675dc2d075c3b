//! Which NUMA nodes memory and huge pages come from: those of the CPUs, and further ones where they are too small.

use agent_api::v1::Ask;
use facts::{Bytes, CpuSet, NumaSet};
use intent::{HugepageShare, NumaShare};

use super::Taken;
use super::books::Books;
use super::machine::Machine;
use super::{Refusal, reason};

/// What is promised is whole pages of this size: the smallest that any kernel has.
const PAGE: u64 = 4_096;

/// Memory of an offer.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub numa_nodes: NumaSet,
    pub shares: Vec<NumaShare>,
    pub hugepages: Vec<HugepageShare>,
    pub because: Vec<String>,
}

/// The NUMA nodes in the order in which an offer's memory is taken: those of the CPUs, and the others by distance.
struct Order {
    /// Those of the CPUs that have memory, each with how many of the CPUs it has.
    near: Vec<(usize, usize)>,
    rest: Vec<usize>,
}

fn order(machine: &Machine, cpus: &CpuSet) -> Order {
    let holds = |at: &usize| machine.numa[*at].bytes != Some(0);
    let of_cells = machine.cells.iter().filter_map(|cell| {
        let count = cell.cpus.intersection_len(cpus);
        cell.numa.filter(|_| count > 0).map(|numa| (numa, count))
    });
    let mut near: Vec<(usize, usize)> = of_cells.collect();
    let from: Vec<usize> = near.iter().map(|(numa, _)| *numa).collect();
    near.retain(|(numa, _)| holds(numa));
    let is_near = |at: &usize| near.iter().any(|(numa, _)| numa == at);
    let mut rest: Vec<usize> = (0..machine.numa.len())
        .filter(|at| holds(at) && !is_near(at))
        .collect();
    rest.sort_by_key(|at| {
        let away = from.iter().map(|from| machine.distance(*from, *at)).min();
        (away.unwrap_or(u32::MAX), machine.numa[*at].id)
    });
    Order { near, rest }
}

/// The memory for these CPUs.
pub(super) fn near(
    ask: &Ask,
    machine: &Machine,
    books: &Books,
    taken: &[Taken],
    cpus: &CpuSet,
) -> Result<Memory, Refusal> {
    let order = order(machine, cpus);
    let mut memory = Memory::default();
    let ids = |all: &[usize]| all.iter().map(|at| machine.numa[*at].id).collect::<NumaSet>();
    let near: Vec<usize> = order.near.iter().map(|(at, _)| *at).collect();
    // CPUs without memory of their own (a NUMA node with no DIMM): everything is near enough.
    memory.numa_nodes = if near.is_empty() {
        ids(&order.rest)
    } else {
        ids(&near)
    };
    if let Some(wanted) = ask.memory_bytes {
        memory.shares = shares(wanted, ask.exclusive, machine, books, &order)
            .ok_or_else(|| Refusal::Shortfall(short(wanted, machine, books, taken)))?;
        let from: NumaSet = memory.shares.iter().map(|share| share.numa_node).collect();
        if !from.is_subset(&ids(&near)) {
            let why = if near.is_empty() {
                "the NUMA nodes of the CPUs have no memory of their own".to_owned()
            } else {
                format!("{wanted} is more than NUMA node {} has", ids(&near))
            };
            memory
                .because
                .push(format!("memory from NUMA nodes {from}: {why}"));
        }
        memory.numa_nodes = if ask.exclusive {
            from
        } else {
            memory.numa_nodes.union(&from)
        };
    }
    hugepages(ask, machine, books, taken, &order, &mut memory)?;
    let with_pages: NumaSet = memory.hugepages.iter().map(|share| share.numa_node).collect();
    memory.numa_nodes.add(&with_pages);
    Ok(memory)
}

/// As much from each NUMA node as it has of the CPUs, then what is missing from the nearest that have more.
fn shares(
    wanted: Bytes,
    by_cpus: bool,
    machine: &Machine,
    books: &Books,
    order: &Order,
) -> Option<Vec<NumaShare>> {
    let room = |at: usize| books.memory[at].unwrap_or(u64::MAX);
    let mut left = wanted.get();
    let mut given: Vec<(usize, u64)> = Vec::new();
    let cpus: usize = order.near.iter().map(|(_, count)| count).sum();
    let mut near = order.near.clone();
    if by_cpus {
        for (at, count) in &near {
            let (count, cpus) = (u128::try_from(*count).ok()?, u128::try_from(cpus).ok()?);
            let part = u64::try_from(u128::from(wanted.get()) * count / cpus).ok()?;
            let part = (part / PAGE * PAGE).min(room(*at));
            left -= part;
            given.push((*at, part));
        }
    } else {
        // Whoever shares all CPUs is near everything: the emptiest first.
        near.sort_by_key(|(at, _)| (std::cmp::Reverse(room(*at)), *at));
    }
    for at in near.iter().map(|(at, _)| *at).chain(order.rest.iter().copied()) {
        let before = given.iter().position(|(known, _)| *known == at);
        let has = before.map_or(0, |place| given[place].1);
        let more = left.min(room(at).saturating_sub(has));
        left -= more;
        match before {
            Some(place) => given[place].1 += more,
            None => given.push((at, more)),
        }
    }
    given.retain(|(_, bytes)| *bytes > 0);
    given.sort_unstable();
    let share = |(at, bytes): (usize, u64)| NumaShare {
        numa_node: machine.numa[at].id,
        bytes: Bytes::new(bytes),
    };
    (left == 0).then(|| given.into_iter().map(share).collect())
}

/// How much memory there is to promise at all, and how much of it is left.
fn short(wanted: Bytes, machine: &Machine, books: &Books, taken: &[Taken]) -> String {
    let all: Bytes = machine
        .numa
        .iter()
        .filter_map(|numa| numa.bytes)
        .map(Bytes::new)
        .sum();
    let free: Bytes = books.memory.iter().flatten().copied().map(Bytes::new).sum();
    if wanted > all {
        return format!("asked {wanted} of memory; this node has {all}");
    }
    let promised = |one: &Taken| one.memory.iter().map(|share| share.bytes).sum::<Bytes>();
    let holders = reason::holders(taken, |one| {
        let bytes = promised(one);
        (bytes > Bytes::ZERO).then(|| bytes.to_string())
    });
    format!(
        "asked {wanted} of memory; {free} of {all} is promised to nobody: {holders}; ask for at most {free}"
    )
}

fn hugepages(
    ask: &Ask,
    machine: &Machine,
    books: &Books,
    taken: &[Taken],
    order: &Order,
    memory: &mut Memory,
) -> Result<(), Refusal> {
    let mut near = order.near.clone();
    near.sort_by_key(|(at, count)| (std::cmp::Reverse(*count), *at));
    let all: Vec<usize> = near
        .into_iter()
        .map(|(at, _)| at)
        .chain(order.rest.iter().copied())
        .collect();
    for wanted in &ask.hugepages {
        let page = wanted.page_bytes;
        let pools = machine
            .pools
            .iter()
            .enumerate()
            .filter(|(_, pool)| pool.page_bytes == page);
        let pools: Vec<usize> = pools.map(|(at, _)| at).collect();
        if pools.is_empty() {
            return Err(Refusal::NotHere(format!(
                "asked {} in huge pages of {page}; this kernel keeps no pool of that size: write nr_hugepages \
                 (/sys/kernel/mm/hugepages) or boot with hugepagesz= and hugepages=",
                wanted.bytes
            )));
        }
        let rank = |pool: &usize| {
            let numa = machine.numa_at(machine.pools[*pool].numa_node);
            all.iter().position(|at| Some(*at) == numa).unwrap_or(usize::MAX)
        };
        let mut ranked = pools.clone();
        ranked.sort_by_key(|pool| (rank(pool), *pool));
        let mut left = wanted.bytes.get();
        for pool in ranked {
            let part = left.min(books.pages[pool] / page.get() * page.get());
            left -= part;
            if part > 0 {
                let numa_node = machine.pools[pool].numa_node;
                memory.hugepages.push(HugepageShare {
                    numa_node,
                    page_bytes: page,
                    bytes: Bytes::new(part),
                });
            }
        }
        if left > 0 {
            let free: Bytes = pools.iter().map(|pool| Bytes::new(books.pages[*pool])).sum();
            let held = |one: &Taken| {
                let shares = one.hugepages.iter().filter(|share| share.page_bytes == page);
                let bytes: Bytes = shares.map(|share| share.bytes).sum();
                (bytes > Bytes::ZERO).then(|| bytes.to_string())
            };
            return Err(Refusal::Shortfall(format!(
                "asked {} in huge pages of {page}; {free} of them is promised to nobody: {}; ask for at most {free}, \
                 or enlarge the pool (nr_hugepages)",
                wanted.bytes,
                reason::holders(taken, held)
            )));
        }
    }
    Ok(())
}
