//! Threads are pinned by `sched_setaffinity(2)` and asked by `sched_getaffinity(2)` whether they are.

use std::fs;
use std::io;

use facts::{CpuId, CpuSet};
use nix::errno::Errno;
use nix::sched::{CpuSet as KernelSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::StepError;
use crate::affinity::{Affinity, recorded, status_of, threads_of};
use crate::cgroup::started;
use crate::host::Host;

/// How often a process's threads are looked at again: those that it makes meanwhile have the CPUs of their maker, so the second
/// look usually finds all as they shall be.
const MOST_LOOKS: usize = 50;

pub(super) fn set(host: &Host, wanted: &Affinity) -> Result<(), StepError> {
    if started(host, wanted.pid) != Some(wanted.started) {
        return Err(StepError::Gone(wanted.pid));
    }
    let is_kernels = host.is_kernels(&threads_of(wanted.pid));
    for _ in 0..MOST_LOOKS {
        let differing = wanted.differing(host);
        if differing.is_empty() {
            return Ok(());
        }
        let mut can_have_more = false;
        for (thread, _) in differing {
            let cpus = wanted.of_thread(thread);
            if is_kernels {
                can_have_more |= pin(thread, cpus)?;
            } else {
                can_have_more = true;
                record(host, wanted.pid, thread, cpus).map_err(StepError::Refused)?;
            }
        }
        // The cgroup has fewer CPUs than are wanted: a thread gets those of them that it has, and no more can be had.
        if !can_have_more {
            return Ok(());
        }
    }
    Err(StepError::TooSlow {
        file: threads_of(wanted.pid),
        said: format!(
            "new threads of process {}, faster than they can be pinned",
            wanted.pid
        ),
    })
}

/// Pins one thread and asks it. Whether it has all of them, or has ended: then it is worth looking again.
fn pin(thread: u32, cpus: &CpuSet) -> Result<bool, StepError> {
    let refused = |errno: Errno| StepError::Refused(errno.into());
    let id = Pid::from_raw(i32::try_from(thread).map_err(|_| StepError::Gone(thread))?);
    let mut set = KernelSet::new();
    for cpu in cpus.iter() {
        let number = usize::try_from(cpu.0).unwrap_or(usize::MAX);
        set.set(number).map_err(refused)?;
    }
    match sched_setaffinity(id, &set) {
        Err(Errno::ESRCH) => return Ok(true),
        other => other.map_err(refused)?,
    }
    let said = match sched_getaffinity(id) {
        Err(Errno::ESRCH) => return Ok(true),
        other => numbers(&other.map_err(refused)?),
    };
    if said.is_subset(cpus) && !said.is_empty() {
        return Ok(said == *cpus);
    }
    Err(StepError::ReadBack {
        file: threads_of(thread),
        wrote: cpus.to_string(),
        said: said.to_string(),
    })
}

fn numbers(set: &KernelSet) -> CpuSet {
    let all = (0..KernelSet::count()).filter(|number| set.is_set(*number).unwrap_or(false));
    all.filter_map(|number| u32::try_from(number).ok())
        .map(CpuId)
        .collect()
}

/// In a recorded tree the status says what a kernel would say.
fn record(host: &Host, pid: u32, thread: u32, cpus: &CpuSet) -> io::Result<()> {
    let file = status_of(pid, thread);
    let text = host.read(&file)?.unwrap_or_default();
    fs::write(host.real(&file), recorded(&text, cpus))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::BTreeMap;
    use std::sync::mpsc;

    use super::*;
    use crate::affinity::allowed;

    #[test]
    fn a_real_thread_is_pinned_and_put_back_and_its_neighbours_stay() {
        let host = Host::at("/");
        let pid = std::process::id();
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            let _ = ended.recv();
        });
        let thread = u32::try_from(told.recv().unwrap()).unwrap();
        let before = Affinity::of(&host, pid).unwrap();
        let first: CpuSet = before.cpus.first().into_iter().collect();
        let pinned = Affinity {
            threads: BTreeMap::from([(thread, first.clone())]),
            ..before.clone()
        };
        set(&host, &pinned).unwrap();
        assert_eq!(allowed(&host, pid, thread).unwrap(), first);
        assert_eq!(allowed(&host, pid, pid).unwrap(), before.cpus);
        set(&host, &before).unwrap();
        assert_eq!(allowed(&host, pid, thread).unwrap(), before.cpus);
        let stranger = Affinity { started: 1, ..pinned };
        assert!(matches!(set(&host, &stranger), Err(StepError::Gone(_))));
        drop(end);
        sleeper.join().unwrap();
    }
}
