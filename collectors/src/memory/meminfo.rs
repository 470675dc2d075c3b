//! Lines of `/proc/meminfo` and of `nodeN/meminfo` (proc_meminfo(5)), read by hand: no kernel has all of them.

use facts::Bytes;
use facts::inventory::Memory;

use crate::columns;

/// The kernel says kB and means KiB.
const KIBI: u64 = 1024;

/// One line: `MemTotal:       6383820 kB`, or without a unit where pages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    /// What stands before the colon.
    pub(super) key: &'t [u8],
    /// Bytes, or pages.
    pub(super) number: u64,
    /// Whether they are bytes.
    pub(super) is_bytes: bool,
}

/// The lines that can be read.
pub(super) fn entries(text: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    columns::lines(text).filter_map(entry)
}

fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let mut words = columns::words(line);
    let mut key = words.next()?;
    if key == b"Node" {
        // `Node 0 MemTotal: …`: the file's own place says which.
        words.next()?;
        key = words.next()?;
    }
    let key = key.strip_suffix(b":")?;
    let number = columns::whole(words.next()?)?;
    match words.next() {
        None => Some(Entry {
            key,
            number,
            is_bytes: false,
        }),
        Some(b"kB") => Some(Entry {
            key,
            number: number.checked_mul(KIBI)?,
            is_bytes: true,
        }),
        Some(_) => None,
    }
}

/// What the inventory tells of a file; `None` where it says too little or what cannot be true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Main {
    total: Option<u64>,
    free: Option<u64>,
    available: Option<u64>,
    hugetlb: Option<u64>,
}

impl Main {
    /// Whether it says that there are no huge pages of any size: none free, none in use, none promised (mm/hugetlb.c counts them
    /// together there).
    pub(super) fn has_no_hugepages(&self) -> bool {
        self.hugetlb == Some(0)
    }

    /// Takes a line.
    pub(super) fn take(&mut self, entry: &Entry<'_>) {
        let place = match entry.key {
            b"MemTotal" => &mut self.total,
            b"MemFree" => &mut self.free,
            b"MemAvailable" => &mut self.available,
            b"Hugetlb" => &mut self.hugetlb,
            _ => return,
        };
        *place = entry.is_bytes.then_some(entry.number);
    }

    /// Total and free; a free one that is more than the total is none.
    pub(super) fn known(self) -> (Option<u64>, Option<u64>) {
        let free = self
            .free
            .filter(|free| self.total.is_none_or(|total| *free <= total));
        (self.total, free)
    }

    /// The whole; a NUMA node may have no memory at all, a machine may not.
    pub(super) fn memory(self) -> Option<Memory> {
        let (total, free) = (self.total?, self.free?);
        (free <= total).then_some(Memory {
            total_bytes: Bytes::new(total),
            free_bytes: Bytes::new(free),
            available_bytes: self.available.map(Bytes::new),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn memory(text: &[u8]) -> Option<Memory> {
        let mut main = Main::default();
        for entry in entries(text) {
            main.take(&entry);
        }
        main.memory()
    }

    #[test]
    fn a_numa_nodes_lines_are_read_like_the_machines() {
        let text = b"Node 1 MemTotal:        6383820 kB\nNode 1 MemFree:         4252148 kB\n\
            Node 1 HugePages_Total:     4\n";
        let memory = memory(text).unwrap();
        assert_eq!(memory.total_bytes, Bytes::new(6_383_820 << 10));
        assert_eq!(memory.free_bytes, Bytes::new(4_252_148 << 10));
        let pages = entries(text).last().unwrap();
        assert_eq!(
            (pages.key, pages.number, pages.is_bytes),
            (&b"HugePages_Total"[..], 4, false)
        );
    }

    #[test]
    fn a_cut_file_is_told_from_a_whole_one() {
        assert!(memory(b"MemTotal: 100 kB\nMemFree: 10 kB").is_some());
        for bad in [
            &b"MemTotal: 100 kB\nMemFr"[..],
            b"",
            b"\xff\xfe\0\x01",
            b"MemTotal: 1 kB\nMemFree: 2 kB",
            b"MemTotal: 100\nMemFree: 10",
            b"MemTotal: -100 kB\nMemFree: 10 kB",
            b"MemTotal: 18446744073709551615 kB\nMemFree: 10 kB",
            b"MemTotal: 100 MB\nMemFree: 10 MB",
            b"MemTotal: N/A kB\nMemFree: 10 kB",
        ] {
            assert_eq!(memory(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_memory_or_nothing(text in "((Node 0 )?(MemTotal|MemFree|x):[ 0-9kB]*\\n|\\PC*){0,6}") {
            if let Some(memory) = memory(text.as_bytes()) {
                prop_assert!(memory.free_bytes <= memory.total_bytes);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = memory(&bytes);
        }
    }
}
