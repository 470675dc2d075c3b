//! All processes of a cgroup at once: frozen, thawed, asked to end, killed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{StepError, read, write};
use crate::cgroup::{CGROUP_FREEZE, FREEZER_STATE, frozen_in, members, started};
use crate::host::Host;
use crate::step::Ending;

/// v2, Linux 5.14: writing 1 kills everything in it and below, processes that are just being made included.
const CGROUP_KILL: &str = "cgroup.kill";
/// How long we wait until all stand still. A process in the middle of I/O stops when that is done.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long we wait between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// How often processes are killed that keep making others, where the kernel has no `cgroup.kill`.
const MOST_ROUNDS: usize = 100;

pub(super) fn freeze(host: &Host, dir: &Path, frozen: bool) -> Result<(), StepError> {
    let old = dir.join(FREEZER_STATE);
    let (file, value) = if host.has(&old) {
        (old, if frozen { "FROZEN" } else { "THAWED" })
    } else {
        (dir.join(CGROUP_FREEZE), if frozen { "1" } else { "0" })
    };
    write(host, &file, value)?;
    if !host.is_kernels(dir) {
        return Ok(());
    }
    let began = Instant::now();
    loop {
        if frozen_in(host, dir) == Some(frozen) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let said = read(host, &file)?;
            return Err(StepError::TooSlow { file, said });
        }
        thread::sleep(PAUSE);
    }
}

pub(super) fn end(host: &Host, dir: &Path, how: Ending) -> Result<(), StepError> {
    let at_once = dir.join(CGROUP_KILL);
    if how == Ending::Kill && host.has(&at_once) && host.is_kernels(dir) {
        return write(host, &at_once, "1");
    }
    let rounds = match how {
        Ending::Term => 1,
        Ending::Kill => MOST_ROUNDS,
    };
    for _ in 0..rounds {
        let pids = members(host, dir).map_err(|error| StepError::Refused(std::io::Error::other(error)))?;
        if pids.is_empty() {
            return Ok(());
        }
        for pid in pids {
            signal(host, pid, how)?;
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn signal(host: &Host, pid: u32, how: Ending) -> Result<(), StepError> {
    // A number of a recorded tree means no process of this machine.
    if !host.is_kernels(Path::new("/proc")) || started(host, pid).is_none() {
        return Ok(());
    }
    let number = i32::try_from(pid).map_err(|_| StepError::Gone(pid))?;
    let signal = match how {
        Ending::Term => Signal::SIGTERM,
        Ending::Kill => Signal::SIGKILL,
    };
    match kill(Pid::from_raw(number), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(StepError::Refused(errno.into())),
    }
}
