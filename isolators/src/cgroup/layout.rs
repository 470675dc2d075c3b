//! Where our cgroups stand: own cgroup, one child a workload, in each hierarchy that the workload needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use intent::{Intent, Isolation, WorkloadId};

use super::mount::{Cgroups, Controller, Place, Version};
use crate::host::Host;
use crate::isolator::IsolateError;

/// CPUs of a v2 cgroup that may be made a partition far from the root (kernel 6.7 and later).
pub(super) const CPUSET_CPUS_EXCLUSIVE: &str = "cpuset.cpus.exclusive";
/// CPUs in isolated partitions; in the root cgroup of kernels 6.8 and later, which all have remote partitions.
const CPUSET_CPUS_ISOLATED: &str = "cpuset.cpus.isolated";
/// The state of a v2 cgroup's partition.
pub(super) const CPUSET_CPUS_PARTITION: &str = "cpuset.cpus.partition";
/// The state of a cgroup that is no partition.
pub(super) const MEMBER: &str = "member";
/// What our second cgroup is called after the first (see [`Partitions::Local`]).
const SHARED_SUFFIX: &str = "-shared";

/// How a workload's CPUs can be kept from every other task of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partitions {
    /// A workload's cgroup is a partition root in our own cgroup, which is none itself: `cpuset.cpus.exclusive` names the CPUs
    /// all the way down (kernel 6.7 and later).
    Remote,
    /// A partition root must stand in a partition root (kernels before 6.7): our own cgroup is one, and holds nothing but
    /// workloads with exclusive CPUs. Those that share CPUs stand in a second cgroup of ours, named with `-shared`.
    Local,
    /// Not at all, and why.
    Unavailable(String),
}

/// Where our cgroups stand on this host.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The host's controllers.
    pub cgroups: Cgroups,
    /// The name of our own cgroup.
    pub name: String,
    /// The cgroup of v2 that was given to us, from the top on, where we work below one only.
    pub below: Option<PathBuf>,
    /// What keeps others off exclusive CPUs.
    pub partitions: Partitions,
    /// Workloads to which the kernel refused a partition. They are not asked for one again.
    pub refused: BTreeSet<WorkloadId>,
    /// Where it is noted what files outside of our cgroups said before we changed them. Without it none of them is changed.
    pub record: Option<PathBuf>,
    /// Where specifications of devices for containers are placed (CDI). Without it none is.
    pub cdi: Option<PathBuf>,
}

impl Layout {
    /// Looks at the host.
    pub fn find(host: &Host, name: &str) -> Layout {
        let cgroups = Cgroups::find(host);
        let partitions = partitions(host, &cgroups, name);
        Layout {
            cgroups,
            name: name.to_owned(),
            below: None,
            partitions,
            refused: BTreeSet::new(),
            record: None,
            cdi: None,
        }
    }

    /// The same below a cgroup that was given to us (see [`super::delegated()`]). No partition can stand there: the cgroups
    /// above would have to give the CPUs away, and they are not ours.
    #[must_use]
    pub fn working_below(mut self, below: impl Into<PathBuf>) -> Layout {
        self.below = Some(below.into());
        self.partitions = Partitions::Unavailable(
            "the agent works in a cgroup that systemd gave to it, which cannot hold partitions: processes of the host may run on these \
             CPUs too"
                .to_owned(),
        );
        self
    }

    /// The cgroup of a hierarchy that our own stands in.
    pub(super) fn base(&self, place: &Place) -> PathBuf {
        match (&self.below, place.version) {
            (Some(below), Version::V2) => place.mount.join(below),
            (Some(_), Version::V1) | (None, _) => place.mount.clone(),
        }
    }

    /// The same, and what is outside of our cgroups (interrupts, work queues, cache classes) may be changed too: what it said
    /// before is noted in this file of the host first.
    #[must_use]
    pub fn noting_in(mut self, record: impl Into<PathBuf>) -> Layout {
        self.record = Some(record.into());
        self
    }

    /// The same, and what workloads with GPUs may use is written for containers in this directory of the host.
    #[must_use]
    pub fn specifying_in(mut self, directory: impl Into<PathBuf>) -> Layout {
        self.cdi = Some(directory.into());
        self
    }

    /// The place of a controller.
    ///
    /// # Errors
    /// When the host has none for us.
    pub fn place(&self, controller: Controller) -> Result<&Place, IsolateError> {
        self.cgroups
            .places
            .get(&controller)
            .ok_or_else(|| IsolateError::NoController {
                controller: controller.word(),
                why: self.cgroups.missing.get(&controller).cloned().unwrap_or_default(),
            })
    }

    /// Whether this workload shall be a partition of its own.
    pub fn wants_partition(&self, isolation: &Isolation) -> bool {
        let possible = match self.partitions {
            Partitions::Remote | Partitions::Local => true,
            Partitions::Unavailable(_) => false,
        };
        possible
            && isolation.exclusive
            && isolation.is_written_by_us()
            && !self.refused.contains(&isolation.workload)
    }

    /// The controllers that this workload needs.
    pub fn needs(isolation: &Isolation) -> Vec<Controller> {
        let cpu = isolation.cpu_time_max.is_some()
            || isolation.cpu_weight.is_some()
            || isolation.cpu_idle.is_some();
        let memory = [
            isolation.memory_max,
            isolation.memory_min,
            isolation.memory_low,
            isolation.memory_high,
        ];
        let all = [
            (Controller::Cpuset, true),
            (
                Controller::Memory,
                memory.iter().any(Option::is_some) || isolation.memory_oom_group.is_some(),
            ),
            (Controller::Cpu, cpu),
            (Controller::Io, isolation.io.is_some()),
            (Controller::Pids, isolation.pids_max.is_some()),
            (Controller::Hugetlb, isolation.hugepages.is_some()),
            (Controller::Devices, isolation.devices.is_some()),
        ];
        all.into_iter()
            .filter(|(_, needed)| *needed)
            .map(|(controller, _)| controller)
            .collect()
    }

    /// The hierarchies that this workload stands in, each once.
    ///
    /// # Errors
    /// When the host lacks a controller that it needs.
    pub fn hierarchies(&self, isolation: &Isolation) -> Result<Vec<&Place>, IsolateError> {
        let mut places: Vec<&Place> = Vec::new();
        for controller in Layout::needs(isolation) {
            let place = self.place(controller)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// All hierarchies of the host that we could stand in, each once.
    pub fn all_hierarchies(&self) -> Vec<&Place> {
        let mut places: Vec<&Place> = Vec::new();
        for place in self.cgroups.places.values() {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// Our own cgroups in a hierarchy: one, or two where partitions are local. They need not be there.
    pub fn own(&self, place: &Place) -> Vec<PathBuf> {
        let mut own = vec![self.base(place).join(&self.name)];
        if place.version == Version::V2 && self.partitions == Partitions::Local {
            own.push(self.shared(place));
        }
        own
    }

    fn shared(&self, place: &Place) -> PathBuf {
        self.base(place).join(format!("{}{SHARED_SUFFIX}", self.name))
    }

    /// Our own cgroup that this workload's stands in.
    pub fn parent(&self, place: &Place, isolation: &Isolation) -> PathBuf {
        if place.version == Version::V2 && self.partitions == Partitions::Local && !isolation.exclusive {
            self.shared(place)
        } else {
            self.base(place).join(&self.name)
        }
    }

    /// The cgroup of this workload.
    pub fn group(&self, place: &Place, isolation: &Isolation) -> PathBuf {
        self.parent(place, isolation).join(isolation.workload.as_str())
    }

    /// The isolations whose cgroups stand in this one of our own cgroups.
    pub(super) fn children<'a>(
        &self,
        place: &Place,
        parent: &Path,
        intent: &'a Intent,
    ) -> Result<Vec<&'a Isolation>, IsolateError> {
        let mut children = Vec::new();
        for isolation in &intent.isolations {
            if self.parent(place, isolation) == parent && self.hierarchies(isolation)?.contains(&place) {
                children.push(isolation);
            }
        }
        Ok(children)
    }

    /// Why these workloads cannot be partitions, a sentence each; nothing where partitions are possible.
    pub fn why_no_partition(&self) -> Option<&str> {
        match &self.partitions {
            Partitions::Remote | Partitions::Local => None,
            Partitions::Unavailable(why) => Some(why),
        }
    }

    /// The controllers of a hierarchy that these workloads need.
    pub(super) fn needed_in(&self, place: &Place, isolations: &[&Isolation]) -> Vec<&'static str> {
        let needed: BTreeSet<Controller> = isolations
            .iter()
            .flat_map(|isolation| Layout::needs(isolation))
            .collect();
        let here = |controller: &Controller| {
            controller.is_switched() && self.cgroups.places.get(controller) == Some(place)
        };
        needed
            .into_iter()
            .filter(here)
            .map(|controller| controller.word_in(place.version))
            .collect()
    }
}

/// Chosen by the files that are there.
fn partitions(host: &Host, cgroups: &Cgroups, name: &str) -> Partitions {
    let Some(place) = cgroups.places.get(&Controller::Cpuset) else {
        return Partitions::Unavailable("there is no cpuset controller".to_owned());
    };
    if place.version == Version::V1 {
        return Partitions::Unavailable(
            "cgroup v1 has no partitions: processes of the host may run on these CPUs too".to_owned(),
        );
    }
    let own = place.mount.join(name);
    let state = host.read(&own.join(CPUSET_CPUS_PARTITION)).ok().flatten();
    if state.is_some_and(|state| state == "root") {
        return Partitions::Local;
    }
    let beside = host.directories(&place.mount).unwrap_or_default();
    let remote = host.has(&place.mount.join(CPUSET_CPUS_ISOLATED))
        || host.has(&own.join(CPUSET_CPUS_EXCLUSIVE))
        || beside
            .iter()
            .any(|name| host.has(&place.mount.join(name).join(CPUSET_CPUS_EXCLUSIVE)));
    if remote {
        Partitions::Remote
    } else {
        Partitions::Local
    }
}
