//! The cpuset controller: which CPUs, memory from which NUMA nodes, and whether the CPUs are a partition.

use std::path::{Path, PathBuf};

use facts::CpuSet;
use intent::{Intent, Isolation, WorkloadId};

use super::difference::{Wanted, read, unless_it_said, unless_said};
use super::layout::{CPUSET_CPUS_EXCLUSIVE, CPUSET_CPUS_PARTITION, Layout, MEMBER, Partitions};
use super::mount::{Controller, Place, Version};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// The CPUs that are asked for.
const CPUSET_CPUS: &str = "cpuset.cpus";
/// The NUMA nodes that are asked for.
const CPUSET_MEMS: &str = "cpuset.mems";
/// Whether pages move along when the NUMA nodes change, or a process comes in (v1; in v2 they always do).
const CPUSET_MEMORY_MIGRATE: &str = "cpuset.memory_migrate";
/// A partition whose CPUs are balanced among its own tasks.
const ROOT: &str = "root";

/// Plans `cpuset.cpus`, `cpuset.mems` and, on v2, `cpuset.cpus.exclusive` and `cpuset.cpus.partition`.
#[derive(Clone, Debug)]
pub struct Cpuset {
    layout: Layout,
}

/// Where a list stands: our own cgroup must grow before its children and shrink after them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    Own,
    Child,
}

type Steps = Vec<(Phase, Step)>;

impl Cpuset {
    /// For this layout.
    pub fn new(layout: &Layout) -> Cpuset {
        Cpuset {
            layout: layout.clone(),
        }
    }

    fn child(&self, host: &Host, place: &Place, isolation: &Isolation) -> Result<Steps, IsolateError> {
        let dir = self.layout.group(place, isolation);
        let mut steps = self.mems(host, place, &dir, isolation)?;
        if place.version == Version::V1 {
            let moves = Wanted::new(dir.join(CPUSET_MEMORY_MIGRATE), "1", Reads::Same);
            steps.extend(unless_said(host, Phase::Shape, moves)?);
        }
        steps.extend(list(
            host,
            Rank::Child,
            dir.join(CPUSET_CPUS),
            &isolation.cpus,
            &[],
        )?);
        if place.version == Version::V2 {
            let mine = vec![isolation.workload.clone()];
            let wanted = self.layout.wants_partition(isolation);
            steps.extend(self.partition(host, Rank::Child, &dir, &isolation.cpus, wanted, &mine)?);
        }
        Ok(steps)
    }

    fn mems(
        &self,
        host: &Host,
        place: &Place,
        dir: &Path,
        isolation: &Isolation,
    ) -> Result<Steps, IsolateError> {
        let mut mems = isolation.numa_nodes.to_string();
        if mems.is_empty() && place.version == Version::V1 {
            // An empty list keeps every process out of a v1 cpuset; v2 takes it for "those of the cgroup above".
            mems = top(host, place, CPUSET_MEMS)?;
        }
        let wanted = Wanted::new(dir.join(CPUSET_MEMS), mems, Reads::List);
        let said = read(host, &wanted.file)?;
        let fresh = said.as_deref().unwrap_or_default().is_empty();
        if fresh && wanted.value.is_empty() {
            return Ok(Vec::new());
        }
        let phase = if fresh { Phase::Shape } else { Phase::Grant };
        Ok(unless_it_said(phase, wanted, said).into_iter().collect())
    }

    /// Our own cgroup in v1: what the cgroup above has, because a child never has more.
    fn own_v1(&self, host: &Host, place: &Place, own: &Path, all: &CpuSet) -> Result<Steps, IsolateError> {
        let file = place.mount.join(CPUSET_CPUS);
        let has = top(host, place, CPUSET_CPUS)?;
        let set: CpuSet = has.parse().map_err(|_| IsolateError::Strange {
            path: file.clone(),
            text: has.clone(),
            expected: "a list of CPUs",
        })?;
        if !all.is_subset(&set) {
            return Err(IsolateError::OutOfReach {
                wanted: format!("CPUs {all}"),
                file,
                has,
            });
        }
        let mems = Wanted::new(own.join(CPUSET_MEMS), top(host, place, CPUSET_MEMS)?, Reads::List);
        let mut steps: Steps = unless_said(host, Phase::Shape, mems)?.into_iter().collect();
        steps.extend(list(host, Rank::Own, own.join(CPUSET_CPUS), &set, &[])?);
        Ok(steps)
    }

    /// Our own cgroup in v2: a partition itself, or the owner of the CPUs of partitions below it, or nothing of that.
    fn own_v2(&self, host: &Host, own: &Path, children: &[&Isolation]) -> Result<Steps, IsolateError> {
        let wanting: Vec<&Isolation> = children
            .iter()
            .copied()
            .filter(|isolation| self.layout.wants_partition(isolation))
            .collect();
        let names: Vec<WorkloadId> = wanting
            .iter()
            .map(|isolation| isolation.workload.clone())
            .collect();
        let wanted = !wanting.is_empty();
        match self.layout.partitions {
            Partitions::Local if children.iter().any(|isolation| isolation.exclusive) => {
                let cpus = union(children);
                let mut steps = list(host, Rank::Own, own.join(CPUSET_CPUS), &cpus, &names)?;
                steps.extend(self.partition(host, Rank::Own, own, &cpus, wanted, &names)?);
                Ok(steps)
            }
            Partitions::Remote => {
                let file = own.join(CPUSET_CPUS_EXCLUSIVE);
                list(host, Rank::Own, file, &union(&wanting), &names)
            }
            Partitions::Local | Partitions::Unavailable(_) => Ok(Vec::new()),
        }
    }

    /// A partition's two files. A partition that is not wanted any more ends before anything else happens.
    fn partition(
        &self,
        host: &Host,
        rank: Rank,
        dir: &Path,
        cpus: &CpuSet,
        wanted: bool,
        of: &[WorkloadId],
    ) -> Result<Steps, IsolateError> {
        let state = dir.join(CPUSET_CPUS_PARTITION);
        let said = read(host, &state)?;
        let exclusive = dir.join(CPUSET_CPUS_EXCLUSIVE);
        let remote = self.layout.partitions == Partitions::Remote && rank == Rank::Child;
        if wanted {
            let mut steps = Vec::new();
            if remote {
                steps.extend(list(host, rank, exclusive, cpus, of)?);
            }
            let root = Wanted::new(state, ROOT, Reads::Partition).only_for(of.to_vec());
            steps.extend(unless_it_said(Phase::Shape, root, said));
            return Ok(steps);
        }
        let mut steps = Vec::new();
        if said
            .as_deref()
            .is_some_and(|said| said != MEMBER && !said.is_empty())
        {
            let member = Wanted::new(state, MEMBER, Reads::Partition);
            steps.push((Phase::Release, member.step(said)));
        }
        let before = read(host, &exclusive)?;
        if remote && before.as_deref().is_some_and(|before| !before.is_empty()) {
            steps.push((
                Phase::Release,
                Wanted::new(exclusive, "", Reads::List).step(before),
            ));
        }
        Ok(steps)
    }
}

fn union(isolations: &[&Isolation]) -> CpuSet {
    isolations
        .iter()
        .fold(CpuSet::new(), |all, isolation| all.union(&isolation.cpus))
}

/// What the cgroup has that ours stands in (v1).
fn top(host: &Host, place: &Place, file: &str) -> Result<String, IsolateError> {
    let path = place.mount.join(file);
    let text = read(host, &path)?.unwrap_or_default();
    if text.is_empty() {
        return Err(IsolateError::Strange {
            path,
            text,
            expected: "the list that all cgroups share",
        });
    }
    Ok(text)
}

/// The steps from a list of CPUs to another: first what both have, then the rest.
fn list(
    host: &Host,
    rank: Rank,
    file: PathBuf,
    wanted: &CpuSet,
    of: &[WorkloadId],
) -> Result<Steps, IsolateError> {
    let before = read(host, &file)?;
    let is: CpuSet = match before.as_deref().unwrap_or_default().parse() {
        Ok(is) => is,
        Err(_) => {
            let text = before.unwrap_or_default();
            return Err(IsolateError::Strange {
                path: file,
                text,
                expected: "a list of CPUs",
            });
        }
    };
    let write = |cpus: &CpuSet| {
        Wanted::new(file.clone(), cpus.to_string(), Reads::List)
            .only_for(of.to_vec())
            .step(before.clone())
    };
    if is == *wanted {
        return Ok(Vec::new());
    }
    if wanted.is_subset(&is) {
        return Ok(vec![(Phase::Release, write(wanted))]);
    }
    let mut steps = Vec::new();
    let both = is.intersection(wanted);
    if !is.is_subset(wanted) && !both.is_empty() {
        steps.push((Phase::Release, write(&both)));
    }
    let grow = if is.is_empty() || rank == Rank::Own {
        Phase::Shape
    } else {
        Phase::Grant
    };
    steps.push((grow, write(wanted)));
    Ok(steps)
}

impl Isolator for Cpuset {
    fn name(&self) -> &'static str {
        Controller::Cpuset.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        if intent.isolations.is_empty() {
            return Ok(Vec::new());
        };
        let place = self.layout.place(Controller::Cpuset)?;
        let (mut own_steps, mut child_steps) = (Vec::new(), Vec::new());
        for own in self.layout.own(place) {
            let children = self.layout.children(place, &own, intent)?;
            if children.is_empty() {
                continue;
            }
            own_steps.extend(match place.version {
                Version::V1 => self.own_v1(host, place, &own, &union(&children))?,
                Version::V2 => self.own_v2(host, &own, &children)?,
            });
            for isolation in children {
                child_steps.extend(self.child(host, place, isolation)?);
            }
        }
        // Growing: our own cgroup first. Shrinking: its children first.
        let (own_release, own_rest) = split(own_steps);
        let (child_release, child_rest) = split(child_steps);
        Ok([child_release, own_release, own_rest, child_rest].concat())
    }
}

fn split(steps: Steps) -> (Steps, Steps) {
    steps.into_iter().partition(|(phase, _)| *phase == Phase::Release)
}
