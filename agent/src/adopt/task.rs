//! Processes as `/proc/PID/stat` tells of them, and who started whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use isolators::Host;
use isolators::task::Stat as Line;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub pid: u32,
    /// Who started it, or took it over.
    pub parent: u32,
    /// When it was started, in clock ticks after boot.
    pub started: u64,
    /// Its name, at most 15 characters.
    pub name: String,
    /// Whether it is a thread of the kernel.
    pub is_kernels: bool,
    /// Whether it has ended and waits to be asked for its status.
    pub has_ended: bool,
}

/// Reads one; `None` where the text is not as the kernel writes it.
pub fn stat(text: &str) -> Option<Task> {
    let stat = Line::of(text)?;
    Some(Task {
        pid: stat.pid,
        parent: stat.parent()?,
        started: stat.started()?,
        name: stat.name.to_owned(),
        is_kernels: stat.is_kernels()?,
        has_ended: stat.has_ended()?,
    })
}

/// All processes of the host, by number.
pub fn all(host: &Host) -> Vec<Task> {
    let names = host.directories(Path::new("/proc")).unwrap_or_default();
    let pids = names.iter().filter_map(|name| name.parse::<u32>().ok());
    let tasks = pids.filter_map(|pid| {
        let text = host
            .read(Path::new(&format!("/proc/{pid}/stat")))
            .ok()
            .flatten()?;
        stat(&text)
    });
    let mut tasks: Vec<Task> = tasks.collect();
    tasks.sort_by_key(|task| task.pid);
    tasks
}

/// These and everybody whom they started, parents first. Whoever was left behind by a parent that has ended is the child of
/// another process now, and not among them.
pub fn family(all: &[Task], roots: &[u32]) -> Vec<Task> {
    let by_pid: BTreeMap<u32, &Task> = all.iter().map(|task| (task.pid, task)).collect();
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for task in all {
        children.entry(task.parent).or_default().push(task.pid);
    }
    let mut open: VecDeque<u32> = roots.iter().copied().collect();
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    while let Some(pid) = open.pop_front() {
        if !seen.insert(pid) {
            continue;
        }
        found.extend(by_pid.get(&pid).map(|task| Task::clone(task)));
        open.extend(children.get(&pid).into_iter().flatten());
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(pid: u32, parent: u32, flags: u64) -> String {
        format!("{pid} (a ) b(c) S {parent} 7 7 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 47{pid} 0 0")
    }

    #[test]
    fn a_family_is_whom_it_started_and_nobody_else() {
        let all: Vec<Task> = [(1, 0), (2, 1), (7, 2), (8, 7), (9, 8), (10, 1)]
            .into_iter()
            .map(|(pid, parent)| stat(&line(pid, parent, 0)).unwrap())
            .collect();
        let pids = |roots: &[u32]| {
            family(&all, roots)
                .iter()
                .map(|task| task.pid)
                .collect::<Vec<_>>()
        };
        assert_eq!(pids(&[7]), [7, 8, 9]);
        assert_eq!(pids(&[8, 7]), [8, 7, 9]);
        assert_eq!(pids(&[11]), [0; 0]);
        assert_eq!(all[2].started, 477);
    }

    #[test]
    fn the_kernels_own_threads_are_known() {
        assert!(stat(&line(2, 0, 0x0020_8040)).unwrap().is_kernels);
        assert!(!stat(&line(2, 0, 0x0040_0100)).unwrap().is_kernels);
        assert!(stat(&line(5, 1, 0).replace(" S ", " Z ")).unwrap().has_ended);
        for bad in [
            "",
            "7 (x",
            "7 (x) S 1",
            "x (x) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 477 0 0",
        ] {
            assert_eq!(stat(bad), None, "{bad:?}");
        }
    }
}
