//! Where each CPU lies: its socket (`cpuN/topology/physical_package_id`) and its NUMA node (`nodeN/cpulist`).

use std::collections::BTreeMap;

use facts::CpuSet;

use crate::attribute;
use crate::root::Root;

const CPU: &str = "sys/devices/system/cpu";
const NODE: &str = "sys/devices/system/node";

/// A NUMA node and a socket; either may be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The NUMA node.
    pub(crate) numa_node: Option<u32>,
    /// The socket.
    pub(crate) socket: Option<u32>,
}

/// NUMA nodes of CPUs.
#[derive(Debug)]
pub(crate) struct Places<'r> {
    root: &'r Root,
    numa_nodes: BTreeMap<u32, u32>,
}

impl<'r> Places<'r> {
    /// As the kernel tells them now.
    pub(crate) fn read(root: &'r Root) -> Places<'r> {
        let mut numa_nodes = BTreeMap::new();
        for (id, directory) in numa_nodes_of(root) {
            let cpus = root.read(&format!("{directory}/cpulist")).ok();
            let cpus: CpuSet = cpus.and_then(|list| list.parse().ok()).unwrap_or_default();
            for cpu in cpus.iter() {
                // Broken firmware names a CPU twice; the first NUMA node keeps it.
                numa_nodes.entry(cpu.0).or_insert(id);
            }
        }
        Places { root, numa_nodes }
    }

    /// Of one CPU. A kernel without firmware tables writes -1 for its socket: it is unknown.
    pub(crate) fn of(&self, cpu: u32) -> Place {
        let file = format!("{CPU}/cpu{cpu}/topology/physical_package_id");
        Place {
            numa_node: self.numa_nodes.get(&cpu).copied(),
            socket: attribute::number(self.root, &file).ok(),
        }
    }
}

/// The NUMA nodes and their directories; none on a kernel without NUMA.
pub(crate) fn numa_nodes_of(root: &Root) -> Vec<(u32, String)> {
    let names = root.list(NODE).unwrap_or_default();
    let nodes = names.iter().filter_map(|name| {
        let id: u32 = name.strip_prefix("node")?.parse().ok()?;
        Some((id, format!("{NODE}/{name}")))
    });
    nodes.collect()
}
