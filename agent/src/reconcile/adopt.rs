//! Adopting: a process that somebody else started is moved into a workload, with everybody whom it started.
//!
//! The one request that names a process: root's alone. The number is held against the start time that the asker saw, so a number
//! that was used again means nobody. Cgroups that somebody rules are left to them. Where everybody came from and where their
//! threads might run stands in the ledger before the first change.

use std::path::{Path, PathBuf};

use agent_api::v1::{AdoptRequest, Adopted, Adoptee, PlannedStep, RunRequest, Workload};
use facts::{CpuSet, Inventory, Moment};
use intent::Isolation;
use isolators::affinity::Affinity;
use isolators::cgroup::{Door, Holder, Origin, enter, holder, origins, started};
use isolators::{Phase, Step};

use super::entry::{Asker, entry_of};
use super::hand::unplanned;
use super::{Keeper, KeeperError};
use crate::adopt::{self, Found, Task};
use crate::ledger::Entry;

/// The most processes of one adoption: beyond that a limit in front of the whole is the better tool.
const MOST_PROCESSES: usize = 4_096;
/// How often we look again for processes that were made while others were moved: those of moved parents are born in the workload.
const MOST_ROUNDS: usize = 20;
/// The process that starts and ends all others.
const INIT: u32 = 1;
/// How much of a name a message shows.
const LONGEST_SHOWN: usize = 64;

/// Who was named by an adoption: the ask as one for the first of them, they themselves, all processes, and who rules them where
/// that is known.
pub(super) type Named = (RunRequest, Vec<Task>, Vec<Task>, Option<Holder>);

/// Whom an adoption means.
#[derive(Debug)]
pub(super) struct Family {
    /// The first one, by which the workload is known.
    pub(super) first: Task,
    /// All of them, parents first.
    pub(super) all: Vec<Task>,
    origins: Vec<Origin>,
    not_followed: Vec<String>,
}

impl Family {
    /// Processes that stay where they are.
    pub(super) fn of(first: Task, all: Vec<Task>) -> Family {
        Family {
            first,
            all,
            origins: Vec::new(),
            not_followed: Vec::new(),
        }
    }
}

impl Keeper {
    /// Adopts, or says what that would do.
    ///
    /// # Errors
    /// When nobody such is there, somebody else rules it, there is no place for it, the mode forbids it, or the kernel refused; in
    /// that case everything is as it was.
    pub fn adopt(
        &mut self,
        request: &AdoptRequest,
        uid: u32,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Adopted, KeeperError> {
        let (run, roots, tasks, held) = self.named(request, uid, inventory)?;
        let (id, isolation) = self.planned(&run, inventory)?;
        if let Some(held) = &held {
            return Err(refused(held, &run.command, &isolation.cpus));
        }
        let family = self.family(&isolation, &roots, &tasks)?;
        let next = self.with_isolation(&isolation);
        let mut would = self.missing(&next)?;
        would.extend(
            self.entering(&isolation, &family)?
                .into_iter()
                .map(|step| (Phase::Grant, step)),
        );
        let steps: Vec<Step> = would.iter().map(|(_, step)| step.clone()).collect();
        if request.dry_run {
            return Ok(adopted(&family, would));
        }
        self.gate(&steps)?;
        let found: Vec<Affinity> = family
            .all
            .iter()
            .filter_map(|task| Affinity::of(&self.host, task.pid).filter(|one| one.started == task.started))
            .collect();
        let asker = Asker {
            pid: family.first.pid,
            started: family.first.started,
            uid,
            affinity: found.first().map(|one| one.cpus.clone()),
        };
        let entry = Entry {
            found,
            adopted: true,
            ..entry_of(&id, &run, &asker, family.origins.clone(), now)
        };
        self.write_down(next, entry)?;
        match self.bring_in(&isolation, &family) {
            Ok(workload) => Ok(Adopted {
                workload: Some(workload),
                ..adopted(&family, Vec::new())
            }),
            Err(error) => Err(self.give_up(&id, &error)),
        }
    }

    /// Who is meant by a request of this user, and what is asked for them.
    pub(super) fn named(
        &mut self,
        request: &AdoptRequest,
        uid: u32,
        inventory: &Inventory,
    ) -> Result<Named, KeeperError> {
        if uid != 0 {
            return Err(KeeperError::Refused(format!(
                "user {uid} may not adopt processes; expected user 0: they are others'"
            )));
        }
        if let Some(why) = self.why_drained() {
            return Err(KeeperError::Refused(why));
        }
        self.refresh();
        self.look(inventory);
        let found = self.found_by(&request.adoptee)?;
        let tasks = adopt::all(&self.host);
        let roots = self.roots(&request.adoptee, &found, &tasks)?;
        let run = RunRequest {
            ask: request.ask.clone(),
            command: roots.first().map(|task| task.name.clone()).unwrap_or_default(),
            enters: false,
        };
        Ok((run, roots, tasks, found.holder))
    }

    fn found_by(&self, adoptee: &Adoptee) -> Result<Found, KeeperError> {
        let found = match adoptee {
            Adoptee::Process { pid, .. } => Ok(Found {
                pids: vec![*pid],
                holder: None,
            }),
            Adoptee::Unit(name) => adopt::unit(&self.host, name),
            Adoptee::Container(id) => adopt::container(&self.host, id),
        };
        found.map_err(|error| KeeperError::BadAsk(error.to_string()))
    }

    /// The processes that were named, each of which may be adopted.
    fn roots(&self, adoptee: &Adoptee, found: &Found, tasks: &[Task]) -> Result<Vec<Task>, KeeperError> {
        let mut roots = Vec::new();
        for pid in &found.pids {
            let Some(task) = tasks.iter().find(|task| task.pid == *pid && !task.has_ended) else {
                return Err(KeeperError::BadAsk(format!(
                    "there is no process {pid}, or it has just ended"
                )));
            };
            if let Adoptee::Process { started, .. } = adoptee
                && task.started != *started
            {
                return Err(KeeperError::Refused(format!(
                    "process {pid} ({}) is another one than was meant: it was started at tick {} after boot, expected {started}",
                    task.name, task.started
                )));
            }
            if *pid <= INIT {
                return Err(KeeperError::Refused(format!(
                    "process {pid} starts and ends all others; expected another"
                )));
            }
            if task.is_kernels {
                return Err(KeeperError::Refused(format!(
                    "process {pid} ({}) is a thread of the kernel, which places those itself; busbar verify names those that run \
                     on exclusive CPUs, with the setting that moves them",
                    task.name
                )));
            }
            roots.push(task.clone());
        }
        Ok(roots)
    }

    /// Whom they started and who shares their cgroups; nobody else rules these.
    fn family(&self, isolation: &Isolation, roots: &[Task], tasks: &[Task]) -> Result<Family, KeeperError> {
        let Some(first) = roots.first() else {
            return Err(KeeperError::BadAsk("nobody was named".to_owned()));
        };
        let pids: Vec<u32> = roots.iter().map(|task| task.pid).collect();
        let everybody = adopt::family(tasks, &pids);
        if everybody.len() > MOST_PROCESSES {
            return Err(KeeperError::Refused(format!(
                "process {} has started {} others; at most {MOST_PROCESSES} are adopted",
                first.pid,
                everybody.len() - 1
            )));
        }
        let here = self.origins(isolation, first.pid)?;
        for origin in &here {
            if let Some(held) = holder(origin.dir.strip_prefix(&origin.mount).unwrap_or(Path::new(""))) {
                return Err(refused(&held, &first.name, &isolation.cpus));
            }
        }
        let (mut all, mut not_followed) = (Vec::new(), Vec::new());
        for task in everybody.into_iter().filter(|task| !task.has_ended) {
            if task.pid == std::process::id() && self.host.is_this_machine() {
                return Err(KeeperError::Refused(format!(
                    "process {} is this agent, or has started it; it does not confine itself",
                    first.pid
                )));
            }
            match origins(&self.host, &self.layout, isolation, task.pid) {
                Ok(its) if its == here => all.push(task),
                Ok(its) => not_followed.push(format!(
                    "process {} ({}) is in another cgroup, {}: it stays there",
                    task.pid,
                    task.name,
                    elsewhere(&its, &here).display()
                )),
                // It has ended meanwhile.
                Err(_) if started(&self.host, task.pid) != Some(task.started) => {}
                Err(error) => return Err(unplanned(error)),
            }
        }
        Ok(Family {
            first: first.clone(),
            all,
            origins: here,
            not_followed,
        })
    }

    fn entering(&self, isolation: &Isolation, family: &Family) -> Result<Vec<Step>, KeeperError> {
        let mut steps = Vec::new();
        for task in &family.all {
            let moves = enter(&self.layout, isolation, task.pid, task.started, &family.origins);
            steps.extend(moves.map_err(unplanned)?);
        }
        Ok(steps)
    }

    fn bring_in(&mut self, isolation: &Isolation, family: &Family) -> Result<Workload, KeeperError> {
        let mut done = self.converge()?;
        let mut moved: Vec<(u32, u64)> = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let tasks = adopt::all(&self.host);
            let pids: Vec<u32> = family.all.iter().map(|task| task.pid).collect();
            let mut fresh = adopt::family(&tasks, &pids);
            fresh.retain(|task| !task.has_ended && !moved.contains(&(task.pid, task.started)));
            // Numbers of the family that were used again meanwhile are nobody's.
            fresh.retain(|task| {
                family
                    .all
                    .iter()
                    .all(|one| one.pid != task.pid || one.started == task.started)
            });
            fresh.retain(|task| {
                let its = origins(&self.host, &self.layout, isolation, task.pid);
                its.is_ok_and(|its| its == family.origins)
            });
            if fresh.is_empty() {
                return self.confirm(isolation, family.first.pid, done);
            }
            for task in fresh {
                let steps = enter(&self.layout, isolation, task.pid, task.started, &family.origins);
                for step in steps.map_err(unplanned)? {
                    if self.move_one(step.clone())? {
                        done.push(step);
                    }
                }
                moved.push((task.pid, task.started));
            }
        }
        Err(KeeperError::Failed(format!(
            "process {} makes processes faster than they can be moved",
            family.first.pid
        )))
    }
}

fn elsewhere(its: &[Origin], here: &[Origin]) -> PathBuf {
    let other = its.iter().find(|origin| !here.contains(origin));
    other.map(|origin| origin.dir.clone()).unwrap_or_default()
}

pub(super) fn refused(held: &Holder, name: &str, cpus: &CpuSet) -> KeeperError {
    let name: String = name.chars().take(LONGEST_SHOWN).collect();
    let through = match &held.door {
        Some(Door::Systemd(unit)) => {
            format!("; busbar adopt --unit {unit} --through-owner has systemd do that, and keeps it so")
        }
        Some(Door::Podman(id)) => {
            format!("; busbar adopt --container {id} --through-owner has Podman do that, and keeps it so")
        }
        None => String::new(),
    };
    KeeperError::Refused(format!(
        "{name} is in the hands of {}, who would put it back or lose track of it; what gives it these CPUs there: {}{through}",
        held.who,
        held.setting_for(cpus)
    ))
}

pub(super) fn adopted(family: &Family, would: Vec<(Phase, Step)>) -> Adopted {
    let would = would.into_iter().map(|(phase, step)| PlannedStep {
        phase: phase.word().to_owned(),
        text: step.to_string(),
    });
    Adopted {
        workload: None,
        processes: family.all.iter().map(|task| task.pid).collect(),
        not_followed: family.not_followed.clone(),
        would: would.collect(),
    }
}
