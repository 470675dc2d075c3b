//! A part of the v2 hierarchy that systemd gave to the agent's unit (`Delegate=`): found by where this process stands.
//!
//! systemd lets a service that asked for it work below its own cgroup, and nowhere else. A cgroup that passes controllers on
//! holds no processes itself, so the agent stands in one of its own below: `DelegateSubgroup=agent`, or it goes there.

use std::path::{Component, Path, PathBuf};

use super::layout::Layout;
use super::mount::{CgroupMode, Controller, Version};
use super::process::started;
use crate::host::Host;
use crate::step::Step;

/// Where this process stands: `0::/busbar.slice/busbar-agent.service/agent`.
const OWN_CGROUP: &str = "/proc/self/cgroup";
const UNIFIED: &str = "0::";
const OWN_STAT: &str = "/proc/self/stat";
/// The agent's own cgroup below the one that was given to it.
const AGENT_GROUP: &str = "agent";
/// The controllers that a cgroup may pass on.
const CGROUP_CONTROLLERS: &str = "cgroup.controllers";
/// What gives a service such a part.
const GIVES: &str = "start the agent as a service with Delegate=yes (agent/deploy/delegate.conf)";

/// The cgroup that was given to this process's unit, from the hierarchy's top on: `busbar.slice/busbar-agent.service`.
///
/// # Errors
/// With what is missing, and what would give it.
pub fn delegated(host: &Host) -> Result<PathBuf, String> {
    let layout = Layout::find(host, AGENT_GROUP);
    if layout.cgroups.mode != CgroupMode::Unified {
        return Err(format!(
            "cgroups are in mode {}: only cgroup v2 is delegated; boot with systemd.unified_cgroup_hierarchy=1",
            layout.cgroups.mode.word()
        ));
    }
    let stands = stands(host)?;
    let below = match stands.file_name() {
        Some(name) if name == AGENT_GROUP => stands.parent().unwrap_or(Path::new("")).to_owned(),
        _ => stands,
    };
    let is_unit = below
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.ends_with(".service"));
    if !is_unit {
        return Err(format!(
            "this process stands in the cgroup /{}, which is no service's; {GIVES}",
            below.display()
        ));
    }
    let place = layout
        .place(Controller::Cpuset)
        .map_err(|error| error.to_string())?;
    let dir = place.mount.join(&below);
    let controllers = host
        .read(&dir.join(CGROUP_CONTROLLERS))
        .ok()
        .flatten()
        .unwrap_or_default();
    if !controllers
        .split_whitespace()
        .any(|word| word == Controller::Cpuset.word())
    {
        return Err(format!(
            "{} has the controllers {controllers:?} and not cpuset; {GIVES}",
            dir.display()
        ));
    }
    if !host.may_write(&dir) {
        return Err(format!("we may not make cgroups in {}; {GIVES}", dir.display()));
    }
    Ok(below)
}

fn stands(host: &Host) -> Result<PathBuf, String> {
    let text = host
        .read(Path::new(OWN_CGROUP))
        .ok()
        .flatten()
        .unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix(UNIFIED));
    let path = path.ok_or_else(|| format!("{OWN_CGROUP} names no cgroup of v2"))?;
    let path = Path::new(path);
    let odd = |part: Component<'_>| !matches!(part, Component::RootDir | Component::Normal(_));
    if path.components().any(odd) {
        return Err(format!(
            "{OWN_CGROUP} says {}, which is outside of what we see",
            path.display()
        ));
    }
    Ok(path.strip_prefix("/").unwrap_or(path).to_owned())
}

/// The steps by which this process leaves the cgroup that was given to it for one of its own below; none where it did.
pub fn step_aside(host: &Host, layout: &Layout) -> Vec<Step> {
    let (Ok(stands), Some(below)) = (stands(host), &layout.below) else {
        return Vec::new();
    };
    let stat = host.read(Path::new(OWN_STAT)).ok().flatten().unwrap_or_default();
    let pid = stat.split(' ').next().and_then(|pid| pid.parse().ok());
    let here = layout
        .all_hierarchies()
        .into_iter()
        .find(|place| place.version == Version::V2);
    let (Some(pid), Some(place)) = (pid.filter(|_| stands == *below), here) else {
        return Vec::new();
    };
    let Some(started) = started(host, pid) else {
        return Vec::new();
    };
    let from = place.mount.join(below);
    let to = from.join(AGENT_GROUP);
    let make = (!host.is_dir(&to)).then(|| Step::MakeCgroup { dir: to.clone() });
    let go = Step::MoveProcess {
        pid,
        started,
        from,
        to,
    };
    make.into_iter().chain([go]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        let v2 = [
            (
                "/proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            ),
            ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n"),
            (
                "/sys/fs/cgroup/busbar.slice/busbar-agent.service/cgroup.controllers",
                "cpuset cpu\n",
            ),
            (
                "/sys/fs/cgroup/system.slice/other.service/cgroup.controllers",
                "cpu pids\n",
            ),
        ];
        for (file, text) in v2.iter().chain(files) {
            let real = host.real(Path::new(file));
            fs::create_dir_all(real.parent().unwrap()).unwrap();
            fs::write(real, text).unwrap();
        }
        (dir, host)
    }

    fn found(stands: &str) -> Result<PathBuf, String> {
        let (_dir, host) = host(&[(OWN_CGROUP, stands)]);
        delegated(&host)
    }

    #[test]
    fn a_service_with_cpuset_is_a_place_and_nothing_else_is() {
        let unit = PathBuf::from("busbar.slice/busbar-agent.service");
        for stands in [
            "0::/busbar.slice/busbar-agent.service",
            "1:name=x:/y\n0::/busbar.slice/busbar-agent.service/agent",
        ] {
            assert_eq!(found(stands), Ok(unit.clone()));
        }
        for (stands, said) in [
            ("0::/", "no service's"),
            (
                "0::/user.slice/user-0.slice/session-1.scope",
                "session-1.scope, which is no service's",
            ),
            ("0::/system.slice/other.service", "not cpuset"),
            ("0::/../../system.slice/other.service", "outside of what we see"),
            ("4:cpu:/", "names no cgroup of v2"),
            ("0::/gone.slice/gone.service", "not cpuset"),
        ] {
            let refused = found(stands).unwrap_err();
            assert!(refused.contains(said), "{stands}: {refused}");
        }
        let (_dir, v1) = host(&[
            (
                "/proc/self/mountinfo",
                "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n",
            ),
            ("/sys/fs/cgroup/cpuset/tasks", ""),
        ]);
        assert!(delegated(&v1).unwrap_err().contains("mode legacy"));
    }
}
