//! Workloads whose cgroup is systemd's or Podman's, who are asked to write it (decision 15): which they are, what they shall have, and
//! what becomes of them. Everything here is decided, written down and read back; the asking itself is `owners`.

use std::path::Path;

use agent_api::v1::{AdoptRequest, Adopted, AgentEvent, Ended, Exclusivity, PlannedStep, Workload};
use facts::{CpuSet, Inventory, Moment, NumaSet};
use intent::{Isolation, WorkloadId};
use isolators::cgroup::Controller;
use isolators::{Phase, Step};

use super::entry::{Asker, entry_of};
use super::hand::steps_of;
use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::ledger::{ContainerEntry, Entry, Had, Life};
use crate::owners::{Asked, Owner, Values};

/// What a cgroup's processes may use now, whatever was asked for; v2 alone has it.
const CPUS_EFFECTIVE: &str = "cpuset.cpus.effective";
const MEMS_EFFECTIVE: &str = "cpuset.mems.effective";
const MEMORY_MAX: &str = "memory.max";

/// Who is meant by an adoption through the owner, and what would be done.
#[derive(Debug)]
pub struct Meant {
    /// Who is to be asked.
    pub owner: Owner,
    /// The cgroup's path from the hierarchy's top on, without a leading slash.
    pub cgroup: String,
    /// The answer to a dry run.
    pub adopted: Adopted,
}

impl Entry {
    /// Whom of those that are asked its cgroup belongs to; nobody where it is ours, or of a runtime that asked us.
    pub(super) fn asks(&self) -> Option<Owner> {
        Owner::named(self.container.as_deref()?)
    }
}

impl Keeper {
    /// Who is meant by an adoption through the owner, and whether it may be. Changes nothing.
    ///
    /// # Errors
    /// As [`Keeper::adopt`]; and when nobody rules the cgroup, or who rules it cannot be asked, or not for all of that.
    pub fn meant(
        &mut self,
        request: &AdoptRequest,
        uid: u32,
        inventory: &Inventory,
    ) -> Result<Meant, KeeperError> {
        let plan = self.plan_through(request, uid, inventory)?;
        let values = values_of(&plan.isolation);
        if !request.dry_run && !self.gate_is_open() {
            let held = self.gate(&steps_of(plan.steps.clone())).err();
            let held = held.map(|error| format!("{error}; and have {} write {values}", plan.owner));
            return Err(KeeperError::Refused(held.unwrap_or_default()));
        }
        let mut adopted = super::adopt::adopted(&plan.family, plan.steps);
        adopted.would.push(PlannedStep {
            phase: Phase::Grant.word().to_owned(),
            text: format!("have {} write {values}", plan.owner),
        });
        Ok(Meant {
            owner: plan.owner,
            cgroup: plan.cgroup,
            adopted,
        })
    }

    /// Writes an adoption through the owner down, and clears the CPUs of our own workloads. The owner is asked after this.
    ///
    /// # Errors
    /// As [`Keeper::meant`], and when the disk or the host failed; in that case nothing of it is left.
    pub fn ask_owner(
        &mut self,
        request: &AdoptRequest,
        uid: u32,
        had: Had,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Asked, KeeperError> {
        let plan = self.plan_through(request, uid, inventory)?;
        let steps = steps_of(plan.steps);
        self.gate(&steps)?;
        let id = plan.isolation.workload.clone();
        let asker = Asker {
            pid: plan.family.first.pid,
            started: plan.family.first.started,
            uid,
            affinity: None,
        };
        let entry = Entry {
            adopted: true,
            container: Some(Box::new(ContainerEntry {
                runtime: plan.owner.who().to_owned(),
                id: plan.owner.what().to_owned(),
                cgroup: plan.cgroup,
                had: Some(had),
            })),
            ..entry_of(&id, &plan.run, &asker, Vec::new(), now)
        };
        let next = self.with_isolation(&plan.isolation);
        self.write_down(next, entry)?;
        self.asking.insert(id.clone());
        if let Err(error) = self.converge_from(steps) {
            self.asking.remove(&id);
            return Err(self.give_up(&id, &error));
        }
        self.asked_of(&id).ok_or(KeeperError::NotFound(id))
    }

    /// The owner has said that it did what it was asked: read back, and written down as one that runs.
    ///
    /// # Errors
    /// When the kernel does not show it (yet).
    pub fn owner_did(&mut self, id: &WorkloadId) -> Result<Workload, KeeperError> {
        self.host.forget();
        let asked = self
            .asked_of(id)
            .ok_or_else(|| KeeperError::NotFound(id.clone()))?;
        if !asked.differs.is_empty() {
            return Err(KeeperError::Failed(format!(
                "{} says that it is done, but {}; what bounds it from above is its slice",
                asked.owner, asked.differs
            )));
        }
        let told = format!("told {}: {}", asked.owner, asked.values);
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            entry.life = Life::Running;
            entry.exclusivity = Exclusivity::AmongBusbar;
            entry.steps = vec![told.clone()];
        }
        self.save()?;
        self.asking.remove(id);
        let shown = self.ledger.entry(id).zip(self.ledger.intent.of(id));
        let shown = shown.map(|(entry, isolation)| self.shown(entry, isolation));
        shown.ok_or_else(|| KeeperError::NotFound(id.clone()))
    }

    /// It is to end: what its owner is to give back, or nothing where no owner was asked for it. On disk before the owner hears of it.
    ///
    /// # Errors
    /// When there is no such workload, the mode forbids it, or the disk failed.
    pub fn owner_is_to_give_back(&mut self, id: &WorkloadId) -> Result<Option<Asked>, KeeperError> {
        let entry = self
            .ledger
            .entry(id)
            .ok_or_else(|| KeeperError::NotFound(id.clone()))?;
        if entry.asks().is_none() {
            return Ok(None);
        }
        self.gate(&[])?;
        self.end_asked(id)?;
        self.asking.insert(id.clone());
        Ok(self.asked_of(id))
    }

    /// It is to end, and its owner is asked by the beat from here on.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn owner_will_give_back(&mut self, id: &WorkloadId) -> Result<(), KeeperError> {
        self.asking.remove(id);
        self.end_asked(id)
    }

    /// The owner has given back what it had: its CPUs are free.
    ///
    /// # Errors
    /// When there is no such workload, or the host or the disk failed.
    pub fn owner_gave_back(&mut self, id: &WorkloadId) -> Result<Ended, KeeperError> {
        let entry = self
            .ledger
            .entry(id)
            .ok_or_else(|| KeeperError::NotFound(id.clone()))?;
        let owner = entry.asks().map(|owner| owner.to_string()).unwrap_or_default();
        self.asking.remove(id);
        let undone = self.undo(id)?;
        let told = format!("told {owner}: what it had before");
        Ok(Ended {
            id: id.clone(),
            undone: [told]
                .into_iter()
                .chain(undone.iter().map(Step::to_string))
                .collect(),
        })
    }

    /// Everybody for whom an owner is asked, but those of whom somebody speaks with the owner now; nobody where the mode forbids to act.
    pub fn asked(&self) -> Vec<Asked> {
        if !self.gate_is_open() {
            return Vec::new();
        }
        let entries = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.asks().is_some());
        let free = entries.filter(|entry| !self.asking.contains(&entry.id));
        free.filter_map(|entry| self.asked_of(&entry.id)).collect()
    }

    /// Whether anybody is asked for anything.
    pub fn asks(&self) -> bool {
        self.ledger.workloads.iter().any(|entry| entry.asks().is_some())
    }

    /// Those whose last process has ended are to give back what they hold.
    pub(super) fn asked_that_ended(&mut self, now: Moment) -> Vec<AgentEvent> {
        let entries = self.ledger.workloads.iter();
        let running = entries.filter(|entry| entry.life == Life::Running && entry.asks().is_some());
        let empty = running.filter(|entry| self.members(entry).is_ok_and(|members| members.is_empty()));
        let over: Vec<WorkloadId> = empty.map(|entry| entry.id.clone()).collect();
        let mut events = Vec::new();
        for id in over {
            if let Err(error) = self.end_asked(&id) {
                events.push(event(now, "trouble", format!("workload {id} has ended: {error}")));
            }
        }
        events
    }

    /// What its cgroup lacks, as the kernel shows it.
    pub(super) fn asked_differs(&self, entry: &Entry, isolation: &Isolation) -> String {
        let Some((place, container)) = self
            .layout
            .cgroups
            .places
            .get(&Controller::Cpuset)
            .zip(entry.container.as_deref())
        else {
            return String::new();
        };
        let dir = place.mount.join(&container.cgroup);
        if !self.host.is_dir(&dir) {
            return String::new();
        }
        let said = |file: &str| self.host.read(&dir.join(file)).ok().flatten().unwrap_or_default();
        let (cpus, nodes) = (said(CPUS_EFFECTIVE), said(MEMS_EFFECTIVE));
        let mut lacks = Vec::new();
        if cpus.parse::<CpuSet>().ok().as_ref() != Some(&isolation.cpus) {
            lacks.push(format!(
                "{CPUS_EFFECTIVE} is {:?}, expected {}",
                cpus.trim(),
                isolation.cpus
            ));
        }
        if nodes.parse::<NumaSet>().ok().as_ref() != Some(&isolation.numa_nodes) {
            let expected = &isolation.numa_nodes;
            lacks.push(format!(
                "{MEMS_EFFECTIVE} is {:?}, expected {expected}",
                nodes.trim()
            ));
        }
        let most = isolation.memory_max.map(|most| (most, said(MEMORY_MAX)));
        if let Some((most, said)) = most.filter(|(most, said)| said.trim().parse() != Ok(most.get())) {
            lacks.push(format!(
                "{MEMORY_MAX} is {:?}, expected {}",
                said.trim(),
                most.get()
            ));
        }
        if lacks.is_empty() {
            return String::new();
        }
        format!("{}: {}", dir.display(), lacks.join(", "))
    }

    fn end_asked(&mut self, id: &WorkloadId) -> Result<(), KeeperError> {
        let entries = self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id);
        entries.for_each(|entry| entry.life = Life::Ending);
        self.save()
    }

    pub(super) fn asked_of(&self, id: &WorkloadId) -> Option<Asked> {
        let (entry, isolation) = self.ledger.entry(id).zip(self.ledger.intent.of(id))?;
        let ids = |file: &str| self.host.read(Path::new(file)).ok().flatten().unwrap_or_default();
        let cpus = ids("/sys/devices/system/cpu/online").parse();
        let nodes = ids("/sys/devices/system/node/online").parse();
        Some(Asked {
            workload: id.clone(),
            owner: entry.asks()?,
            values: values_of(isolation),
            had: entry.container.as_deref()?.had.clone()?,
            whole: (cpus.unwrap_or_default(), nodes.unwrap_or_default()),
            differs: self.asked_differs(entry, isolation),
            ends: entry.life != Life::Running,
        })
    }
}

fn values_of(isolation: &Isolation) -> Values {
    Values {
        cpus: isolation.cpus.clone(),
        numa_nodes: isolation.numa_nodes.clone(),
        memory_max: isolation.memory_max,
    }
}
