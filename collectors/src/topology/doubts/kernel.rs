//! Where the kernel's own files contradict each other: lists of CPUs against those of NUMA nodes, memory against its parts.

use facts::{Bytes, CpuSet, Doubt, NumaNodeId, NumaSet};

use super::few;
use crate::root::Root;

const CPU: &str = "sys/devices/system/cpu";
const NODE: &str = "sys/devices/system/node";
const MEMINFO: &str = "proc/meminfo";
/// `MemTotal` of the machine and the sum of its NUMA nodes are read at two moments, and memory comes and goes in blocks.
const MEMORY_SLACK: Bytes = Bytes::new(256 << 20);
/// They may also differ by this share of the whole (one part in so many): older kernels count what they keep for themselves in
/// one of them only.
const MEMORY_SHARE: u64 = 20;

/// Everything that the kernel says two ways.
pub(super) fn doubts(root: &Root) -> Vec<Doubt> {
    let mut all = cpu_lists(root);
    all.extend(nodes_cpus(root));
    all.extend(nodes_memory(root));
    all.extend(matrix(root));
    all.extend(whole_memory(root));
    all
}

fn cpus(root: &Root, file: &str) -> Option<CpuSet> {
    root.read(file).ok()?.parse().ok()
}

fn nodes(root: &Root, file: &str) -> Option<NumaSet> {
    root.read(&format!("{NODE}/{file}")).ok()?.parse().ok()
}

/// Online CPUs are present, present ones are possible.
fn cpu_lists(root: &Root) -> Vec<Doubt> {
    let list = |name: &str| cpus(root, &format!("{CPU}/{name}"));
    let within = |(small, large): (&str, &str)| {
        let outside = list(small)?.difference(&list(large)?);
        let message = format!("CPUs {outside} are in {small} and not in {large}");
        (!outside.is_empty()).then(|| Doubt::new("cpu_lists", format!("/{CPU}"), message))
    };
    [("online", "present"), ("present", "possible")]
        .into_iter()
        .filter_map(within)
        .collect()
}

/// Each online CPU is in one NUMA node, and no other CPU is in any.
fn nodes_cpus(root: &Root) -> Vec<Doubt> {
    const CODE: &str = "numa_cpus";
    let all: Vec<(NumaNodeId, CpuSet)> = numa_nodes(root)
        .into_iter()
        .filter_map(|node| Some((node, cpus(root, &format!("{NODE}/node{node}/cpulist"))?)))
        .collect();
    let mut doubts = Vec::new();
    let mut placed = CpuSet::new();
    for (index, (node, cpus)) in all.iter().enumerate() {
        for (other, others) in all.iter().skip(index + 1) {
            let both = cpus.intersection(others);
            if !both.is_empty() {
                let message = format!("CPUs {both} are in both");
                doubts.push(Doubt::new(
                    CODE,
                    format!("NUMA nodes {node} and {other}"),
                    message,
                ));
            }
        }
        placed = placed.union(cpus);
    }
    let mut doubts = few(doubts);
    if let Some(online) = cpus(root, &format!("{CPU}/online")).filter(|_| !placed.is_empty()) {
        let off = placed.difference(&online);
        if !off.is_empty() {
            let message = format!("CPUs {off} are in NUMA nodes and not online");
            doubts.push(Doubt::new(CODE, format!("/{NODE}"), message));
        }
        let homeless = online.difference(&placed);
        if !homeless.is_empty() {
            let message = format!("CPUs {homeless} are online and in no NUMA node");
            doubts.push(Doubt::new(CODE, format!("/{NODE}"), message));
        }
    }
    doubts
}

/// The NUMA nodes that are there as folders.
fn numa_nodes(root: &Root) -> Vec<NumaNodeId> {
    let number = |name: &String| name.strip_prefix("node")?.parse().ok().map(NumaNodeId);
    root.list(NODE)
        .unwrap_or_default()
        .iter()
        .filter_map(number)
        .collect()
}

/// Nodes that are said to be online are there, and those that are said to have memory have some.
fn nodes_memory(root: &Root) -> Vec<Doubt> {
    let there: NumaSet = numa_nodes(root).into_iter().collect();
    let mut doubts = Vec::new();
    if let Some(online) = nodes(root, "online").filter(|_| !there.is_empty()) {
        let missing = online.difference(&there);
        if !missing.is_empty() {
            let message = format!("NUMA nodes {missing} are online and have no folder");
            doubts.push(Doubt::new("numa_nodes", format!("/{NODE}"), message));
        }
    }
    let with_memory = nodes(root, "has_memory").or_else(|| nodes(root, "has_normal_memory"));
    for node in with_memory.unwrap_or_default().iter() {
        if total(root, &format!("{NODE}/node{node}/meminfo")) == Some(Bytes::ZERO) {
            let message = "the kernel lists it among the nodes with memory, and its MemTotal is 0 kB";
            doubts.push(Doubt::new("numa_memory", format!("NUMA node {node}"), message));
        }
    }
    few(doubts)
}

/// A row of distances has a number for each NUMA node that is online.
fn matrix(root: &Root) -> Vec<Doubt> {
    let there = numa_nodes(root);
    let short = |node: &NumaNodeId| {
        let row = root.read(&format!("{NODE}/node{node}/distance")).ok()?;
        let numbers = row.split_whitespace().count();
        let message = format!(
            "its row of distances has {numbers} numbers, and there are {} NUMA nodes",
            there.len()
        );
        (numbers != there.len()).then(|| Doubt::new("numa_distances", format!("NUMA node {node}"), message))
    };
    few(there.iter().filter_map(short).collect())
}

/// The machine's memory is that of its NUMA nodes: of all of them, also of those that a cpuset keeps away from us.
fn whole_memory(root: &Root) -> Vec<Doubt> {
    let nodes: Bytes = numa_nodes(root)
        .into_iter()
        .filter_map(|node| total(root, &format!("{NODE}/node{node}/meminfo")))
        .sum();
    let Some(whole) = total(root, MEMINFO).filter(|_| nodes > Bytes::ZERO) else {
        return Vec::new();
    };
    let apart = whole.get().abs_diff(nodes.get());
    if apart <= MEMORY_SLACK.get().max(whole.get() / MEMORY_SHARE) {
        return Vec::new();
    }
    let message = format!("/{MEMINFO} says {whole}, and its NUMA nodes have {nodes} together");
    vec![Doubt::new("memory", "machine", message)]
}

/// `MemTotal`, of the machine or (with `Node N` in front) of a NUMA node.
fn total(root: &Root, file: &str) -> Option<Bytes> {
    let text = root.read(file).ok()?;
    let number = text.lines().find_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let is_total = name.split_whitespace().last() == Some("MemTotal");
        is_total.then(|| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())?
    })?;
    number.checked_mul(1024).map(Bytes::new)
}
