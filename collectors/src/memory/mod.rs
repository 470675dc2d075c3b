//! Memory: of the machine, of each NUMA node, its huge pages, and who was given pages from where.

pub mod families;
mod meminfo;
mod numa;

use std::time::Duration;

use facts::inventory::{HugepagePool, Memory, NumaMemory};
use facts::observation::Observation;
use facts::sheet::{Pad, Writing};
use facts::{Bytes, NumaNodeId};

use crate::collector::{CollectError, Collector};
use crate::cpu::place;
use crate::node_names::memory::Names;
use crate::root::{Kept, Root};
use crate::roster::Wishes;
use families as f;
use meminfo::Main;
use numa::{NumaNode, PageSize, RESULTS};

const MEMINFO: &str = "proc/meminfo";
const NODES: &str = "sys/devices/system/node/online";
const HUGEPAGES: &str = "sys/kernel/mm/hugepages";
const EXPECTED: &str = "lines as in \"MemTotal: 6383820 kB\"";

/// Reads `/proc/meminfo`, and each NUMA node's `meminfo`, `numastat` and huge pages.
pub struct MemoryCollector {
    root: Root,
    machine: Kept,
    online: Kept,
    /// The kernel's list of NUMA nodes for which `numa_nodes` and `sizes` were made.
    known: Option<Vec<u8>>,
    numa_nodes: Vec<NumaNode>,
    sizes: Vec<PageSize>,
    buffer: Vec<u8>,
    names: Option<Names>,
    pad: Pad,
}

impl MemoryCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> MemoryCollector {
        MemoryCollector {
            machine: Kept::new(&root, MEMINFO),
            online: Kept::new(&root, NODES),
            root,
            known: None,
            numa_nodes: Vec::new(),
            sizes: Vec::new(),
            buffer: Vec::new(),
            names: wishes.node_names.then(Names::default),
            pad: Pad::default(),
        }
    }

    /// Finds the NUMA nodes anew where the kernel's list of them has changed.
    fn find_numa_nodes(&mut self) {
        let online = self.online.read(&mut self.buffer).unwrap_or_default();
        if self.known.as_deref() == Some(online) {
            return;
        }
        self.known = Some(online.to_vec());
        let found = place::numa_nodes_of(&self.root);
        self.numa_nodes = found
            .iter()
            .map(|(id, directory)| NumaNode::new(&self.root, *id, directory))
            .collect();
        let has_pages = self.numa_nodes.iter().any(|node| !node.sizes.is_empty());
        self.sizes = numa::of_the_machine(&self.root, HUGEPAGES, has_pages);
    }
}

/// The machine's own file; whether it says that there are no huge pages.
fn write_machine(
    file: &mut Kept,
    buffer: &mut Vec<u8>,
    names: Option<&mut Names>,
    sheet: &mut Writing<'_>,
) -> Result<(Memory, bool), CollectError> {
    let text = file.read(buffer)?;
    let mut main = Main::default();
    for entry in meminfo::entries(text) {
        main.take(&entry);
    }
    let memory = main.memory().filter(|memory| memory.total_bytes > Bytes::ZERO);
    let Some(memory) = memory else {
        let found = String::from_utf8_lossy(text);
        return Err(CollectError::garbled(&file.shown(), EXPECTED, &found));
    };
    sheet.add(&f::MEMORY, &["total"], Some(memory.total_bytes));
    sheet.add(&f::MEMORY, &["available"], memory.available_bytes);
    sheet.add(&f::MEMORY, &["free"], Some(memory.free_bytes));
    if let Some(names) = names {
        for (at, entry) in meminfo::entries(text).enumerate() {
            names.write_machine(at, entry.key, entry.is_bytes, entry.number, sheet);
        }
    }
    Ok((memory, main.has_no_hugepages()))
}

/// One NUMA node's files.
fn write_numa_node(
    node: &mut NumaNode,
    buffer: &mut Vec<u8>,
    mut names: Option<&mut Names>,
    sheet: &mut Writing<'_>,
    pools: &mut Vec<HugepagePool>,
    are_none: bool,
) -> Option<NumaMemory> {
    let mut main = Main::default();
    if let Ok(text) = node.meminfo.read(buffer) {
        for (at, entry) in meminfo::entries(text).enumerate() {
            main.take(&entry);
            if let Some(names) = &mut names {
                names.write_numa(at, entry.key, &node.name, entry.number, sheet);
            }
        }
    }
    let memory = main.memory();
    if memory.is_none() {
        sheet.invalid();
    }
    // A line that is missing takes only itself away.
    let (total, free) = main.known();
    let used = total.zip(free).and_then(|(total, free)| total.checked_sub(free));
    let states = [("total", total), ("free", free), ("used", used)];
    for (state, bytes) in states {
        sheet.add(&f::NUMA_MEMORY, &[&node.name, state], bytes);
    }
    write_allocations(node, buffer, names, sheet);
    let mut set_aside: Option<u64> = None;
    for size in &mut node.sizes {
        let bytes = write_pages(&node.name, size, are_none, buffer, sheet);
        set_aside = set_aside.unwrap_or(0).checked_add(bytes.unwrap_or(0));
        pools.extend(bytes.filter(|bytes| *bytes > 0).map(|bytes| HugepagePool {
            numa_node: NumaNodeId(node.id),
            page_bytes: Bytes::new(size.bytes),
            total_bytes: Bytes::new(bytes),
        }));
    }
    sheet.add(&f::NUMA_MEMORY, &[&node.name, "hugepages"], set_aside);
    memory.map(|memory| NumaMemory {
        numa_node: NumaNodeId(node.id),
        total_bytes: memory.total_bytes,
        free_bytes: memory.free_bytes,
    })
}

fn write_allocations(
    node: &mut NumaNode,
    buffer: &mut Vec<u8>,
    mut names: Option<&mut Names>,
    sheet: &mut Writing<'_>,
) {
    let Ok(text) = node.numastat.read(buffer) else {
        return;
    };
    for (at, (key, number)) in numa::numastat(text).enumerate() {
        if number.is_none() {
            sheet.invalid();
        }
        if let Some((_, result)) = RESULTS.iter().find(|(known, _)| *known == key) {
            sheet.add(&f::NUMA_ALLOCATIONS, &[&node.name, result], number);
        }
        if let (Some(names), Some(number)) = (&mut names, number) {
            names.write_numastat(at, key, &node.name, number, sheet);
        }
    }
}

/// Pages of one size; how many bytes all of them set aside. Where the machine as a whole says that there are none, its kernel is
/// not asked again for each size and state that is known to be there.
fn write_pages(
    node: &str,
    size: &mut PageSize,
    are_none: bool,
    buffer: &mut Vec<u8>,
    sheet: &mut Writing<'_>,
) -> Option<u64> {
    let mut total = None;
    for (state, file) in &mut size.files {
        let is_part_of_none = total == Some(0) && numa::PARTS.contains(state);
        if (are_none || is_part_of_none) && size.known.contains(state) {
            sheet.add(&f::HUGEPAGES, &[node, &size.name, state], Some(0_u64));
            if *state == numa::TOTAL {
                total = Some(0);
            }
            continue;
        }
        let Ok(pages) = file.number(buffer) else { continue };
        if size.is_live && !size.known.contains(state) {
            size.known.push(state);
        }
        if pages.is_none() {
            sheet.invalid();
        }
        sheet.add(&f::HUGEPAGES, &[node, &size.name, state], pages);
        if *state == numa::TOTAL {
            total = pages;
        }
    }
    total?.checked_mul(size.bytes)
}

impl Collector for MemoryCollector {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["memory", "node"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        self.find_numa_nodes();
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        let names = self.names.as_mut();
        let machine = write_machine(&mut self.machine, &mut self.buffer, names, &mut sheet);
        let are_none = machine.as_ref().is_ok_and(|(_, are_none)| *are_none);
        let mut numa_memory = Vec::with_capacity(self.numa_nodes.len());
        let mut pools = Vec::new();
        for node in &mut self.numa_nodes {
            let names = self.names.as_mut();
            let buffer = &mut self.buffer;
            numa_memory.extend(write_numa_node(
                node, buffer, names, &mut sheet, &mut pools, are_none,
            ));
        }
        for size in &mut self.sizes {
            write_pages("", size, are_none, &mut self.buffer, &mut sheet);
        }
        let sheet = sheet.finish();
        self.pad = pad;
        let mut seen = Observation {
            numa_memory: Some(numa_memory),
            hugepages: Some(pools),
            sheet: Some(sheet),
            ..Observation::default()
        };
        match machine {
            Ok((memory, _)) => seen.memory = Some(memory),
            // A recorded machine may have its NUMA nodes alone.
            Err(error) if !self.numa_nodes.is_empty() => {
                seen.missing.push(error.into_missing("memory/machine"));
            }
            Err(error) => return Err(error),
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use facts::sheet::Number;

    use super::*;

    #[test]
    fn parts_of_an_empty_pool_are_not_asked_for_and_those_of_a_full_one_are() {
        let dir = tempfile::tempdir().unwrap();
        let pool = "sys/devices/system/node/node0/hugepages/hugepages-2048kB";
        std::fs::create_dir_all(dir.path().join(pool)).unwrap();
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(pool).join(file), text).unwrap();
        for file in ["nr_hugepages", "free_hugepages", "surplus_hugepages"] {
            write(file, "0\n");
        }
        let root = Root::at(dir.path()).unwrap();
        let mut node = NumaNode::new(&root, 0, "sys/devices/system/node/node0");
        let (mut pad, mut buffer) = (Pad::default(), Vec::new());
        let mut pages = |node: &mut NumaNode, are_none: bool| {
            let mut sheet = pad.begin();
            write_pages("0", &mut node.sizes[0], are_none, &mut buffer, &mut sheet);
            sheet.finish().numbers().to_vec()
        };
        let mut told = |node: &mut NumaNode| pages(node, false);
        // A recorded machine is taken at its word, the kernel's count of parts follows from the total.
        write("free_hugepages", "7\n");
        assert_eq!(told(&mut node), [0_u64, 7, 0_u64].map(Number::from));
        node.sizes[0].is_live = true;
        assert_eq!(
            told(&mut node),
            [0_u64, 7, 0_u64].map(Number::from),
            "asked for once, to see that they are there"
        );
        assert_eq!(told(&mut node), [0_u64, 0_u64, 0_u64].map(Number::from));
        write("nr_hugepages", "8\n");
        assert_eq!(told(&mut node), [8, 7, 0_u64].map(Number::from));
        assert_eq!(
            pages(&mut node, true),
            [0_u64, 0_u64, 0_u64].map(Number::from),
            "the machine says that there are none"
        );
    }
}
