//! Memory of the machine (`/proc/meminfo`) and of one NUMA node (`nodeN/meminfo`).

use facts::inventory::{Memory, NumaMemory};
use facts::{Bytes, NumaNodeId};
use procfs::{FromBufRead, Meminfo};

use crate::collector::CollectError;
use crate::root::Root;

const EXPECTED: &str = "lines as in \"MemTotal: 6383820 kB\"";

/// Memory of the machine.
///
/// # Errors
/// When the file cannot be read, or says too little.
pub(super) fn machine_memory(root: &Root, file: &str) -> Result<Memory, CollectError> {
    let bytes = root.read_bytes(file)?;
    let garbled = |found: &str| CollectError::garbled(&root.shown(file), EXPECTED, found);
    let text =
        std::str::from_utf8(&bytes).map_err(|cause| garbled("bytes that are no text").because(cause))?;
    // procfs knows the whole file and is strict with it: a kernel that leaves out an old line is read by our own hand.
    let read = match Meminfo::from_buf_read(text.as_bytes()) {
        Ok(all) => Some(Memory {
            total_bytes: Bytes::new(all.mem_total),
            available_bytes: all.mem_available.map(Bytes::new),
            free_bytes: Bytes::new(all.mem_free),
        }),
        Err(_) => by_hand(text),
    };
    read.filter(|memory| memory.total_bytes > Bytes::ZERO && memory.free_bytes <= memory.total_bytes)
        .ok_or_else(|| garbled(text))
}

fn by_hand(text: &str) -> Option<Memory> {
    Some(Memory {
        total_bytes: line(text, "MemTotal")?,
        available_bytes: line(text, "MemAvailable"),
        free_bytes: line(text, "MemFree")?,
    })
}

/// Memory of one NUMA node; its lines begin with `Node 0`, which procfs does not read.
pub(super) fn numa_memory(text: &str, numa_node: NumaNodeId) -> Option<NumaMemory> {
    let prefix = format!("Node {numa_node} ");
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    let text = lines.join("\n");
    Some(NumaMemory {
        numa_node,
        total_bytes: line(&text, "MemTotal")?,
        free_bytes: line(&text, "MemFree")?,
    })
}

fn line(text: &str, name: &str) -> Option<Bytes> {
    let rest = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).map(Bytes::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_numa_nodes_lines_are_its_own() {
        let text = "Node 1 MemTotal:        6383820 kB\nNode 1 MemFree:         4252148 kB\n";
        let memory = numa_memory(text, NumaNodeId(1)).unwrap();
        assert_eq!(memory.total_bytes, Bytes::new(6_383_820 << 10));
        assert_eq!(memory.free_bytes, Bytes::new(4_252_148 << 10));
        assert_eq!(numa_memory(text, NumaNodeId(0)), None);
    }

    #[test]
    fn a_cut_file_is_told_from_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("proc")).unwrap();
        let root = Root::at(dir.path()).unwrap();
        let write = |text: &[u8]| std::fs::write(dir.path().join("proc/meminfo"), text).unwrap();
        write(b"MemTotal: 100 kB\nMemFree: 10 kB\n");
        assert_eq!(
            machine_memory(&root, "proc/meminfo").unwrap().free_bytes,
            Bytes::new(10 << 10)
        );
        for bad in [
            &b"MemTotal: 100 kB\nMemFr"[..],
            b"",
            b"\xff\xfe\0\x01",
            b"MemTotal: 1 kB\nMemFree: 2 kB",
        ] {
            write(bad);
            let error = machine_memory(&root, "proc/meminfo").unwrap_err();
            assert_eq!(error.reason, facts::NoData::Garbled, "{}", error.explain());
            assert!(error.explain().contains("proc/meminfo"), "{}", error.explain());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_memory_or_nothing(text in "(Node 0 )?(MemTotal|MemFree|x):[ 0-9kB\\n]*\\PC*") {
            let _ = numa_memory(&text, NumaNodeId(0));
            let _ = by_hand(&text);
            let _ = Meminfo::from_buf_read(text.as_bytes());
        }
    }
}
