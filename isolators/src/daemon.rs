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

/// The processes of this machine by their names, and when they were listed.
static LISTED: Mutex<Option<(Instant, BTreeMap<String, u32>)>> = Mutex::new(None);

/// The first process of this name.
pub(crate) fn pid_of(host: &Host, name: &str) -> Option<u32> {
    let comm = name.get(..COMM_LENGTH).unwrap_or(name);
    // The files of a recorded machine are what they are at each look.
    if !host.is_this_machine() {
        return listed(host).remove(comm);
    }
    let mut known = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = known.take().filter(|(at, _)| at.elapsed() < STANDS);
    let (at, processes) = fresh.unwrap_or_else(|| (Instant::now(), listed(host)));
    let found = processes.get(comm).copied();
    // One that has ended since is no owner any more.
    let found = found.filter(|pid| said(host, *pid).is_some_and(|said| said == comm));
    *known = Some((at, processes));
    found
}

fn said(host: &Host, pid: u32) -> Option<String> {
    let file: PathBuf = Path::new(PROC).join(pid.to_string()).join("comm");
    host.read(&file).ok().flatten()
}

/// The first process of each name.
fn listed(host: &Host) -> BTreeMap<String, u32> {
    let pids = host.directories(Path::new(PROC)).unwrap_or_default();
    let mut pids: Vec<u32> = pids.iter().filter_map(|pid| pid.parse().ok()).collect();
    pids.sort_unstable();
    let mut found = BTreeMap::new();
    for pid in pids {
        if let Some(comm) = said(host, pid) {
            found.entry(comm).or_insert(pid);
        }
    }
    found
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
        let listed_at = || LISTED.lock().unwrap().as_ref().map(|(at, _)| *at);
        let before = listed_at();
        assert_eq!(pid_of(&here, "a daemon that is not here"), None);
        assert_eq!(listed_at(), before, "no second list within ten seconds");
    }
}
