//! Cache ways and memory bandwidth (Intel RDT, AMD QoS, Arm MPAM): a class of our own for each workload that was given a share.
//!
//! A share of a cache is for its workload alone: no other class of ours has its ways, none of somebody else's had them when
//! they were given, and the class of everybody gives them up. Classes of others are read and never changed.

mod held;
mod host;
mod monitor;
mod schemata;
mod ways;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use intent::{Intent, Isolation, WorkloadId};

use self::host::{Found, cache_of, look};
pub use self::monitor::{Counting, counting, ours};
pub(crate) use self::monitor::{is_monitor, is_none_left, note_refusal};
use self::schemata::{MB, Schemata, line};
use crate::cgroup::{Controller, Layout, members, started};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::record::Record;
use crate::step::{Reads, Step, TASKS};

/// Where resctrl is mounted.
pub(crate) const RESCTRL: &str = "/sys/fs/resctrl";
/// What the kernel said of the last write that it refused.
pub(crate) const LAST_CMD_STATUS: &str = "/sys/fs/resctrl/info/last_cmd_status";
/// Ways and bandwidth of a class.
const SCHEMATA: &str = "schemata";
/// How bandwidth is counted: in parts of a hundred. AMD counts in eighths of a gigabyte, and the sum is not known.
const WHOLE_BANDWIDTH: u64 = 100;

/// Plans classes of resctrl.
#[derive(Clone, Debug)]
pub struct Resctrl {
    layout: Layout,
}

type Steps = Vec<(Phase, Step)>;
/// The ways of each of our workloads, by domain.
type Given = BTreeMap<WorkloadId, BTreeMap<u32, u64>>;

/// The class of a workload.
pub(crate) fn class_of(layout: &Layout, workload: &WorkloadId) -> PathBuf {
    Path::new(RESCTRL).join(format!("{}-{workload}", layout.name))
}

/// Whether this workload has a share of a cache or of bandwidth, or is held to one: then it has a class of its own.
pub(crate) fn has_share(isolation: &Isolation) -> bool {
    isolation.cache.as_ref().is_some_and(|shares| !shares.is_empty()) || held::is_held(isolation)
}

impl Resctrl {
    /// For this layout.
    pub fn new(layout: &Layout) -> Resctrl {
        Resctrl {
            layout: layout.clone(),
        }
    }

    fn plan(&self, host: &Host, sharing: &[&Isolation], path: &Path) -> Result<Steps, IsolateError> {
        let found = look(host, &format!("{}-", self.layout.name))?;
        let record = Record::read(host, path)?;
        let file = Path::new(RESCTRL).join(SCHEMATA);
        let noted = record.originals.get(&file);
        let original = match noted {
            Some(text) => Schemata::parse(text).unwrap_or_else(|| found.everybody.clone()),
            None => found.everybody.clone(),
        };
        let mut steps = self.release(&found, sharing);
        enough_classes(&found, sharing, steps.len())?;
        let given = self.give(host, &found, sharing)?;
        let everybody = everybody(&found, &original, &given)?;
        steps.extend(self.change_everybody(&found, &record, path, &everybody));
        for isolation in sharing {
            steps.extend(self.class(host, &found, isolation, &given, &everybody)?);
            steps.extend(self.tasks(host, isolation)?);
        }
        if sharing.is_empty() && noted.is_some() && steps.is_empty() {
            let (record, files) = (path.to_owned(), vec![file]);
            steps.push((Phase::Grant, Step::Forget { record, files }));
        }
        Ok(steps)
    }

    /// Classes of ours that nobody needs any more.
    fn release(&self, found: &Found, sharing: &[&Isolation]) -> Steps {
        let wanted = |dir: &PathBuf| {
            sharing
                .iter()
                .any(|isolation| class_of(&self.layout, &isolation.workload) == *dir)
        };
        let gone = found.ours.keys().filter(|dir| !wanted(dir));
        gone.map(|dir| (Phase::Release, Step::RemoveClass { dir: dir.clone() }))
            .collect()
    }

    /// Ways for each share: what a workload has and may keep it keeps; the others get what is free then.
    fn give(&self, host: &Host, found: &Found, sharing: &[&Isolation]) -> Result<Given, IsolateError> {
        let mut given = Given::new();
        let Some((resource, cache)) = &found.cache else {
            return match sharing.iter().find(|one| wants_ways(one)) {
                Some(_) => Err(lacks("a share of the L3 cache", "info/L3")),
                None => Ok(given),
            };
        };
        let mut taken: BTreeMap<u32, u64> = BTreeMap::new();
        for class in found.foreign.values() {
            for domain in class.domains(resource) {
                *taken.entry(domain).or_default() |= class.get(resource, domain).unwrap_or(0);
            }
        }
        for keeping in [true, false] {
            for isolation in sharing {
                for share in isolation.cache.iter().flatten() {
                    let Some(part) = share.l3_share else { continue };
                    let domain = cache_of(host, &share.cpus)?;
                    let mine = given.entry(isolation.workload.clone()).or_default();
                    if mine.contains_key(&domain) {
                        continue;
                    }
                    let ways = cache.ways(u32::from(part.get()));
                    let taken = taken.entry(domain).or_default();
                    let class = found.ours.get(&class_of(&self.layout, &isolation.workload));
                    let has = class.and_then(|class| class.get(resource, domain));
                    let kept = has.filter(|has| has.count_ones() == ways && has & *taken == 0);
                    let mask = if keeping { kept } else { cache.find(ways, *taken) };
                    match mask {
                        Some(mask) => {
                            *taken |= mask;
                            mine.insert(domain, mask);
                        }
                        None if keeping => {}
                        None => return Err(none_left(&isolation.workload, ways, domain, *taken)),
                    }
                }
            }
        }
        Ok(given)
    }

    /// The class of everybody gives up first and gets back last.
    fn change_everybody(
        &self,
        found: &Found,
        record: &Record,
        path: &Path,
        wanted: &BTreeMap<u32, u64>,
    ) -> Steps {
        let Some((resource, _)) = &found.cache else {
            return Vec::new();
        };
        let file = Path::new(RESCTRL).join(SCHEMATA);
        let is = |domain: &u32| found.everybody.get(resource, *domain).unwrap_or(0);
        let less: BTreeMap<u32, u64> = wanted
            .iter()
            .map(|(domain, mask)| (*domain, mask & is(domain)))
            .filter(|(domain, mask)| *mask != 0 && *mask != is(domain))
            .collect();
        let more: BTreeMap<u32, u64> = wanted
            .iter()
            .filter(|(domain, mask)| **mask & !is(domain) != 0)
            .map(|(domain, mask)| (*domain, *mask))
            .collect();
        let mut steps = Vec::new();
        if (!less.is_empty() || !more.is_empty()) && !record.originals.contains_key(&file) {
            let originals = BTreeMap::from([(file.clone(), found.text.clone())]);
            steps.extend(
                record
                    .remember(path, originals)
                    .map(|step| (Phase::Release, step)),
            );
        }
        for (phase, values) in [(Phase::Release, less), (Phase::Grant, more)] {
            if !values.is_empty() {
                let value = lines(found, &values);
                steps.push((phase, write(&file, value, Some(found.text.clone()))));
            }
        }
        steps
    }

    fn class(
        &self,
        host: &Host,
        found: &Found,
        isolation: &Isolation,
        given: &Given,
        everybody: &BTreeMap<u32, u64>,
    ) -> Result<Steps, IsolateError> {
        let dir = class_of(&self.layout, &isolation.workload);
        let is = found.ours.get(&dir);
        let mut steps = Vec::new();
        if is.is_none() {
            steps.push((Phase::Shape, Step::MakeClass { dir: dir.clone() }));
        }
        let mut texts = Vec::new();
        if found.cache.is_some() {
            // Elsewhere than in its own caches it has what everybody has.
            let mut masks = held::masks(found, isolation, everybody)?;
            masks.extend(given.get(&isolation.workload).into_iter().flatten());
            texts.push(lines(found, &masks));
        }
        let mut bandwidth = held::bandwidth(found, isolation)?;
        for share in isolation.cache.iter().flatten() {
            if let Some(part) = share.memory_bandwidth_share {
                bandwidth.insert(
                    cache_of(host, &share.cpus)?,
                    found.percent(u64::from(part.get()))?,
                );
            }
        }
        if !bandwidth.is_empty() {
            texts.push(line(MB, &bandwidth));
        }
        let before = found.texts.get(&dir).cloned();
        let file = dir.join(SCHEMATA);
        for value in texts {
            let said = before
                .as_deref()
                .is_some_and(|said| Reads::Schemata.agree(&value, said));
            if !said {
                // One write a resource: the kernel takes several, and stops at the first that it refuses.
                steps.push((Phase::Shape, write(&file, value, before.clone())));
            }
        }
        Ok(steps)
    }

    /// Processes of the workload whose threads are not all in its class.
    fn tasks(&self, host: &Host, isolation: &Isolation) -> Result<Steps, IsolateError> {
        let place = self.layout.place(Controller::Cpuset)?;
        let dir = class_of(&self.layout, &isolation.workload);
        let inside = host.read(&dir.join(TASKS)).ok().flatten().unwrap_or_default();
        let inside: Vec<&str> = inside.lines().map(str::trim).collect();
        let mut steps = Vec::new();
        for pid in members(host, &self.layout.group(place, isolation))? {
            let threads = host
                .directories(Path::new(&format!("/proc/{pid}/task")))
                .unwrap_or_default();
            let all = threads.iter().all(|thread| inside.contains(&thread.as_str()));
            if !all && let Some(started) = started(host, pid) {
                let dir = dir.clone();
                steps.push((Phase::Grant, Step::AssignTasks { dir, pid, started }));
            }
        }
        Ok(steps)
    }
}

/// Both halves of a cache that is divided into code and data get the same ways.
fn lines(found: &Found, masks: &BTreeMap<u32, u64>) -> String {
    let lines = found.resources.iter().map(|resource| line(resource, masks));
    lines.collect::<Vec<_>>().join("\n")
}

fn wants_ways(isolation: &Isolation) -> bool {
    isolation
        .cache
        .iter()
        .flatten()
        .any(|share| share.l3_share.is_some())
}

/// What everybody has: what it had before, without our workloads' ways, in one piece.
fn everybody(found: &Found, original: &Schemata, given: &Given) -> Result<BTreeMap<u32, u64>, IsolateError> {
    let mut all = BTreeMap::new();
    let Some((resource, cache)) = &found.cache else {
        return Ok(all);
    };
    for domain in original.domains(resource) {
        let ours = given.values().filter_map(|masks| masks.get(&domain));
        let ours = ours.fold(0, |all, mask| all | mask);
        let had = original.get(resource, domain).unwrap_or(0);
        let left = if had & ours == 0 {
            Some(had)
        } else {
            cache.piece(had & !ours)
        };
        let left = left.ok_or_else(|| IsolateError::NoneLeft {
            wanted: format!("{} ways of L3 cache {domain}", ours.count_ones()),
            left: format!(
                "everybody else would have less than {} of them",
                cache.least.max(1)
            ),
        })?;
        all.insert(domain, left);
    }
    Ok(all)
}

fn enough_classes(found: &Found, sharing: &[&Isolation], released: usize) -> Result<(), IsolateError> {
    // One is everybody's.
    let used = 1 + found.foreign.len() + sharing.len();
    let most = found.classes;
    if sharing.is_empty() || used <= most {
        return Ok(());
    }
    let theirs = found.foreign.len();
    Err(IsolateError::NoneLeft {
        wanted: format!("a class of resctrl for each of {} workloads", sharing.len()),
        left: format!(
            "this processor has {most}, of which one is everybody's and others have {theirs} ({released} freed now)"
        ),
    })
}

fn none_left(workload: &WorkloadId, ways: u32, domain: u32, taken: u64) -> IsolateError {
    IsolateError::NoneLeft {
        wanted: format!("{ways} ways side by side of L3 cache {domain} for {workload}"),
        left: format!(
            "{} are taken (mask {taken:x}); end a workload that has some, or ask for less",
            taken.count_ones()
        ),
    }
}

fn lacks(what: &str, file: &str) -> IsolateError {
    IsolateError::Lacks {
        what: what.to_owned(),
        controller: "resctrl",
        file: Path::new(RESCTRL).join(file),
        gives: "a processor with cache or bandwidth allocation has it (RDT, QoS, MPAM), with resctrl mounted: \
                mount -t resctrl resctrl /sys/fs/resctrl",
    }
}

fn write(file: &Path, value: String, before: Option<String>) -> Step {
    Step::WriteFile {
        file: file.to_owned(),
        value,
        before,
        reads: Reads::Schemata,
        partition_of: Vec::new(),
        refusal_to: None,
    }
}

impl Isolator for Resctrl {
    fn name(&self) -> &'static str {
        "resctrl"
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let sharing: Vec<&Isolation> = intent.isolations.iter().filter(|one| has_share(one)).collect();
        let mounted = host.has(&Path::new(RESCTRL).join(SCHEMATA));
        match (&self.layout.record, sharing.is_empty()) {
            (Some(path), _) if mounted => self.plan(host, &sharing, path),
            (_, true) => Ok(Vec::new()),
            (Some(_), false) => Err(lacks("a share of cache or memory bandwidth", SCHEMATA)),
            (None, false) => Err(IsolateError::NoController {
                controller: "resctrl",
                why: "the agent was given no place to note what everybody's class says now".to_owned(),
            }),
        }
    }
}
