//! What one group of resctrl counts: a class, with all groups of monitoring below it, or a group of monitoring alone.
//!
//! Beside a number the kernel's files say `Unavailable`, `Error` or `Unassigned`: then there is none, and it is not zero.

use std::collections::BTreeMap;

use super::{COUNTERS, MON_DATA, OCCUPANCY, RESCTRL, domain};
use crate::columns;
use crate::root::Root;

/// Groups that count without dividing anything.
const MON_GROUPS: &str = "mon_groups";
/// Of v2's cgroup of those that share CPUs; groups are not called so.
const SHARED_SUFFIX: &str = "-shared";

/// What a group counts in one domain, in bytes; nothing where the kernel has no number just now, or no such file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// What its tasks hold of the cache (`llc_occupancy`).
    pub occupancy: Option<u64>,
    /// What they moved between cache and memory (`mbm_total_bytes`), since the group was made or longer.
    pub total: Option<u64>,
    /// The same, of the cache's own NUMA node only (`mbm_local_bytes`).
    pub local: Option<u64>,
}

/// The directory, below the root, of the group that counts a workload: its class where it has one, else its group of monitoring.
/// Both are called as our own cgroup, a dash, and the workload; `cgroup` is one of its cgroup directories.
pub fn group_of(root: &Root, cgroup: &str, workload: &str) -> Option<String> {
    let own = cgroup.rsplit('/').nth(1)?;
    let own = own.strip_suffix(SHARED_SUFFIX).unwrap_or(own);
    let places = [
        format!("{RESCTRL}/{own}-{workload}"),
        format!("{RESCTRL}/{MON_GROUPS}/{own}-{workload}"),
    ];
    places
        .into_iter()
        .find(|place| root.has(&format!("{place}/{MON_DATA}")))
}

/// What it counts, by the number of the L3 cache.
pub fn counted(root: &Root, group: &str) -> BTreeMap<u32, Counted> {
    let data = format!("{group}/{MON_DATA}");
    let names = root.list(&data).unwrap_or_default();
    let domains = names.iter().filter_map(|name| Some((domain(name)?, name)));
    domains
        .map(|(cache, name)| {
            let read = |file: &str| {
                let bytes = root.read_bytes(&format!("{data}/{name}/{file}")).ok()?;
                bytes_of(&bytes)
            };
            let [(total, _), (local, _)] = COUNTERS;
            let counted = Counted {
                occupancy: read(OCCUPANCY),
                total: read(total),
                local: read(local),
            };
            (cache, counted)
        })
        .collect()
}

/// The number in a file of `mon_data`.
pub(crate) fn bytes_of(text: &[u8]) -> Option<u64> {
    columns::whole(text.trim_ascii())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn with(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(RESCTRL).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::at(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn what_has_no_number_is_absent_and_never_zero() {
        let (_dir, root) = with(&[
            (
                "mon_groups/busbar-web/mon_data/mon_L3_00/llc_occupancy",
                b"65536\n",
            ),
            (
                "mon_groups/busbar-web/mon_data/mon_L3_00/mbm_total_bytes",
                b"Unavailable\n",
            ),
            ("mon_groups/busbar-web/mon_data/mon_L3_01/mbm_total_bytes", b"0\n"),
            (
                "mon_groups/busbar-web/mon_data/mon_L3_01/mbm_local_bytes",
                b"Error\n",
            ),
            (
                "mon_groups/busbar-web/mon_data/mon_sub_L3_01/mbm_total_bytes",
                b"7\n",
            ),
        ]);
        let group = group_of(&root, "/sys/fs/cgroup/busbar-shared/web", "web").unwrap();
        let found = counted(&root, &group);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[&0].occupancy, found[&0].total), (Some(65_536), None));
        assert_eq!((found[&1].total, found[&1].local), (Some(0), None));
        assert_eq!(group_of(&root, "/sys/fs/cgroup/busbar/db", "db"), None);
        assert_eq!(group_of(&root, "web", "web"), None);
    }

    #[test]
    fn a_class_counts_before_a_group_that_its_tasks_left() {
        let (_dir, root) = with(&[
            ("mon_groups/busbar-web/mon_data/mon_L3_00/mbm_total_bytes", b"1\n"),
            ("busbar-web/mon_data/mon_L3_00/mbm_total_bytes", b"2\n"),
        ]);
        let group = group_of(&root, "/sys/fs/cgroup/busbar/web", "web").unwrap();
        assert_eq!(counted(&root, &group)[&0].total, Some(2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_number_or_none(text in proptest::collection::vec(any::<u8>(), 0..40), number in any::<u64>()) {
            if let Some(read) = bytes_of(&text) {
                let digits: Vec<u8> = text.trim_ascii().to_vec();
                prop_assert!(digits.iter().all(u8::is_ascii_digit) && !digits.is_empty(), "{read}");
            }
            prop_assert_eq!(bytes_of(format!("{number}\n").as_bytes()), Some(number));
        }
    }
}
