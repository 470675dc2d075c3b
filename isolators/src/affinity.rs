//! On which CPUs the threads of a process may run within their cgroup: as they are, and the step to as they shall be.
//!
//! Linux: `sched_setaffinity(2)`; what a thread may use is `Cpus_allowed_list` in `/proc/PID/task/TID/status`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facts::CpuSet;
use serde::{Deserialize, Serialize};

use crate::cgroup::started;
use crate::host::Host;
use crate::step::Step;

/// The CPUs that a thread may run on, after its cgroup's.
const CPUS_ALLOWED_LIST: &str = "Cpus_allowed_list:";

/// Where the threads of one process may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affinity {
    /// The process.
    pub pid: u32,
    /// When it was started (field 22 of `/proc/PID/stat`): another process with the same number is left alone.
    pub started: u64,
    /// The CPUs of all threads that are not named apart.
    pub cpus: CpuSet,
    /// Threads with CPUs of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub threads: BTreeMap<u32, CpuSet>,
}

impl Affinity {
    /// As it is now; `None` where there is no such process. Threads that are as the first one are not named.
    pub fn of(host: &Host, pid: u32) -> Option<Affinity> {
        let started = started(host, pid)?;
        let cpus = allowed(host, pid, pid)?;
        let mut own = BTreeMap::new();
        for thread in threads(host, pid) {
            if let Some(set) = allowed(host, pid, thread)
                && set != cpus
            {
                own.insert(thread, set);
            }
        }
        Some(Affinity {
            pid,
            started,
            cpus,
            threads: own,
        })
    }

    /// What this thread shall have.
    pub fn of_thread(&self, thread: u32) -> &CpuSet {
        self.threads.get(&thread).unwrap_or(&self.cpus)
    }

    /// The threads that may run on other CPUs than these, with those.
    pub fn differing(&self, host: &Host) -> Vec<(u32, CpuSet)> {
        if started(host, self.pid) != Some(self.started) {
            return Vec::new();
        }
        let each = threads(host, self.pid).into_iter().filter_map(|thread| {
            let may = allowed(host, self.pid, thread)?;
            (may != *self.of_thread(thread)).then_some((thread, may))
        });
        each.collect()
    }

    /// The step to it; none where all threads are so already, or the process has ended.
    pub fn step(self, host: &Host) -> Option<Step> {
        (!self.differing(host).is_empty()).then_some(Step::SetAffinity(self))
    }
}

/// The CPUs that a thread may run on, as the kernel says; `None` where it has ended.
pub fn allowed(host: &Host, pid: u32, thread: u32) -> Option<CpuSet> {
    let text = host.read(&status_of(pid, thread)).ok().flatten()?;
    let list = text
        .lines()
        .find_map(|line| line.strip_prefix(CPUS_ALLOWED_LIST))?;
    list.trim().parse().ok()
}

/// The threads of a process, by number.
pub fn threads(host: &Host, pid: u32) -> Vec<u32> {
    let names = host.directories(&threads_of(pid)).unwrap_or_default();
    let mut all: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    all.sort_unstable();
    all
}

/// The directory of a process's threads.
pub(crate) fn threads_of(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join("task")
}

/// Where the kernel says what a thread may use.
pub fn status_of(pid: u32, thread: u32) -> PathBuf {
    threads_of(pid).join(thread.to_string()).join("status")
}

/// The text of a recorded thread's status with other CPUs in it.
pub(crate) fn recorded(text: &str, cpus: &CpuSet) -> String {
    let others = text.lines().filter(|line| !line.starts_with(CPUS_ALLOWED_LIST));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    lines.push(format!("{CPUS_ALLOWED_LIST}\t{cpus}"));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::fs;

    use super::*;

    fn host() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        for (thread, cpus) in [(7, "0-3"), (8, "2"), (9, "0-3")] {
            let file = host.real(&status_of(7, thread));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("Name:\tx\nCpus_allowed_list:\t{cpus}\n")).unwrap();
        }
        let stat = "7 (x) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 477 0 0";
        fs::write(host.real(Path::new("/proc/7/stat")), stat).unwrap();
        (dir, host)
    }

    #[test]
    fn threads_that_differ_are_named_and_others_are_not() {
        let (_dir, host) = host();
        let is = Affinity::of(&host, 7).unwrap();
        assert_eq!((is.started, is.cpus.to_string().as_str()), (477, "0-3"));
        assert_eq!(is.threads.len(), 1);
        assert_eq!(is.differing(&host), []);
        assert_eq!(is.clone().step(&host), None);
        let shall = Affinity {
            threads: BTreeMap::from([(9, "1".parse().unwrap())]),
            ..is
        };
        let differing = shall.differing(&host);
        assert_eq!(
            differing.iter().map(|(thread, _)| *thread).collect::<Vec<_>>(),
            [8, 9]
        );
        let another = Affinity {
            started: 478,
            ..shall
        };
        assert_eq!(another.step(&host), None, "another process of this number");
        assert_eq!(Affinity::of(&host, 6), None);
    }
}
