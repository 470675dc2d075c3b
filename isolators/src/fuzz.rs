//! Every parser of this crate behind one door, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use std::cell::LazyCell;
use std::fs;
use std::path::{Component, Path, PathBuf};

use intent::Intent;

use crate::cgroup::{Cgroups, Layout, members, started};
use crate::erase::fuzz as erase;
use crate::host::Host;
use crate::resctrl::counting;
use crate::step::Step;

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("mounts", |data| {
        with_host(|folder, host| {
            let (first, second) = data.split_at(data.len() / 2);
            // The kernel's better list is there for every other input.
            let better = folder.join("proc/self/mountinfo");
            let _ = match data.first() {
                Some(first) if first & 1 == 1 => fs::write(&better, data),
                Some(_) | None => fs::remove_file(&better),
            };
            let _ = fs::write(folder.join("proc/self/mounts"), first);
            let _ = fs::write(folder.join("sys/fs/cgroup/cgroup.controllers"), second);
            for place in Cgroups::find(host).places.values() {
                let leads_out = |part| matches!(part, Component::ParentDir | Component::CurDir);
                assert!(!place.mount.components().any(leads_out), "{place:?}");
            }
        });
    }),
    ("process_files", |data| {
        with_host(|folder, host| {
            let _ = fs::write(folder.join("proc/1/stat"), data);
            let _ = started(host, 1);
            let _ = fs::write(folder.join("sys/fs/cgroup/cgroup.procs"), data);
            let _ = members(host, Path::new("/sys/fs/cgroup"));
        });
    }),
    ("resctrl_groups", |data| {
        with_host(|folder, host| {
            let group = folder.join("sys/fs/resctrl/mon_groups/busbar-web");
            let files = [
                "info/L3_MON/num_rmids",
                "info/L3_MON/mon_features",
                "mon_groups/theirs/tasks",
            ];
            let mut parts = data.split(|byte| *byte == 0);
            for file in files {
                let text = parts.next().unwrap_or_default();
                let _ = fs::write(folder.join("sys/fs/resctrl").join(file), text);
            }
            let _ = fs::write(group.join("tasks"), parts.next().unwrap_or_default());
            let layout = Layout::find(host, "busbar").noting_in("/originals.json");
            let all = |is_wished| counting(host, &layout, &Intent::default(), is_wished);
            // Nobody is here, so whatever stands there the group goes.
            for is_wished in [true, false] {
                if let Ok(counting) = all(is_wished) {
                    assert_eq!(counting.steps.len(), 1, "{counting:?}");
                }
            }
        });
    }),
    ("erase_pages", erase::pages),
    ("erase_marks", erase::marks),
    ("step", |data| {
        if let Ok(step) = serde_json::from_slice::<Step>(data) {
            let text = serde_json::to_vec(&step).unwrap_or_default();
            assert_eq!(serde_json::from_slice::<Step>(&text).ok(), Some(step));
        }
    }),
];

/// A host in files.
struct Tree(PathBuf);

impl Tree {
    fn plant() -> std::io::Result<Tree> {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let tree = Tree(place.join(format!("busbar-fuzz-host-{}", std::process::id())));
        let resctrl = ["info/L3_MON", "mon_groups/theirs", "mon_groups/busbar-web"];
        for folder in resctrl {
            fs::create_dir_all(tree.0.join("sys/fs/resctrl").join(folder))?;
        }
        for folder in ["proc/self", "proc/1", "sys/fs/cgroup"] {
            fs::create_dir_all(tree.0.join(folder))?;
        }
        Ok(tree)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What cannot be removed is a few kilobytes in a place for scratch.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with_host(look: impl FnOnce(&Path, &Host)) {
    thread_local! {
        static TREE: LazyCell<Option<Tree>> = const { LazyCell::new(|| Tree::plant().ok()) };
    }
    TREE.with(|tree| {
        if let Some(tree) = tree.as_ref() {
            look(&tree.0, &Host::at(&tree.0));
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }
}
