//! The files of one NUMA node (Documentation/ABI/stable/sysfs-devices-node, Documentation/admin-guide/numastat.rst).

use crate::columns;
use crate::root::{Kept, Root};

/// The counters of `numastat` and what we call them.
pub(super) const RESULTS: [(&[u8], &str); 6] = [
    (b"numa_hit", "hit"),
    (b"numa_miss", "miss"),
    (b"numa_foreign", "foreign"),
    (b"interleave_hit", "interleave"),
    (b"local_node", "local"),
    (b"other_node", "other"),
];

/// One NUMA node and its files.
#[derive(Debug)]
pub(super) struct NumaNode {
    /// Its number.
    pub(super) id: u32,
    /// Its number as a label.
    pub(super) name: Box<str>,
    pub(super) meminfo: Kept,
    pub(super) numastat: Kept,
    pub(super) sizes: Vec<PageSize>,
}

/// Huge pages of one size, of a NUMA node or of the whole machine.
#[derive(Debug)]
pub(super) struct PageSize {
    /// Bytes of a page.
    pub(super) bytes: u64,
    /// The same as a label.
    pub(super) name: Box<str>,
    /// `nr_hugepages`, `free_hugepages`, `surplus_hugepages`, `resv_hugepages`; the last is the whole machine's alone.
    pub(super) files: Vec<(&'static str, Kept)>,
    /// States of which it is known that they are there. They need not be asked for where there are no pages: the kernel counts
    /// free and surplus ones among all, and reserves none that are not there (mm/hugetlb.c). Empty for a recorded machine, whose
    /// files may say anything, and before the first turn.
    pub(super) known: Vec<&'static str>,
    /// Whether the files are the kernel's.
    pub(super) is_live: bool,
}

/// The states that are parts of the total.
pub(super) const PARTS: [&str; 2] = ["free", "surplus"];
/// The total's own.
pub(super) const TOTAL: &str = "total";

/// The states of huge pages and their files.
const STATES: [(&str, &str); 3] = [
    (TOTAL, "nr_hugepages"),
    ("free", "free_hugepages"),
    ("surplus", "surplus_hugepages"),
];
const RESERVED: (&str, &str) = ("reserved", "resv_hugepages");

impl NumaNode {
    /// The one in this directory.
    pub(super) fn new(root: &Root, id: u32, directory: &str) -> NumaNode {
        NumaNode {
            id,
            name: id.to_string().into_boxed_str(),
            meminfo: Kept::new(root, format!("{directory}/meminfo")),
            numastat: Kept::new(root, format!("{directory}/numastat")),
            sizes: page_sizes(root, &format!("{directory}/hugepages"), &STATES),
        }
    }
}

/// Huge pages of the whole machine: what is reserved, and the rest too where no NUMA node tells it.
pub(super) fn of_the_machine(root: &Root, directory: &str, has_numa_nodes: bool) -> Vec<PageSize> {
    let mut states = vec![RESERVED];
    if !has_numa_nodes {
        states.extend(STATES);
    }
    page_sizes(root, directory, &states)
}

fn page_sizes(root: &Root, directory: &str, states: &[(&'static str, &'static str)]) -> Vec<PageSize> {
    let names = root.list(directory).unwrap_or_default();
    let sizes = names.iter().filter_map(|name| {
        let kibibytes = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
        let bytes = columns::whole(kibibytes.as_bytes())?.checked_mul(1024)?;
        let file = |file: &str| Kept::new(root, format!("{directory}/{name}/{file}"));
        Some(PageSize {
            bytes,
            name: bytes.to_string().into_boxed_str(),
            files: states.iter().map(|(state, name)| (*state, file(name))).collect(),
            known: Vec::new(),
            is_live: root.is_host(),
        })
    });
    sizes.collect()
}

/// The lines of `numastat` that can be read.
pub(super) fn numastat(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<u64>)> {
    columns::lines(text).filter_map(|line| {
        let mut words = columns::words(line);
        Some((words.next()?, words.next().and_then(columns::whole)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_broken_line_of_numastat_has_no_number() {
        let text = b"numa_hit 246628784\nnuma_miss -1\nnuma_foreign\n\nlocal_node 5 6\n";
        let all: Vec<_> = numastat(text).collect();
        assert_eq!(
            all,
            [
                (&b"numa_hit"[..], Some(246_628_784)),
                (b"numa_miss", None),
                (b"numa_foreign", None),
                (b"local_node", Some(5))
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_counters_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (key, _) in numastat(&bytes) {
                prop_assert!(!key.is_empty());
            }
        }
    }
}
