//! Groups that count what each workload keeps in the last-level caches and moves to and from memory, and divide nothing
//! (`mon_groups`, Documentation/filesystems/resctrl.rst).
//!
//! A class counts by itself, so only those without one need a group. A processor has few numbers to count by (RMIDs): whoever gets
//! none is named with the reason, and asked for again later. It is no part of an isolation: a workload runs as well without.
//! Tasks that somebody else counts or that stand in somebody else's class are left where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use intent::{Intent, Isolation, WorkloadId};
use nix::errno::Errno;

use super::host::NO_CLASSES;
use super::{RESCTRL, has_share};
use crate::cgroup::{Controller, Layout, members, started};
use crate::host::Host;
use crate::isolator::IsolateError;
use crate::record::Refusal;
use crate::step::{Step, TASKS};

/// Groups that count, at the top and in each class.
const MON_GROUPS: &str = "mon_groups";
/// What the L3 caches count, a word a line.
const MON_FEATURES: &str = "info/L3_MON/mon_features";
/// How many groups and classes can be told apart, the class of everybody among them.
const NUM_RMIDS: &str = "info/L3_MON/num_rmids";
/// What makes a group worth its number.
const COUNTS: [&str; 3] = ["llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"];

/// What is missing until each workload is counted, and who is not counted, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    /// In the order in which they are to be done. Threads come after their group is there: plan again then.
    pub steps: Vec<Step>,
    /// Workloads that nobody counts though it is wished.
    pub uncounted: BTreeMap<WorkloadId, String>,
}

/// Whether this directory is a group that counts, and no class.
pub(crate) fn is_monitor(dir: &Path) -> bool {
    dir.starts_with(RESCTRL) && dir.parent().is_some_and(|above| above.ends_with(MON_GROUPS))
}

/// Whether the kernel has no number to count by left (`ENOSPC`), or none that is clean (`EBUSY`): it gives them back when what they
/// counted has left the caches.
pub(crate) fn is_none_left(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::ENOSPC | Errno::EBUSY))
}

/// Notes that the kernel refused something of a group: it is not asked again at once.
pub(crate) fn note_refusal(host: &Host, path: &Path, why: String) {
    let refusal = Refusal {
        value: String::new(),
        why,
    };
    host.note_refusals(&BTreeMap::from([(path.to_owned(), refusal)]));
}

/// Directories of ours, classes and groups that count, where resctrl is mounted.
pub fn ours(host: &Host, name: &str) -> Vec<PathBuf> {
    let root = Path::new(RESCTRL);
    let prefix = format!("{name}-");
    let places = [root.join(MON_GROUPS), root.to_owned()];
    let each = places.iter().flat_map(|place| {
        let names = host.directories(place).unwrap_or_default();
        names.into_iter().map(|name| place.join(name))
    });
    let own = |dir: &PathBuf| {
        let name = dir.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&prefix))
    };
    each.filter(own).collect()
}

/// What is missing until each of these workloads is counted where that is wished, and until nothing of it is left where it is not.
///
/// # Errors
/// When resctrl, or who is in a workload, cannot be read.
pub fn counting(
    host: &Host,
    layout: &Layout,
    intent: &Intent,
    is_wished: bool,
) -> Result<Counting, IsolateError> {
    let mut counting = Counting::default();
    let groups = Groups::look(host, layout)?;
    let wanted = |isolation: &&Isolation| is_wished && isolation.is_written_by_us() && !has_share(isolation);
    let mut wanted: Vec<&Isolation> = intent.isolations.iter().filter(wanted).collect();
    // Those that may slow others down come first where numbers are short.
    wanted.sort_by_key(|isolation| isolation.exclusive);
    let dir_of = |isolation: &Isolation| Groups::dir(layout, &isolation.workload);
    let unwanted = groups
        .ours
        .iter()
        .filter(|dir| wanted.iter().all(|one| dir_of(one) != **dir));
    let gone: Vec<Step> = unwanted
        .map(|dir| Step::RemoveClass { dir: dir.clone() })
        .collect();
    let mut used = groups.used - gone.len();
    counting.steps = gone;
    if !groups.count {
        return Ok(counting);
    }
    let refused = host.refusals();
    for isolation in wanted {
        let dir = dir_of(isolation);
        let why = refused.get(&dir).or_else(|| refused.get(&dir.join(TASKS)));
        if let Some(refusal) = why {
            counting
                .uncounted
                .insert(isolation.workload.clone(), refusal.why.clone());
        } else if groups.ours.contains(&dir) {
            counting.steps.extend(groups.tasks(host, layout, isolation, dir)?);
        } else if groups.most.is_none_or(|most| used < most) {
            used += 1;
            counting.steps.push(Step::MakeClass { dir });
        } else {
            let why = groups.none_left(used);
            counting.uncounted.insert(isolation.workload.clone(), why);
        }
    }
    Ok(counting)
}

/// What there is.
struct Groups {
    /// Whether the caches count anything.
    count: bool,
    /// How many there can be, classes and groups that count together.
    most: Option<usize>,
    /// How many there are.
    used: usize,
    ours: BTreeSet<PathBuf>,
    /// Threads that somebody else counts, or that are in somebody else's class.
    others: BTreeSet<String>,
}

impl Groups {
    fn dir(layout: &Layout, workload: &WorkloadId) -> PathBuf {
        Path::new(RESCTRL)
            .join(MON_GROUPS)
            .join(format!("{}-{workload}", layout.name))
    }

    fn look(host: &Host, layout: &Layout) -> Result<Groups, IsolateError> {
        let root = Path::new(RESCTRL);
        let top = root.join(MON_GROUPS);
        let mut groups = Groups {
            count: false,
            most: None,
            used: 1,
            ours: BTreeSet::new(),
            others: BTreeSet::new(),
        };
        // Only the agent of the host itself touches what is outside of its cgroups.
        if layout.record.is_none() || !host.is_dir(&top) {
            return Ok(groups);
        }
        let features = read(host, &root.join(MON_FEATURES))?;
        groups.count = features.lines().any(|word| COUNTS.contains(&word.trim()));
        groups.most = read(host, &root.join(NUM_RMIDS))?.parse().ok();
        let prefix = format!("{}-", layout.name);
        for dir in directories(host, &top)? {
            groups.add(host, &prefix, dir)?;
        }
        let classes = directories(host, root)?;
        let no_class = |dir: &PathBuf| NO_CLASSES.iter().any(|name| dir.ends_with(name));
        for class in classes.into_iter().filter(|dir| !no_class(dir)) {
            groups.used += directories(host, &class.join(MON_GROUPS))?.len();
            groups.add(host, &prefix, class)?;
        }
        Ok(groups)
    }

    fn add(&mut self, host: &Host, prefix: &str, dir: PathBuf) -> Result<(), IsolateError> {
        self.used += 1;
        let name = dir.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(|name| name.starts_with(prefix)) {
            let tasks = read(host, &dir.join(TASKS))?;
            self.others
                .extend(tasks.lines().map(|line| line.trim().to_owned()));
        } else if is_monitor(&dir) {
            self.ours.insert(dir);
        }
        Ok(())
    }

    /// Processes of the workload whose threads are not all in its group. What a thread makes later is where its maker is.
    fn tasks(
        &self,
        host: &Host,
        layout: &Layout,
        isolation: &Isolation,
        dir: PathBuf,
    ) -> Result<Vec<Step>, IsolateError> {
        let place = layout.place(Controller::Cpuset)?;
        let inside = read(host, &dir.join(TASKS))?;
        let inside: BTreeSet<&str> = inside.lines().map(str::trim).collect();
        let mut steps = Vec::new();
        for pid in members(host, &layout.group(place, isolation))? {
            let threads = Path::new("/proc").join(pid.to_string()).join("task");
            let threads = host.directories(&threads).unwrap_or_default();
            let is_theirs = threads.iter().any(|thread| self.others.contains(thread));
            let is_whole = threads.iter().all(|thread| inside.contains(thread.as_str()));
            if !is_whole
                && !is_theirs
                && let Some(started) = started(host, pid)
            {
                let dir = dir.clone();
                steps.push(Step::AssignTasks { dir, pid, started });
            }
        }
        Ok(steps)
    }

    fn none_left(&self, used: usize) -> String {
        let most = self.most.unwrap_or(used);
        format!(
            "this processor counts {most} groups of tasks apart (RMIDs), and classes and groups of monitoring have all of them; whoever \
             removes one in {RESCTRL} makes room"
        )
    }
}

fn directories(host: &Host, dir: &Path) -> Result<Vec<PathBuf>, IsolateError> {
    let names = host.directories(dir).map_err(|cause| IsolateError::Unreadable {
        path: dir.to_owned(),
        cause,
    })?;
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

fn read(host: &Host, file: &Path) -> Result<String, IsolateError> {
    let text = host.read(file).map_err(|cause| IsolateError::Unreadable {
        path: file.to_owned(),
        cause,
    })?;
    Ok(text.unwrap_or_default())
}
