//! Which NUMA nodes a workload's memory comes from: those of its CPUs, and further ones where they are too small.

use agent_api::v1::Ask;
use facts::{Bytes, CpuSet, Inventory, NumaSet};

use super::Refusal;

/// The distance that is taken where the firmware names none: farther than any that it does name.
const UNKNOWN_DISTANCE: u32 = u32::MAX;

/// The NUMA nodes for these CPUs, and why.
pub(super) fn near(
    ask: &Ask,
    inventory: &Inventory,
    cpus: &CpuSet,
) -> Result<(NumaSet, Vec<String>), Refusal> {
    let nodes = &inventory.numa_nodes;
    let holds = |bytes: Option<Bytes>| bytes != Some(Bytes::ZERO);
    let with_memory: Vec<usize> = (0..nodes.len())
        .filter(|at| holds(nodes[*at].memory_bytes))
        .collect();
    let mut chosen: Vec<usize> = with_memory
        .iter()
        .copied()
        .filter(|at| !nodes[*at].cpus.is_disjoint(cpus))
        .collect();
    let mut because = Vec::new();
    // CPUs without memory of their own (a NUMA node with no DIMM): everything is near enough.
    if chosen.is_empty() {
        chosen.clone_from(&with_memory);
    }
    let Some(wanted) = ask.memory_bytes else {
        return Ok((set(inventory, &chosen), because));
    };
    if wanted == Bytes::ZERO {
        return Err(Refusal::BadAsk(
            "asked 0 B of memory; expected more, or no limit at all".to_owned(),
        ));
    }
    let near = set(inventory, &chosen);
    while !enough(inventory, &chosen, wanted) {
        let rest = with_memory.iter().copied().filter(|at| !chosen.contains(at));
        let Some(next) = rest.min_by_key(|at| (distance(inventory, &chosen, *at), nodes[*at].id)) else {
            let has: Bytes = with_memory.iter().filter_map(|at| nodes[*at].memory_bytes).sum();
            return Err(Refusal::Shortfall(format!(
                "asked {wanted} of memory; this node has {has}"
            )));
        };
        chosen.push(next);
    }
    let all = set(inventory, &chosen);
    if all != near {
        because.push(format!(
            "memory from NUMA nodes {all}: {wanted} is more than NUMA node {near} has"
        ));
    }
    Ok((all, because))
}

fn set(inventory: &Inventory, chosen: &[usize]) -> NumaSet {
    chosen
        .iter()
        .filter_map(|at| inventory.numa_nodes.get(*at))
        .map(|node| node.id)
        .collect()
}

/// Whether these NUMA nodes have that much; one whose size nobody knows has enough.
fn enough(inventory: &Inventory, chosen: &[usize], wanted: Bytes) -> bool {
    let sizes = chosen
        .iter()
        .filter_map(|at| inventory.numa_nodes.get(*at))
        .map(|node| node.memory_bytes);
    let mut sizes = sizes;
    let sum = sizes.try_fold(Bytes::ZERO, |sum, size| Some(sum.saturating_add(size?)));
    sum.is_none_or(|sum| sum >= wanted)
}

fn distance(inventory: &Inventory, chosen: &[usize], to: usize) -> u32 {
    let from = chosen.iter().filter_map(|at| inventory.numa_nodes.get(*at));
    from.filter_map(|node| node.distances.get(to).copied())
        .min()
        .unwrap_or(UNKNOWN_DISTANCE)
}
