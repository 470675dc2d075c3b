//! Acts on all processes of a workload: freeze, thaw, end in order, end at once. They are steps like all others, and no part of
//! an intent: an agent that starts again changes nothing about them.

use std::path::Path;

use intent::Isolation;

use super::lacking::Optional;
use super::layout::Layout;
use super::mount::{Controller, Version};
use crate::host::Host;
use crate::isolator::IsolateError;
use crate::step::{Ending, Step};

/// v2: 1 stops all processes.
pub(crate) const CGROUP_FREEZE: &str = "cgroup.freeze";
/// v2: `frozen 1` when all of them stand still.
const CGROUP_EVENTS: &str = "cgroup.events";
const FROZEN: &str = "frozen ";
/// v1: `FROZEN`, `FREEZING` or `THAWED`.
pub(crate) const FREEZER_STATE: &str = "freezer.state";
/// What v1 hosts need.
const FREEZE: Optional = Optional {
    controller: Controller::Cpuset,
    file: CGROUP_FREEZE,
    gives: "cgroup v2 (Linux 5.2 and later) has it; in v1 mount the freezer controller into the hierarchy of the workload",
};

/// The step that stops all processes of a workload.
///
/// # Errors
/// When the workload's cgroup has no freezer.
pub fn freeze(host: &Host, layout: &Layout, isolation: &Isolation) -> Result<Vec<Step>, IsolateError> {
    set(host, layout, isolation, true)
}

/// The step that lets them continue.
///
/// # Errors
/// When the workload's cgroup has no freezer.
pub fn thaw(host: &Host, layout: &Layout, isolation: &Isolation) -> Result<Vec<Step>, IsolateError> {
    set(host, layout, isolation, false)
}

fn set(host: &Host, layout: &Layout, isolation: &Isolation, frozen: bool) -> Result<Vec<Step>, IsolateError> {
    let places = layout.hierarchies(isolation)?;
    for place in &places {
        let dir = layout.group(place, isolation);
        if place.version == Version::V2 || host.has(&dir.join(FREEZER_STATE)) {
            let is = frozen_in(host, &dir).unwrap_or(false);
            let step = Step::Freeze { dir, frozen };
            return Ok(if is == frozen { Vec::new() } else { vec![step] });
        }
    }
    let place = layout.place(Controller::Cpuset)?;
    Err(FREEZE.refusal(&layout.group(place, isolation), "freezing a workload"))
}

/// Whether all processes of a workload stand still; `None` where nobody can say.
pub fn is_frozen(host: &Host, layout: &Layout, isolation: &Isolation) -> Option<bool> {
    let places = layout.hierarchies(isolation).ok()?;
    places.into_iter().find_map(|place| {
        let dir = layout.group(place, isolation);
        match place.version {
            Version::V1 => frozen_in_v1(host, &dir),
            Version::V2 => frozen_in_v2(host, &dir),
        }
    })
}

pub(crate) fn frozen_in(host: &Host, dir: &Path) -> Option<bool> {
    if host.has(&dir.join(FREEZER_STATE)) {
        frozen_in_v1(host, dir)
    } else {
        frozen_in_v2(host, dir)
    }
}

fn frozen_in_v1(host: &Host, dir: &Path) -> Option<bool> {
    match host.read(&dir.join(FREEZER_STATE)).ok().flatten()?.as_str() {
        "FROZEN" => Some(true),
        "THAWED" => Some(false),
        _ => None,
    }
}

fn frozen_in_v2(host: &Host, dir: &Path) -> Option<bool> {
    let Some(events) = host.read(&dir.join(CGROUP_EVENTS)).ok().flatten() else {
        // A recorded tree has nobody who would tell an event.
        return Some(host.read(&dir.join(CGROUP_FREEZE)).ok().flatten()? == "1");
    };
    events
        .lines()
        .find_map(|line| line.strip_prefix(FROZEN))
        .map(|said| said.trim() == "1")
}

/// The steps that end all processes of a workload: those of one hierarchy are those of all. A frozen one is thawed first where
/// it is only asked, because a process that stands still hears nothing.
///
/// # Errors
/// When the host lacks a controller that the workload needs.
pub fn end(
    host: &Host,
    layout: &Layout,
    isolation: &Isolation,
    how: Ending,
) -> Result<Vec<Step>, IsolateError> {
    let place = layout.place(Controller::Cpuset)?;
    let dir = layout.group(place, isolation);
    let mut steps = Vec::new();
    if is_frozen(host, layout, isolation) == Some(true)
        && (how == Ending::Term || place.version == Version::V1)
    {
        steps.extend(thaw(host, layout, isolation)?);
    }
    steps.push(Step::End { dir, how });
    Ok(steps)
}
