//! Writes the names of `meminfo` and `meminfo_numa`.

use facts::sheet::Writing;

use super::keyed::{Keyed, named};
use super::{meminfo, meminfo_numa};

/// What is remembered of the files' lines.
#[derive(Debug, Default)]
pub(crate) struct Names {
    machine: Keyed,
    numa: Keyed,
    numastat: Keyed,
}

/// `Active(anon)` is `Active_anon` there.
fn cleaned(key: &str) -> String {
    match key.split_once('(') {
        Some((before, inside)) => format!("{before}_{}", inside.trim_end_matches(')')),
        None => key.to_owned(),
    }
}

impl Names {
    /// A line of `/proc/meminfo`.
    pub(crate) fn write_machine(
        &mut self,
        at: usize,
        key: &[u8],
        is_bytes: bool,
        number: u64,
        sheet: &mut Writing<'_>,
    ) {
        let unit = if is_bytes { "_bytes" } else { "" };
        let find = |key: &str| named(meminfo::TABLE, &format!("node_memory_{}{unit}", cleaned(key)));
        if let Some(family) = self.machine.family(at, key, find) {
            sheet.add(family, &[], Some(number));
        }
    }

    /// A line of a NUMA node's `meminfo`.
    pub(crate) fn write_numa(
        &mut self,
        at: usize,
        key: &[u8],
        node: &str,
        number: u64,
        sheet: &mut Writing<'_>,
    ) {
        let find = |key: &str| named(meminfo_numa::TABLE, &format!("node_memory_numa_{}", cleaned(key)));
        if let Some(family) = self.numa.family(at, key, find) {
            sheet.add(family, &[node], Some(number));
        }
    }

    /// A line of a NUMA node's `numastat`.
    pub(crate) fn write_numastat(
        &mut self,
        at: usize,
        key: &[u8],
        node: &str,
        number: u64,
        sheet: &mut Writing<'_>,
    ) {
        let find = |key: &str| named(meminfo_numa::TABLE, &format!("node_memory_numa_{key}_total"));
        if let Some(family) = self.numastat.family(at, key, find) {
            sheet.add(family, &[node], Some(number));
        }
    }
}
