//! The directories: our own cgroup, one child a workload, and the controllers that are on in them.

use std::collections::BTreeSet;
use std::path::Path;

use intent::{Intent, Isolation};

use super::difference::{Wanted, read};
use super::layout::{CPUSET_CPUS_EXCLUSIVE, CPUSET_CPUS_PARTITION, Layout, MEMBER};
use super::mount::{Place, Version};
use super::process::members;
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{CGROUP_SUBTREE_CONTROL, Reads, Step};

/// How deep a workload may nest cgroups of its own that we still clear away; the kernel's trees are rarely deeper than five.
const DEEPEST: usize = 16;

/// Plans the directories. What is still in use is never planned for removal.
#[derive(Clone, Debug)]
pub struct Tree {
    layout: Layout,
}

impl Tree {
    /// For this layout.
    pub fn new(layout: &Layout) -> Tree {
        Tree {
            layout: layout.clone(),
        }
    }

    fn shape(&self, host: &Host, place: &Place, intent: &Intent) -> Result<Vec<Step>, IsolateError> {
        let mut steps = Vec::new();
        let all: Vec<&Isolation> = intent.isolations.iter().collect();
        let needed = self.layout.needed_in(place, &all);
        if place.version == Version::V2 && !needed.is_empty() {
            steps.extend(enable(host, &self.layout.base(place), &needed, false)?);
        }
        for own in self.layout.own(place) {
            let children = self.layout.children(place, &own, intent)?;
            if children.is_empty() {
                continue;
            }
            let controllers = self.layout.needed_in(place, &children);
            steps.extend(make(host, &own));
            if place.version == Version::V2 {
                steps.extend(enable(host, &own, &controllers, true)?);
            }
            let groups = children
                .iter()
                .map(|isolation| self.layout.group(place, isolation));
            steps.extend(groups.filter_map(|group| make(host, &group)));
        }
        Ok(steps)
    }

    fn release(&self, host: &Host, place: &Place, intent: &Intent) -> Result<Vec<Step>, IsolateError> {
        let mut steps = Vec::new();
        for own in self.layout.own(place) {
            if !host.is_dir(&own) {
                continue;
            }
            let children = self.layout.children(place, &own, intent)?;
            let wanted: BTreeSet<&str> = children
                .iter()
                .map(|isolation| isolation.workload.as_str())
                .collect();
            let mut stays = !wanted.is_empty();
            for name in list(host, &own)? {
                let dir = own.join(&name);
                if wanted.contains(name.as_str()) {
                    continue;
                }
                if members(host, &dir)?.is_empty() {
                    removals(host, &dir, DEEPEST, &mut steps)?;
                } else {
                    stays = true;
                }
            }
            if !stays && members(host, &own)?.is_empty() {
                steps.extend(dissolve(host, &own)?);
                steps.push(Step::RemoveCgroup { dir: own });
            }
        }
        Ok(steps)
    }
}

fn make(host: &Host, dir: &Path) -> Option<Step> {
    (!host.is_dir(dir)).then(|| Step::MakeCgroup { dir: dir.to_owned() })
}

fn enable(host: &Host, dir: &Path, wanted: &[&str], own: bool) -> Result<Option<Step>, IsolateError> {
    let file = dir.join(CGROUP_SUBTREE_CONTROL);
    let before = read(host, &file)?.unwrap_or_default();
    let on: BTreeSet<&str> = before
        .split_whitespace()
        .map(|word| word.trim_start_matches('+'))
        .collect();
    if wanted.iter().all(|controller| on.contains(controller)) {
        return Ok(None);
    }
    if !own && !host.may_write(&file) && host.has(&file) {
        return Err(IsolateError::NotDelegated {
            file,
            wanted: wanted.join(" "),
            has: before,
        });
    }
    // All of them, the ones that are on included: that changes nothing there.
    let controllers = wanted.iter().map(|controller| (*controller).to_owned()).collect();
    Ok(Some(Step::EnableControllers {
        dir: dir.to_owned(),
        controllers,
        before,
        own,
    }))
}

fn list(host: &Host, dir: &Path) -> Result<Vec<String>, IsolateError> {
    host.cgroups(dir).map_err(|cause| IsolateError::Unreadable {
        path: dir.to_owned(),
        cause,
    })
}

/// A cgroup is removed after those in it.
fn removals(host: &Host, dir: &Path, depth: usize, steps: &mut Vec<Step>) -> Result<(), IsolateError> {
    if depth > 0 {
        for name in list(host, dir)? {
            removals(host, &dir.join(name), depth - 1, steps)?;
        }
    }
    steps.extend(dissolve(host, dir)?);
    steps.push(Step::RemoveCgroup { dir: dir.to_owned() });
    Ok(())
}

/// A partition ends before its cgroup is removed: the kernel gives the CPUs back at once then, and otherwise only some time
/// after the directory is gone, when the next partition may have been refused for it (seen on Linux 6.1).
fn dissolve(host: &Host, dir: &Path) -> Result<Vec<Step>, IsolateError> {
    let files = [
        (CPUSET_CPUS_PARTITION, MEMBER, Reads::Partition),
        (CPUSET_CPUS_EXCLUSIVE, "", Reads::List),
    ];
    let mut steps = Vec::new();
    for (file, value, reads) in files {
        let wanted = Wanted::new(dir.join(file), value, reads);
        let said = read(host, &wanted.file)?;
        if said
            .as_deref()
            .is_some_and(|said| !said.is_empty() && said != value)
        {
            steps.push(wanted.step(said));
        }
    }
    Ok(steps)
}

impl Isolator for Tree {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let mut steps = Vec::new();
        for place in self.layout.all_hierarchies() {
            let release = self.release(host, place, intent)?;
            steps.extend(release.into_iter().map(|step| (Phase::Release, step)));
            let shape = self.shape(host, place, intent)?;
            steps.extend(shape.into_iter().map(|step| (Phase::Shape, step)));
        }
        Ok(steps)
    }
}
