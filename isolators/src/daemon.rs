//! Daemons by the names of their processes: who else has a hand on something.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::host::Host;

const PROC: &str = "/proc";
/// The kernel cuts a process's name (`/proc/PID/comm`) after so many bytes.
const COMM_LENGTH: usize = 15;

/// So long the list of this machine's processes stands: a plan asks for several daemons, a start makes several plans, and a server
/// has thousands of processes. A daemon that begins meanwhile is found by the next sweep.
const STANDS: Duration = Duration::from_secs(10);
/// How many lists in a row must show a process with a name before the name is believed without another look: a process is made
/// under the name of its maker and takes its own with its program.
const SURE_AFTER: u8 = 2;
/// Nothing is believed longer than this many lists.
const ANEW_AFTER: u32 = 6;

/// The names of this machine's processes, from list to list.
#[derive(Default)]
struct Known {
    listed: Option<Instant>,
    lists: u32,
    /// The name, and how many lists have shown it, by number.
    processes: BTreeMap<u32, (String, u8)>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known {
    listed: None,
    lists: 0,
    processes: BTreeMap::new(),
});

impl Known {
    /// Looks at the list again: at names that are new, at those that may still change, and now and then at all.
    fn renew(&mut self, host: &Host) {
        self.lists = self.lists.wrapping_add(1);
        if self.lists.is_multiple_of(ANEW_AFTER) {
            self.processes.clear();
        }
        let mut before = std::mem::take(&mut self.processes);
        for pid in pids(host) {
            let known = before.remove(&pid);
            if let Some((comm, seen)) = known.as_ref().filter(|(_, seen)| *seen >= SURE_AFTER) {
                self.processes.insert(pid, (comm.clone(), *seen));
            } else if let Some(comm) = said(host, pid) {
                let same = known.filter(|(before, _)| *before == comm);
                let seen = same.map_or(1, |(_, seen)| seen.saturating_add(1));
                self.processes.insert(pid, (comm, seen));
            }
        }
        self.listed = Some(Instant::now());
    }

    fn first_of(&self, name: &str) -> Option<u32> {
        let mut all = self.processes.iter();
        all.find(|(_, (comm, _))| comm == name).map(|(pid, _)| *pid)
    }
}

/// The first process of this name.
pub(crate) fn pid_of(host: &Host, name: &str) -> Option<u32> {
    let comm = name.get(..COMM_LENGTH).unwrap_or(name);
    // The files of a recorded machine are what they are at each look.
    if !host.is_this_machine() {
        let mut known = Known::default();
        known.renew(host);
        return known.first_of(comm);
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.listed.is_none_or(|at| at.elapsed() >= STANDS) {
        known.renew(host);
    }
    // One that has ended since is no owner any more.
    let found = known.first_of(comm);
    found.filter(|pid| said(host, *pid).is_some_and(|said| said == comm))
}

fn said(host: &Host, pid: u32) -> Option<String> {
    let file: PathBuf = Path::new(PROC).join(pid.to_string()).join("comm");
    host.read(&file).ok().flatten()
}

/// The numbers of all processes.
fn pids(host: &Host) -> Vec<u32> {
    let names = host.directories(Path::new(PROC)).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_recorded_machine_is_looked_at_each_time_and_this_one_now_and_then() {
        let tree = tempfile::tempdir().unwrap();
        let host = Host::at(tree.path());
        assert_eq!(pid_of(&host, "irqbalance"), None);
        let process = tree.path().join("proc/71");
        std::fs::create_dir_all(&process).unwrap();
        std::fs::write(process.join("comm"), "irqbalance\n").unwrap();
        assert_eq!(pid_of(&host, "irqbalance"), Some(71));

        let here = Host::at("/");
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let pid = pid_of(&here, own.trim()).unwrap();
        assert_eq!(said(&here, pid).as_deref(), Some(own.trim()));
        let listed_at = || KNOWN.lock().unwrap().listed;
        let before = listed_at();
        assert_eq!(pid_of(&here, "a daemon that is not here"), None);
        assert_eq!(listed_at(), before, "no second list within ten seconds");
    }

    #[test]
    fn a_name_is_believed_when_it_was_seen_twice_and_not_for_ever() {
        let tree = tempfile::tempdir().unwrap();
        let host = Host::at(tree.path());
        let process = tree.path().join("proc/71");
        std::fs::create_dir_all(&process).unwrap();
        let named = |name: &str| std::fs::write(process.join("comm"), format!("{name}\n")).unwrap();
        let mut known = Known::default();
        // Made by its service manager, it takes its name a moment later.
        named("(rqbalance)");
        known.renew(&host);
        named("irqbalance");
        known.renew(&host);
        assert_eq!(known.first_of("irqbalance"), Some(71));
        known.renew(&host);
        named("another");
        known.renew(&host);
        assert_eq!(known.first_of("irqbalance"), Some(71), "no second look");
        for _ in 0..ANEW_AFTER {
            known.renew(&host);
        }
        assert_eq!(known.first_of("irqbalance"), None);
        std::fs::remove_dir_all(&process).unwrap();
        known.renew(&host);
        assert!(known.processes.is_empty());
    }
}
