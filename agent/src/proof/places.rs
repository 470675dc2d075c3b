//! Where memory lies: `memory.numa_stat` of a cgroup, v2 and v1, and `/proc/PID/numa_maps`. Pure.

use std::collections::BTreeMap;

use facts::NumaNodeId;

/// Lines of v2's `memory.numa_stat` that together are all memory that is charged; the others are parts of these.
const CHARGED: [&str; 7] = [
    "anon",
    "file",
    "kernel_stack",
    "pagetables",
    "sec_pagetables",
    "slab_reclaimable",
    "slab_unreclaimable",
];
/// The line of v1 that counts the cgroup and those below it.
const HIERARCHICAL: &str = "hierarchical_total";
/// Kilobytes of the kernel's text.
const KILO: u64 = 1024;

/// Bytes on each NUMA node.
pub type Places = BTreeMap<NumaNodeId, u64>;

/// Reads v2's `memory.numa_stat`: `anon N0=4096 N1=0`, in bytes.
pub fn unified(text: &str) -> Places {
    let mut places = Places::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|name| CHARGED.contains(&name)) {
            words.for_each(|word| add(&mut places, word, 1));
        }
    }
    places
}

/// Reads v1's `memory.numa_stat`: `hierarchical_total=7344 N0=7344`, in pages.
pub fn legacy(text: &str, page_bytes: u64) -> Places {
    let mut places = Places::new();
    let line = text.lines().find(|line| {
        line.strip_prefix(HIERARCHICAL)
            .is_some_and(|rest| rest.starts_with('='))
    });
    for word in line.unwrap_or_default().split_whitespace().skip(1) {
        add(&mut places, word, page_bytes);
    }
    places
}

/// Adds what one process's `numa_maps` says: `7f… default file=… N0=3 N1=1 kernelpagesize_kB=4`.
pub fn add_maps(places: &mut Places, text: &str) {
    for line in text.lines() {
        let size = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("kernelpagesize_kB=")?.parse::<u64>().ok());
        let Some(size) = size.and_then(|kilobytes| kilobytes.checked_mul(KILO)) else {
            continue;
        };
        for word in line.split_whitespace() {
            add(places, word, size);
        }
    }
}

/// Adds `N1=5`.
fn add(places: &mut Places, word: &str, unit: u64) {
    let found = word.strip_prefix('N').and_then(|rest| {
        let (node, count) = rest.split_once('=')?;
        Some((NumaNodeId(node.parse().ok()?), count.parse::<u64>().ok()?))
    });
    if let Some((node, count)) = found {
        let bytes = places.entry(node).or_default();
        *bytes = bytes.saturating_add(count.saturating_mul(unit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_say_the_same() {
        let expected = Places::from([(NumaNodeId(0), 12_288), (NumaNodeId(1), 4_096)]);
        let v2 = "anon N0=8192 N1=4096\nfile N0=4096 N1=0\nshmem N0=4096 N1=0\n";
        assert_eq!(unified(v2), expected);
        let v1 = "total=1 N0=1\nhierarchical_total=4 N0=3 N1=1\nhierarchical_file=1 N0=1\n";
        assert_eq!(legacy(v1, 4_096), expected);
        let mut maps = Places::new();
        let text = "55 default file=/usr/bin/N0=9 mapped=3 N0=3 N1=1 kernelpagesize_kB=4\n7f default\n";
        add_maps(&mut maps, text);
        assert_eq!(maps, expected);
    }
}
