//! Classes of resctrl are made, filled and removed; where the kernel refuses, its own words are in `last_cmd_status`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::{StepError, read, write};
use crate::cgroup::started;
use crate::host::{Host, is_gone};
use crate::resctrl::{LAST_CMD_STATUS, RESCTRL, is_monitor, is_none_left, note_refusal};
use crate::step::TASKS;

/// How often a process's threads are looked at again: threads that it makes meanwhile are in the class of their maker, so the
/// second look usually finds none.
const MOST_LOOKS: usize = 50;
/// The threads of a process.
const THREADS: &str = "task";

pub(super) fn make(host: &Host, dir: &Path) -> Result<(), StepError> {
    match fs::create_dir(host.real(dir)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && host.is_dir(dir) => Ok(()),
        Err(error) => {
            let is_want = is_monitor(dir) && is_none_left(&error);
            let error = with_status(host, dir, StepError::Refused(error));
            if !is_want {
                return Err(error);
            }
            // Who cannot be counted runs as well.
            note_refusal(host, dir, error.to_string());
            Ok(())
        }
    }
}

pub(super) fn remove(host: &Host, dir: &Path) -> Result<(), StepError> {
    if !host.is_kernels(dir) && host.is_dir(dir) {
        // A kernel takes what a group counted away with it.
        return fs::remove_dir_all(host.real(dir)).map_err(StepError::Refused);
    }
    match fs::remove_dir(host.real(dir)) {
        Err(error) if !is_gone(&error) => Err(with_status(host, dir, StepError::Refused(error))),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// All threads of the process, those included that it makes meanwhile.
pub(super) fn assign(host: &Host, dir: &Path, pid: u32, start: u64) -> Result<(), StepError> {
    let file = dir.join(TASKS);
    for _ in 0..MOST_LOOKS {
        if started(host, pid) != Some(start) {
            // It has ended: nothing of it is left to be put anywhere.
            return Ok(());
        }
        let missing = outside(host, dir, pid)?;
        if missing.is_empty() {
            return Ok(());
        }
        for thread in missing {
            if !host.is_kernels(dir) {
                let before = host.read(&file).ok().flatten().unwrap_or_default();
                let text = format!("{before}\n{thread}\n");
                fs::write(host.real(&file), text.trim_start()).map_err(StepError::Refused)?;
                continue;
            }
            match write(host, &file, &thread.to_string()) {
                Err(StepError::Refused(error)) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                Err(StepError::Refused(error))
                    if is_monitor(dir) && error.raw_os_error() == Some(nix::libc::EINVAL) =>
                {
                    // It came into somebody else's class meanwhile.
                    let error = with_status(host, &file, StepError::Refused(error));
                    note_refusal(host, &file, error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(with_status(host, &file, error)),
                Ok(()) => {}
            }
        }
    }
    Err(StepError::TooSlow {
        file,
        said: format!("not all threads of process {pid}"),
    })
}

/// Threads of the process that are not in the class.
fn outside(host: &Host, dir: &Path, pid: u32) -> Result<Vec<u32>, StepError> {
    let file = dir.join(TASKS);
    let inside = if host.is_kernels(dir) {
        read(host, &file)?
    } else {
        host.read(&file).ok().flatten().unwrap_or_default()
    };
    let inside: BTreeSet<u32> = inside
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    let threads = host.directories(Path::new(&format!("/proc/{pid}/{THREADS}")));
    let threads = threads.map_err(StepError::Refused)?;
    let threads = threads.iter().filter_map(|thread| thread.parse().ok());
    Ok(threads.filter(|thread| !inside.contains(thread)).collect())
}

/// A refusal of resctrl with the kernel's own words.
pub(super) fn with_status(host: &Host, path: &Path, error: StepError) -> StepError {
    let StepError::Refused(cause) = &error else {
        return error;
    };
    if !path.starts_with(RESCTRL) {
        return error;
    }
    let status = host.read(Path::new(LAST_CMD_STATUS)).ok().flatten();
    let told = status.filter(|status| !status.is_empty() && status != "ok");
    let told = told.map(|status| StepError::Status(format!("{status} ({cause})")));
    told.unwrap_or(error)
}
