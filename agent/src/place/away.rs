//! Where a neighbour of a victim can run so that they share less: under another last-level cache, best on another NUMA node.

use facts::CpuSet;

use super::Machine;

/// The shared CPUs that are far from a victim's; `None` where there are none. A victim with CPUs of its own has everything near
/// them for itself. One that shares its CPUs may run anywhere among them: there the neighbour gets the smallest part.
pub fn away(machine: &Machine, shared: &CpuSet, victim: &CpuSet, is_exclusive: bool) -> Option<CpuSet> {
    let numa_nodes: Vec<CpuSet> = machine.cells.iter().map(|cell| cell.cpus.clone()).collect();
    [numa_nodes.as_slice(), machine.caches.as_slice()]
        .into_iter()
        .find_map(|parts| {
            if is_exclusive {
                beyond(parts, shared, victim)
            } else {
                smallest(parts, shared)
            }
        })
}

/// The shared CPUs in none of the parts that the victim is in.
fn beyond(parts: &[CpuSet], shared: &CpuSet, victim: &CpuSet) -> Option<CpuSet> {
    let near = parts.iter().filter(|part| !part.is_disjoint(victim));
    let near = near.fold(CpuSet::new(), |all, part| all.union(part));
    let far = shared.difference(&near);
    (!near.is_empty() && !far.is_empty()).then_some(far)
}

/// The fewest shared CPUs that one part has, where several have some; of equals the last.
fn smallest(parts: &[CpuSet], shared: &CpuSet) -> Option<CpuSet> {
    let mut in_parts: Vec<CpuSet> = parts
        .iter()
        .map(|part| part.intersection(shared))
        .filter(|cpus| !cpus.is_empty())
        .collect();
    in_parts.reverse();
    let count = in_parts.len();
    in_parts.into_iter().min_by_key(CpuSet::len).filter(|_| count > 1)
}
