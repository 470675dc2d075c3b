//! The only hand that writes to the host, and the only place that asks the modes whether it may.
//!
//! Each step is done, then read back: the kernel takes writes that it does not fulfil. Planning and execution are apart,
//! so this file decides nothing but "may I" and "did it work".

mod affinity;
mod class;
mod devices;
mod drive;
mod ending;
mod error;
mod fabric;
mod file;
mod gpu;
mod record;
mod recorded;
mod write;

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use intent::{Actuator, Actuators, Mode, WorkloadId};
use nix::libc::{EBUSY, ESRCH};

use crate::cgroup::started;
use crate::host::{Host, is_gone};
use crate::pidfd::Pidfd;
use crate::step::{CGROUP_PROCS, CGROUP_SUBTREE_CONTROL, Step};

pub(crate) use drive::{Drive, NotOurs, Tongue, Unobeyed};
pub use error::{ApplyError, StepError};
use record::Refusals;
pub(crate) use recorded::program as recorded_program;
use write::{and_read, failed, read, write, write_and_read};

/// How often a cgroup is tried that is still busy: processes that just ended stay in it until the kernel has buried them.
const REMOVE_TRIES: u32 = 100;
/// How long we wait between two tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mode forbids it. This would have been done.
    Would {
        /// The mode of the actuator.
        mode: Mode,
        /// The steps.
        steps: Vec<Step>,
    },
    /// It was done.
    Done(Applied),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The steps, in order.
    pub done: Vec<Step>,
    /// Workloads that got no partition.
    pub refused: Vec<PartitionRefused>,
}

/// The kernel refused a partition; everything else of the workload was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRefused {
    /// The workload.
    pub workload: WorkloadId,
    /// Why, in the kernel's words where it has some.
    pub why: String,
}

/// Called before each step: a daemon counts with it, a test of crash safety ends the process in it.
pub type Watch<'a> = &'a mut dyn FnMut(&Step);

/// The gate: whether the mode keeps this actuator from acting, and what it would do.
pub fn held(gate: &Actuators, actuator: Actuator, steps: &[Step]) -> Option<Outcome> {
    let mode = gate.of(actuator);
    (!gate.may_act(actuator)).then(|| Outcome::Would {
        mode,
        steps: steps.to_vec(),
    })
}

/// Does the steps in order, if the mode of the actuator allows it, and reads each back.
///
/// # Errors
/// With the first step that failed. Steps that only serve a partition do not fail: see [`Applied::refused`].
pub fn apply(
    gate: &Actuators,
    actuator: Actuator,
    host: &Host,
    steps: &[Step],
    watch: Watch<'_>,
) -> Result<Outcome, ApplyError> {
    if let Some(would) = held(gate, actuator, steps) {
        return Ok(would);
    }
    let mut applied = Applied::default();
    let mut refusals = Refusals::default();
    for step in steps {
        if hopeless(step, &applied.refused) {
            continue;
        }
        watch(step);
        match (perform(host, step, &mut refusals), partition_of(step)) {
            (Ok(()), _) => applied.done.push(step.clone()),
            (Err(cause), []) => {
                return Err(ApplyError {
                    step: Box::new(step.clone()),
                    cause,
                    done: applied.done,
                });
            }
            (Err(cause), workloads) => {
                let why = reason(step, &cause);
                tracing::warn!(%why, "the kernel refused a partition");
                let news = workloads.iter().filter(|one| !is_refused(one, &applied.refused));
                let news: Vec<PartitionRefused> = news
                    .map(|one| PartitionRefused {
                        workload: one.clone(),
                        why: why.clone(),
                    })
                    .collect();
                applied.refused.extend(news);
            }
        }
    }
    match (refusals.write_down(host), steps.last()) {
        (Err(cause), Some(step)) => Err(ApplyError {
            step: Box::new(step.clone()),
            cause,
            done: applied.done,
        }),
        (Ok(()) | Err(_), _) => Ok(Outcome::Done(applied)),
    }
}

fn partition_of(step: &Step) -> &[WorkloadId] {
    match step {
        Step::WriteFile { partition_of, .. } => partition_of,
        Step::MakeCgroup { .. }
        | Step::EnableControllers { .. }
        | Step::MoveProcess { .. }
        | Step::RemoveCgroup { .. }
        | Step::Remember { .. }
        | Step::Forget { .. }
        | Step::AllowDevices { .. }
        | Step::ListDevice { .. }
        | Step::MakeClass { .. }
        | Step::RemoveClass { .. }
        | Step::AssignTasks { .. }
        | Step::SetAffinity(_)
        | Step::Freeze { .. }
        | Step::LimitGpu { .. }
        | Step::PlaceFile { .. }
        | Step::RemoveFile { .. }
        | Step::Fabric(_)
        | Step::End { .. } => &[],
    }
}

fn is_refused(workload: &WorkloadId, refused: &[PartitionRefused]) -> bool {
    refused.iter().any(|one| one.workload == *workload)
}

/// A step that only serves partitions of which each was refused already.
fn hopeless(step: &Step, refused: &[PartitionRefused]) -> bool {
    let workloads = partition_of(step);
    !workloads.is_empty() && workloads.iter().all(|workload| is_refused(workload, refused))
}

/// Why there is no partition: the kernel's own words in brackets, `root invalid (…)`, where it has some.
fn reason(step: &Step, cause: &StepError) -> String {
    let file = step.path();
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match cause {
        StepError::ReadBack { said, .. } => format!("the kernel answers {said:?} in {name}"),
        StepError::Refused(error) => format!("the kernel refused {name}: {error}"),
        StepError::NoFile(_) => format!("this kernel has no {name}"),
        StepError::Gone(_)
        | StepError::Status(_)
        | StepError::TooSlow { .. }
        | StepError::Driver(_)
        | StepError::Others(_) => cause.to_string(),
    }
}

fn perform(host: &Host, step: &Step, refusals: &mut Refusals) -> Result<(), StepError> {
    tracing::debug!(%step, "applying");
    forget(host, step);
    if let Step::WriteFile {
        file,
        value,
        reads,
        refusal_to: Some(record),
        ..
    } = step
    {
        if let Err(error) = write_and_read(host, file, value, *reads) {
            refusals.note(record, file, value, &error.to_string());
        }
        return Ok(());
    }
    // Whatever comes next may end the record, or tell from it.
    refusals.write_down(host)?;
    match step {
        Step::MakeCgroup { dir } => make(host, dir),
        Step::RemoveCgroup { dir } => remove(host, dir),
        Step::EnableControllers { dir, controllers, .. } => enable(host, dir, controllers),
        Step::WriteFile {
            file, value, reads, ..
        } => write_and_read(host, file, value, *reads),
        Step::Remember {
            record,
            boot_id,
            originals,
        } => record::remember(host, record, boot_id, originals),
        Step::Forget { record, files } => record::forget(host, record, files),
        Step::AllowDevices { dir, rules, .. } => devices::attach(host, dir, rules),
        Step::ListDevice { dir, entry, allow } => devices::list(host, dir, entry, *allow),
        Step::MakeClass { dir } => class::make(host, dir),
        Step::RemoveClass { dir } => class::remove(host, dir),
        Step::AssignTasks { dir, pid, started } => class::assign(host, dir, *pid, *started),
        Step::LimitGpu { uuid, milliwatts, .. } => gpu::limit(host, step, uuid, *milliwatts),
        Step::PlaceFile { file, text } => file::place(host, file, text),
        Step::RemoveFile { file } => file::remove(host, file),
        Step::Fabric(step) => fabric::perform(host, step),
        Step::Freeze { dir, frozen } => ending::freeze(host, dir, *frozen),
        Step::End { dir, how } => ending::end(host, dir, *how),
        Step::SetAffinity(affinity) => affinity::set(host, affinity),
        Step::MoveProcess {
            pid,
            started,
            from,
            to,
        } => move_process(host, *pid, *started, from, to),
    }
}

/// What a step may change is read anew: the whole cgroup, because one of its files may show what another one was told.
fn forget(host: &Host, step: &Step) {
    let path = step.path();
    match step {
        Step::WriteFile { .. } | Step::EnableControllers { .. } | Step::ListDevice { .. } => {
            host.forget_below(path.parent().unwrap_or(&path));
        }
        Step::MakeCgroup { .. }
        | Step::RemoveCgroup { .. }
        | Step::AllowDevices { .. }
        | Step::MakeClass { .. }
        | Step::RemoveClass { .. }
        | Step::Freeze { .. }
        | Step::End { .. } => host.forget_below(&path),
        // Nothing that is remembered: who is in a cgroup is none of what its other files say.
        Step::MoveProcess { .. }
        | Step::AssignTasks { .. }
        | Step::Remember { .. }
        | Step::Forget { .. }
        | Step::SetAffinity(_)
        | Step::LimitGpu { .. }
        | Step::PlaceFile { .. }
        | Step::Fabric(_)
        | Step::RemoveFile { .. } => {}
    }
}

fn make(host: &Host, dir: &Path) -> Result<(), StepError> {
    match fs::create_dir(host.real(dir)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && host.is_dir(dir) => Ok(()),
        Err(error) => Err(StepError::Refused(error)),
    }
}

fn remove(host: &Host, dir: &Path) -> Result<(), StepError> {
    if !host.is_kernels(dir) {
        recorded::clear(host, dir).map_err(StepError::Refused)?;
    }
    for _ in 1..REMOVE_TRIES {
        match fs::remove_dir(host.real(dir)) {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(EBUSY) => thread::sleep(REMOVE_PAUSE),
            Err(error) => return Err(StepError::Refused(error)),
        }
    }
    fs::remove_dir(host.real(dir)).map_err(StepError::Refused)
}

fn enable(host: &Host, dir: &Path, controllers: &[String]) -> Result<(), StepError> {
    let file = dir.join(CGROUP_SUBTREE_CONTROL);
    let value: Vec<String> = controllers
        .iter()
        .map(|controller| format!("+{controller}"))
        .collect();
    let value = value.join(" ");
    let said = and_read(host, &file, &value)?;
    let on: Vec<&str> = said
        .split_whitespace()
        .map(|word| word.trim_start_matches('+'))
        .collect();
    if controllers
        .iter()
        .all(|controller| on.contains(&controller.as_str()))
    {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file,
        wrote: value,
        said,
    })
}

fn move_process(host: &Host, pid: u32, start: u64, from: &Path, to: &Path) -> Result<(), StepError> {
    let file = to.join(CGROUP_PROCS);
    // Held from before the write: who has ended by then may have left its number to another one.
    let handle = Pidfd::open(pid).ok().filter(|_| host.is_this_machine());
    if started(host, pid) != Some(start) {
        return Err(StepError::Gone(pid));
    }
    if !host.is_kernels(to) {
        return recorded::move_process(host, pid, from, to).map_err(StepError::Refused);
    }
    match write(host, &file, &pid.to_string()) {
        Ok(()) if handle.is_some_and(|handle| handle.has_ended()) => return Err(StepError::Gone(pid)),
        Ok(()) => {}
        Err(StepError::Refused(error)) if error.raw_os_error() == Some(ESRCH) => {
            return Err(StepError::Gone(pid));
        }
        Err(error) => return Err(error),
    }
    let said = read(host, &file)?;
    let pid_text = pid.to_string();
    if said.lines().any(|line| line == pid_text) {
        return Ok(());
    }
    if started(host, pid) != Some(start) {
        return Err(StepError::Gone(pid));
    }
    Err(StepError::ReadBack {
        file,
        wrote: pid_text,
        said,
    })
}
