//! Containers that a runtime makes (NRI): they are placed here and stand in the ledger as all others, and the runtime writes their
//! cgroups. We read these and write none of them, so nothing of them is planned, moved or removed by us.
//!
//! A container holds what it was given from the runtime's question on until the runtime says that it has ended and nobody is left in its
//! cgroup; between the two there may be no cgroup yet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use agent_api::v1::{AgentEvent, Ask, Exclusivity, RunRequest};
use facts::{Inventory, Moment};
use intent::{Isolation, WorkloadId};
use isolators::cgroup::Controller;

use super::container::{Container, Given, cgroup_path};
use super::entry::{Asker, entry_of};
use super::hand::steps_of;
use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::ledger::{ContainerEntry, Entry, Life};
use crate::owners::Owner;

/// The CPUs and the NUMA nodes that a cgroup was told, in v1 and v2.
const CPUSET_CPUS: &str = "cpuset.cpus";
const CPUSET_MEMS: &str = "cpuset.mems";

impl Keeper {
    /// Places a container that its runtime is about to create, and writes that down. Asked again, it says the same.
    ///
    /// # Errors
    /// When it asks for nothing or nonsense, there is no place, somebody else gives out the CPUs, the mode forbids it, or the host or the
    /// disk failed; in that case nothing of it is left.
    pub fn place_container(
        &mut self,
        container: &Container,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Given, KeeperError> {
        if let Some(given) = self.container(&container.id).and_then(|entry| self.given(entry)) {
            return Ok(given);
        }
        let ask = container.ask.clone().map_err(KeeperError::BadAsk)?;
        let ask = ask.ok_or_else(|| {
            KeeperError::BadAsk(format!("container {} asks for no CPUs", container.shown()))
        })?;
        let cgroup = cgroup_path(&container.cgroup).map_err(KeeperError::BadAsk)?;
        if let Some(why) = self.why_drained() {
            return Err(KeeperError::Refused(why));
        }
        self.refresh();
        self.look(inventory);
        let name = container.workload(self.generation().next().0)?;
        let request = RunRequest {
            ask: Ask {
                name: Some(name),
                ..ask
            },
            command: format!("{}: {}", container.runtime, container.shown()),
            enters: false,
        };
        let (id, isolation) = self.planned(&request, inventory)?;
        let isolation = Isolation {
            by_runtime: Some(true),
            ..isolation
        };
        let next = self.with_isolation(&isolation);
        let steps = steps_of(self.missing(&next)?);
        self.gate(&steps)?;
        let nobody = Asker {
            pid: 0,
            started: 0,
            uid: 0,
            affinity: None,
        };
        let told = format!(
            "told {}: CPUs {}, NUMA nodes {}",
            container.runtime, isolation.cpus, isolation.numa_nodes
        );
        let entry = Entry {
            life: Life::Running,
            exclusivity: if isolation.exclusive {
                Exclusivity::AmongBusbar
            } else {
                Exclusivity::None
            },
            steps: steps.iter().map(ToString::to_string).chain([told]).collect(),
            container: Some(Box::new(ContainerEntry {
                runtime: container.runtime.clone(),
                id: container.id.clone(),
                cgroup,
                had: None,
            })),
            ..entry_of(&id, &request, &nobody, Vec::new(), now)
        };
        self.write_down(next, entry)?;
        // Workloads of ours leave these CPUs before the container is there.
        if let Err(error) = self.converge_from(steps) {
            return Err(self.give_up(&id, &error));
        }
        let given = self.container(&container.id).and_then(|entry| self.given(entry));
        given.ok_or(KeeperError::NotFound(id))
    }

    /// The runtime says that a container has ended. What it held is free as soon as nobody is left in its cgroup.
    ///
    /// # Errors
    /// When the mode forbids it, or what it held cannot be given back.
    pub fn container_gone(&mut self, container: &str) -> Result<Option<WorkloadId>, KeeperError> {
        let Some(id) = self.container(container).map(|entry| entry.id.clone()) else {
            return Ok(None);
        };
        self.gate(&[])?;
        self.leaving.insert(id.clone());
        if self.finished().contains(&id) {
            self.undo(&id)?;
            return Ok(Some(id));
        }
        Ok(None)
    }

    /// The runtime says which containers there are: those that are gone give back what they held, those that ask and were not placed yet
    /// are placed, all others keep what they have.
    pub fn meet_containers(
        &mut self,
        all: &[Container],
        inventory: &Inventory,
        now: Moment,
    ) -> Vec<AgentEvent> {
        if !self.gate_is_open() {
            return Vec::new();
        }
        let there: BTreeSet<&str> = all.iter().map(|container| container.id.as_str()).collect();
        let known = self
            .ledger
            .workloads
            .iter()
            .filter_map(|entry| entry.container.as_deref())
            .filter(|one| one.had.is_none());
        let gone: Vec<String> = known
            .filter(|one| !there.contains(one.id.as_str()))
            .map(|one| one.id.clone())
            .collect();
        let mut events = Vec::new();
        for container in gone {
            match self.container_gone(&container) {
                Ok(Some(id)) => events.push(event(
                    now,
                    "workload_ended",
                    format!("workload {id} has ended: its runtime knows no container {container} any more"),
                )),
                Ok(None) => {}
                Err(error) => events.push(event(
                    now,
                    "trouble",
                    format!("container {container} is gone and keeps what it held: {error}"),
                )),
            }
        }
        for container in all.iter().filter(|container| container.ask != Ok(None)) {
            let is_new = self.container(&container.id).is_none();
            match self.place_container(container, inventory, now) {
                Ok(given) if is_new => events.push(event(
                    now,
                    "workload_started",
                    format!(
                        "workload {} runs on CPUs {}: container {} was there before it was asked for",
                        given.workload,
                        given.cpus,
                        container.shown()
                    ),
                )),
                Ok(_) => {}
                Err(error) => events.push(event(
                    now,
                    "container_not_placed",
                    format!(
                        "container {} runs where its runtime put it: {error}",
                        container.shown()
                    ),
                )),
            }
        }
        events
    }

    /// What each container of a runtime was given, and what its cgroup lacks of that.
    pub fn containers(&self) -> Vec<Given> {
        let running = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.life == Life::Running && entry.asks().is_none());
        running.filter_map(|entry| self.given(entry)).collect()
    }

    /// The refusal of what only its runtime may do to a container.
    pub(super) fn refuse_containers(&self, id: &WorkloadId, act: &str) -> Result<(), KeeperError> {
        let Some(container) = self.ledger.entry(id).and_then(|entry| entry.container.as_deref()) else {
            return Ok(());
        };
        if let Some(owner) = Owner::named(container) {
            return Err(KeeperError::Refused(format!(
                "workload {id} is in the hands of {owner}, who rules its cgroup: it is not {act} by Busbar; busbar unadopt {id} gives its \
                 CPUs back, {} ends it",
                owner.ending()
            )));
        }
        Err(KeeperError::Refused(format!(
            "workload {id} is a container of {}, who rules its cgroup: it is not {act} by Busbar; what ends it there, and gives its CPUs \
             back: crictl stop {}",
            container.runtime, container.id
        )))
    }

    /// The cgroups of a container that are there, each with its hierarchy's mount point.
    pub(super) fn container_groups(&self, container: &ContainerEntry) -> Vec<(PathBuf, PathBuf)> {
        if container.cgroup.is_empty() {
            return Vec::new();
        }
        let places = self.layout.all_hierarchies().into_iter();
        let groups = places.map(|place| (place.mount.clone(), place.mount.join(&container.cgroup)));
        groups.filter(|(_, dir)| self.host.is_dir(dir)).collect()
    }

    /// Whether a container has ended: its runtime said so, or does not speak to us, and nobody is in its cgroup.
    pub(super) fn container_is_over(&self, entry: &Entry) -> bool {
        let is_left = self.leaving.contains(&entry.id) || !self.config.nri;
        is_left && self.members(entry).is_ok_and(|members| members.is_empty())
    }

    /// What a container's cgroup lacks; nothing for workloads that are none.
    pub(super) fn container_differs(&self, entry: &Entry) -> Option<String> {
        entry.container.as_ref()?;
        if entry.asks().is_some() {
            let isolation = self.ledger.intent.of(&entry.id)?;
            return Some(self.asked_differs(entry, isolation)).filter(|differs| !differs.is_empty());
        }
        Some(self.given(entry)?.differs).filter(|differs| !differs.is_empty())
    }

    fn container(&self, id: &str) -> Option<&Entry> {
        let is_it = |entry: &&Entry| {
            let container = entry.container.as_deref();
            container.is_some_and(|one| one.id == id && one.had.is_none())
        };
        self.ledger.workloads.iter().find(is_it)
    }

    fn given(&self, entry: &Entry) -> Option<Given> {
        let container = entry.container.as_deref()?;
        let isolation = self.ledger.intent.of(&entry.id)?;
        Some(Given {
            workload: entry.id.clone(),
            container: container.id.clone(),
            cpus: isolation.cpus.clone(),
            numa_nodes: isolation.numa_nodes.clone(),
            memory_max: isolation.memory_max,
            cpu_time_max: isolation.cpu_time_max,
            differs: self.differs(container, isolation),
        })
    }

    fn differs(&self, container: &ContainerEntry, isolation: &Isolation) -> String {
        let Some(place) = self.layout.cgroups.places.get(&Controller::Cpuset) else {
            return String::new();
        };
        if container.cgroup.is_empty() {
            return String::new();
        }
        let dir = place.mount.join(&container.cgroup);
        let said = |file: &str| self.host.read(&dir.join(file)).ok().flatten();
        let mut lacks = Vec::new();
        if let Some(cpus) = said(CPUSET_CPUS).filter(|text| text.parse().ok() != Some(isolation.cpus.clone()))
        {
            lacks.push(format!(
                "{CPUSET_CPUS} is {:?}, expected {}",
                cpus.trim(),
                isolation.cpus
            ));
        }
        if let Some(mems) =
            said(CPUSET_MEMS).filter(|text| text.parse().ok() != Some(isolation.numa_nodes.clone()))
        {
            lacks.push(format!(
                "{CPUSET_MEMS} is {:?}, expected {}",
                mems.trim(),
                isolation.numa_nodes
            ));
        }
        if lacks.is_empty() {
            return String::new();
        }
        format!(
            "{}: {} ({} writes it when it is told)",
            dir.display(),
            lacks.join(", "),
            container.runtime
        )
    }
}
