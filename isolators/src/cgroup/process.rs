//! Processes: who is in a cgroup, where a process comes from, and which process a number means.

use std::path::{Path, PathBuf};

use intent::Isolation;
use nix::libc::EOPNOTSUPP;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::mount::{Controller, Place, Version};
use crate::host::Host;
use crate::isolator::IsolateError;
use crate::resctrl::{class_of, has_share};
use crate::step::{CGROUP_PROCS, Step};
use crate::task::Stat;

/// What the kernel writes behind the path of a cgroup that was removed.
const DELETED: &str = " (deleted)";
/// How deep we look for cgroups in a workload's cgroup.
const DEEPEST: usize = 16;

/// The cgroup that a process was in before we moved it, in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The hierarchy's mount point.
    pub mount: PathBuf,
    /// The cgroup's directory.
    pub dir: PathBuf,
}

/// When a process was started, in clock ticks after boot; `None` where there is no such process. With the number it names
/// one process for good: numbers are used again, start times are not.
pub fn started(host: &Host, pid: u32) -> Option<u64> {
    let text = host
        .read(Path::new(&format!("/proc/{pid}/stat")))
        .ok()
        .flatten()?;
    Stat::of(&text)?.started()
}

/// Whether a process that was started then still lives; one that has ended and waits to be asked for its status does not.
pub fn is_alive(host: &Host, pid: u32, since: u64) -> bool {
    let text = host.read(Path::new(&format!("/proc/{pid}/stat"))).ok().flatten();
    let stat = text.as_deref().and_then(Stat::of);
    stat.is_some_and(|stat| stat.started() == Some(since) && stat.has_ended() == Some(false))
}

/// The processes in a cgroup and in all cgroups below it; none where it does not exist.
///
/// # Errors
/// When the kernel's list cannot be read.
pub fn members(host: &Host, dir: &Path) -> Result<Vec<u32>, IsolateError> {
    let mut found = Vec::new();
    gather(host, dir, DEEPEST, &mut found)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn gather(host: &Host, dir: &Path, depth: usize, found: &mut Vec<u32>) -> Result<(), IsolateError> {
    let file = dir.join(CGROUP_PROCS);
    let text = match host.read(&file) {
        Ok(text) => text.unwrap_or_default(),
        // A threaded cgroup (v2): the cgroup above lists its processes.
        Err(cause) if cause.raw_os_error() == Some(EOPNOTSUPP) => String::new(),
        Err(cause) => return Err(IsolateError::Unreadable { path: file, cause }),
    };
    found.extend(text.lines().filter_map(|line| line.trim().parse::<u32>().ok()));
    if depth == 0 {
        return Ok(());
    }
    let below = host.cgroups(dir);
    let below = below.map_err(|cause| IsolateError::Unreadable {
        path: dir.to_owned(),
        cause,
    })?;
    below
        .iter()
        .try_for_each(|name| gather(host, &dir.join(name), depth - 1, found))
}

/// Where a process is now, in each hierarchy that the workload needs.
///
/// # Errors
/// When there is no such process, or the host lacks a controller.
pub fn origins(
    host: &Host,
    layout: &Layout,
    isolation: &Isolation,
    pid: u32,
) -> Result<Vec<Origin>, IsolateError> {
    let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = host.read(&file);
    let text = text.map_err(|cause| IsolateError::Unreadable {
        path: file.clone(),
        cause,
    })?;
    let text = text.ok_or_else(|| IsolateError::Strange {
        path: file.clone(),
        text: String::new(),
        expected: "the cgroups of a process that is there",
    })?;
    let places = layout.hierarchies(isolation)?;
    places
        .into_iter()
        .map(|place| match in_hierarchy(&text, layout, place) {
            Some(dir) => Ok(Origin {
                mount: place.mount.clone(),
                dir,
            }),
            None => Err(IsolateError::Strange {
                path: file.clone(),
                text: text.clone(),
                expected: "a line for each mounted hierarchy",
            }),
        })
        .collect()
}

/// The line is `4:memory:/path` in v1 and `0::/path` in v2.
fn in_hierarchy(text: &str, layout: &Layout, place: &Place) -> Option<PathBuf> {
    let here: Vec<&str> = Controller::ALL
        .into_iter()
        .filter(|controller| layout.cgroups.places.get(controller) == Some(place))
        .map(|controller| controller.word_in(place.version))
        .collect();
    let path = text.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let right = match place.version {
            Version::V2 => number == "0" && controllers.is_empty(),
            Version::V1 => controllers
                .split(',')
                .any(|controller| here.contains(&controller)),
        };
        right.then_some(path)
    })?;
    let path = Path::new(path.strip_suffix(DELETED).unwrap_or(path));
    // What lies outside of what the mount shows can be reached at its top only.
    let inside = path.strip_prefix(&place.shows).unwrap_or(Path::new(""));
    // Joining part by part leaves no slash behind where there is nothing to join.
    Some(
        inside
            .components()
            .fold(place.mount.clone(), |dir, part| dir.join(part)),
    )
}

/// The cgroup, or where it was removed meanwhile the nearest one above it, not above the mount point.
pub fn nearest_living(host: &Host, origin: &Origin) -> PathBuf {
    let living = origin
        .dir
        .ancestors()
        .take_while(|dir| dir.starts_with(&origin.mount));
    living
        .filter(|dir| host.is_dir(dir))
        .map(Path::to_owned)
        .next()
        .unwrap_or_else(|| origin.mount.clone())
}

/// The steps that move a process into its workload's cgroup, one a hierarchy.
///
/// # Errors
/// When the host lacks a controller that the workload needs.
pub fn enter(
    layout: &Layout,
    isolation: &Isolation,
    pid: u32,
    started: u64,
    origins: &[Origin],
) -> Result<Vec<Step>, IsolateError> {
    let places = layout.hierarchies(isolation)?;
    let steps = places.into_iter().map(|place| {
        let origin = origins.iter().find(|origin| origin.mount == place.mount);
        let from = origin.map_or_else(|| place.mount.clone(), |origin| origin.dir.clone());
        Step::MoveProcess {
            pid,
            started,
            from,
            to: layout.group(place, isolation),
        }
    });
    let class = has_share(isolation).then(|| Step::AssignTasks {
        dir: class_of(layout, &isolation.workload),
        pid,
        started,
    });
    Ok(steps.chain(class).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        fs::create_dir_all(dir.path().join("proc/7")).unwrap();
        let fields: Vec<String> = (4..=30).map(|number| number.to_string()).collect();
        let text = format!("7 (a ) b(c) S {}\n", fields.join(" "));
        fs::write(dir.path().join("proc/7/stat"), text).unwrap();
        assert_eq!(started(&host, 7), Some(22));
        assert_eq!(started(&host, 8), None);
        assert!(started(&Host::at("/"), std::process::id()).is_some());
    }

    #[test]
    fn a_removed_origin_is_replaced_by_what_stands_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        fs::create_dir_all(dir.path().join("cg/user")).unwrap();
        let origin = Origin {
            mount: "/cg".into(),
            dir: "/cg/user/session/x".into(),
        };
        assert_eq!(nearest_living(&host, &origin), Path::new("/cg/user"));
    }
}
