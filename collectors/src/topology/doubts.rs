//! What cannot all be true of a topology: where the kernel's own files, or hwloc's reading of them, contradict each other.
//!
//! Odd is not wrong: NUMA nodes without memory or without CPUs, sparse numbers and caches that differ are no doubts.

mod kernel;

use facts::topology::{Cache, Topology};
use facts::{Bytes, CpuSet, Doubt};

use crate::root::Root;

/// The distance of a NUMA node to itself (ACPI 6.5, 5.2.17: the diagonal of the SLIT is 10).
const LOCAL_DISTANCE: u32 = 10;
/// The largest caches that are believed, by level: above what any machine known has (L1 192 KiB, L2 36 MiB, L3 and L4 of IBM Z
/// some gigabytes).
const LARGEST_CACHES: [(u32, Bytes); 4] = [
    (1, Bytes::new(1 << 20)),
    (2, Bytes::new(128 << 20)),
    (3, Bytes::new(4 << 30)),
    (4, Bytes::new(8 << 30)),
];
/// The most doubts of one kind; a matrix of a thousand NUMA nodes that is all wrong is one doubt with examples.
const MOST_OF_A_KIND: usize = 4;

/// Everything that is odd; `root` is the tree that the topology was read from.
pub fn doubts(root: &Root, topology: &Topology) -> Vec<Doubt> {
    let mut all = distances(topology);
    all.extend(caches(&topology.caches));
    all.extend(numbers(topology));
    all.extend(kernel::doubts(root));
    all
}

/// Of many of a kind the first few, and how many there are.
fn few(mut doubts: Vec<Doubt>) -> Vec<Doubt> {
    let more = doubts.len().saturating_sub(MOST_OF_A_KIND);
    doubts.truncate(MOST_OF_A_KIND);
    if let Some(last) = doubts.last_mut()
        && more > 0
    {
        last.message.push_str(&format!(" (and {more} more of this kind)"));
    }
    doubts
}

fn distances(topology: &Topology) -> Vec<Doubt> {
    const CODE: &str = "numa_distances";
    let nodes = &topology.numa_nodes;
    let between = |from: usize, to: usize| nodes.get(from)?.distances.get(to).copied();
    let (mut far, mut asymmetric) = (Vec::new(), Vec::new());
    for (from, node) in nodes.iter().enumerate() {
        let about = format!("NUMA node {}", node.id);
        let Some(local) = between(from, from) else {
            continue;
        };
        let nearer = (0..nodes.len()).find_map(|to| {
            let remote = between(from, to).filter(|remote| to != from && *remote < local)?;
            Some((nodes.get(to)?.id, remote))
        });
        if let Some((other, remote)) = nearer {
            let message =
                format!("its distance to itself is {local}, and to NUMA node {other} it is {remote}: nearer");
            far.push(Doubt::new(CODE, about, message));
        } else if local != LOCAL_DISTANCE {
            let message = format!("its distance to itself is {local}; ACPI has {LOCAL_DISTANCE} there");
            far.push(Doubt::new(CODE, about, message));
        }
        for (to, other) in nodes.iter().enumerate().skip(from + 1) {
            if let (Some(there), Some(back)) = (between(from, to), between(to, from))
                && there != back
            {
                let about = format!("NUMA nodes {} and {}", node.id, other.id);
                let message = format!("their distance is {there} one way and {back} the other");
                asymmetric.push(Doubt::new(CODE, about, message));
            }
        }
    }
    let mut all = few(far);
    all.extend(few(asymmetric));
    all
}

fn caches(caches: &[Cache]) -> Vec<Doubt> {
    let doubt = |cache: &Cache| {
        let size = cache.size_bytes?;
        let (_, largest) = LARGEST_CACHES.iter().find(|(level, _)| *level == cache.level)?;
        let message = if size > *largest {
            format!("it has {size}; no cache of its level has more than {largest}")
        } else if size == Bytes::ZERO {
            "it has 0 B".to_owned()
        } else {
            return None;
        };
        let about = format!("L{} cache of CPUs {}", cache.level, cache.cpus);
        Some(Doubt::new("cache_size", about, message))
    };
    few(caches.iter().filter_map(doubt).collect())
}

/// Numbers that stand twice: whoever refers to one of them refers to two things.
fn numbers(topology: &Topology) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut seen = CpuSet::new();
    for cpu in &topology.cpus {
        if !seen.insert(cpu.id) {
            doubts.push(Doubt::new(
                "numbering",
                format!("CPU {}", cpu.id),
                "hwloc lists it twice",
            ));
        }
    }
    let mut packages: Vec<_> = topology.packages.iter().map(|package| package.id).collect();
    packages.sort_unstable();
    for pair in packages.windows(2) {
        if let [one, next] = pair
            && one == next
        {
            let message = "two packages have this number: their CPUs cannot be told apart by it";
            doubts.push(Doubt::new("numbering", format!("package {one}"), message));
        }
    }
    few(doubts)
}

#[cfg(test)]
#[path = "doubts/tests.rs"]
mod tests;
