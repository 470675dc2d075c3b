//! Holding a workload back for a time, for the sake of another one's promise: a part of the cache, less CPU time, other CPUs,
//! or no CPU at all.
//!
//! It stands in the intent, so it is in the ledger before the first write and drift is put right like any other; standing still
//! is an act of its own, between two writes of the ledger. The end stands in memory: an agent that starts again, stops in
//! order or leaves lets everybody go.

use agent_api::v1::{AgentEvent, Grade};
use facts::{CpuSet, Moment};
use intent::{Hold, Intent, Isolation, Share, WorkloadId};
use isolators::Step;
use isolators::cgroup::{freeze, thaw};

use super::hand::{steps_of, unplanned};
use super::shed::least_time;
use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::place;

/// What a workload is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restraint {
    /// This part of every last-level cache, and this part of the memory bandwidth behind it.
    Cache(Share, Share),
    /// So many thousandths of a CPU.
    CpuTime(u32),
    /// CPUs that share less with this victim.
    AwayFrom(WorkloadId),
    /// Nothing: it stands still.
    Still,
}

/// What a workload is held to now, where it is.
pub(super) fn grade(isolation: &Isolation) -> Option<Grade> {
    match &isolation.held {
        Some(Hold::Cache { .. }) => Some(Grade::Cache),
        Some(Hold::Away { .. }) => Some(Grade::Move),
        Some(Hold::Still) => Some(Grade::Freeze),
        None => isolation.cpu_time_held.map(|_| Grade::CpuMax),
    }
}

/// The same workload, held to nothing.
fn freed(isolation: &Isolation) -> Isolation {
    let cpus = match &isolation.held {
        Some(Hold::Away { before, .. }) => before.clone(),
        Some(Hold::Cache { .. } | Hold::Still) | None => isolation.cpus.clone(),
    };
    Isolation {
        cpus,
        cpu_time_held: None,
        held: None,
        ..isolation.clone()
    }
}

impl Keeper {
    /// Holds a workload back until then. Again is renewing; another restraint takes the place of the one before.
    ///
    /// # Errors
    /// When there is no such workload, it has CPUs of its own, the host cannot, the mode forbids it, or the kernel refused; in
    /// that case it is held to nothing.
    pub fn hold(
        &mut self,
        id: &WorkloadId,
        restraint: &Restraint,
        until: Moment,
    ) -> Result<Vec<Step>, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        self.refuse_containers(id, "held back")?;
        if isolation.exclusive {
            return Err(KeeperError::Refused(format!(
                "workload {id} has CPUs of its own: their time was promised to it"
            )));
        }
        let held = self.restrained(isolation, restraint)?;
        let is_another = grade(isolation).is_some_and(|before| Some(before) != grade(&held));
        let mut done = if is_another { self.let_go(id)? } else { Vec::new() };
        done.extend(self.change(self.replaced(held))?);
        self.held.insert(id.clone(), until);
        if *restraint == Restraint::Still {
            match self.stand(id, true) {
                Ok(steps) => done.extend(steps),
                Err(error) => {
                    if let Err(more) = self.let_go(id) {
                        tracing::warn!(workload = %id, error = %more, "it may stand still; the next sweep tries again");
                    }
                    return Err(error);
                }
            }
        }
        Ok(done)
    }

    /// What the workload is to be, held to this.
    fn restrained(&self, isolation: &Isolation, restraint: &Restraint) -> Result<Isolation, KeeperError> {
        let id = &isolation.workload;
        let free = freed(isolation);
        let held = match restraint {
            Restraint::CpuTime(_) if isolation.cpu_time_max.is_none() => {
                return Err(KeeperError::Refused(format!(
                    "workload {id} has no limit of CPU time that it could get back"
                )));
            }
            Restraint::CpuTime(millicpus) => {
                return Ok(Isolation {
                    cpu_time_held: Some(*millicpus),
                    ..free
                });
            }
            Restraint::Cache(l3_share, memory_bandwidth_share) => Hold::Cache {
                l3_share: *l3_share,
                memory_bandwidth_share: *memory_bandwidth_share,
            },
            Restraint::AwayFrom(victim) => Hold::Away {
                cpus: self.away_from(victim, &free.cpus)?,
                before: free.cpus.clone(),
            },
            Restraint::Still if self.is_asked_to_end(id) => {
                return Err(KeeperError::Refused(format!(
                    "workload {id} was asked to end: it goes on to do so"
                )));
            }
            Restraint::Still => {
                if !freeze(&self.host, &self.layout, isolation)
                    .map_err(unplanned)?
                    .is_empty()
                    || grade(isolation) == Some(Grade::Freeze)
                {
                    Hold::Still
                } else {
                    return Err(KeeperError::Refused(format!(
                        "workload {id} stands still already"
                    )));
                }
            }
        };
        let cpus = match &held {
            Hold::Away { cpus, .. } => cpus.clone(),
            Hold::Cache { .. } | Hold::Still => free.cpus.clone(),
        };
        Ok(Isolation {
            cpus,
            held: Some(held),
            ..free
        })
    }

    /// The CPUs of those that share them which share less with this victim.
    fn away_from(&self, victim: &WorkloadId, shared: &CpuSet) -> Result<CpuSet, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(victim) else {
            return Err(KeeperError::NotFound(victim.clone()));
        };
        let found = place::away(&self.machine, shared, &isolation.cpus, isolation.exclusive);
        found.ok_or_else(|| {
            KeeperError::Refused(format!(
                "no shared CPU lies under another last-level cache or on another NUMA node than {victim} (shared: {shared})"
            ))
        })
    }

    /// Stops its processes for the time being, or lets them go on.
    pub(super) fn stand(&mut self, id: &WorkloadId, still: bool) -> Result<Vec<Step>, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        let plan = if still { freeze } else { thaw };
        let steps = plan(&self.host, &self.layout, isolation).map_err(unplanned)?;
        if steps.is_empty() {
            return Ok(steps);
        }
        self.gate(&steps)?;
        let done = self.act(&steps)?;
        self.see_who_stands();
        Ok(done)
    }

    /// One that is held still and was asked to end goes on with the least CPU time that a squeeze leaves, until its time is over.
    pub(super) fn hold_to_end(&mut self, isolation: &Isolation) -> Result<Vec<Step>, KeeperError> {
        let mut done = self.stand(&isolation.workload, false)?;
        let goes_on = Isolation {
            cpu_time_held: least_time(isolation),
            ..freed(isolation)
        };
        done.extend(self.change(self.replaced(goes_on))?);
        Ok(done)
    }

    /// The intent with this one in the place of the one of its name.
    fn replaced(&self, isolation: Isolation) -> Intent {
        let others = self.ledger.intent.isolations.iter();
        let others = others.filter(|one| one.workload != isolation.workload).cloned();
        self.next_intent(others.chain([isolation.clone()]).collect())
    }

    /// Lets a workload go that was held back.
    ///
    /// # Errors
    /// When there is no such workload, the mode forbids it, or the kernel refused.
    pub fn let_go(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id).cloned() else {
            self.held.remove(id);
            return Err(KeeperError::NotFound(id.clone()));
        };
        let Some(grade) = grade(&isolation) else {
            self.held.remove(id);
            return Ok(Vec::new());
        };
        let mut done = Vec::new();
        if grade == Grade::Freeze {
            // First it goes on, then the ledger says so: a kill in between leads here again.
            done.extend(self.stand(id, false)?);
        }
        done.extend(self.change(self.replaced(freed(&isolation)))?);
        self.held.remove(id);
        Ok(done)
    }

    /// Somebody ordered it to stand still or to go on: from now on that is their matter.
    pub(super) fn hand_over(&mut self, id: &WorkloadId, frozen: bool) -> Result<(), KeeperError> {
        self.hand_over_squeezed(id, frozen)?;
        let Some(isolation) = self.ledger.intent.of(id) else {
            return Ok(());
        };
        if grade(isolation) == Some(Grade::Freeze) {
            self.change(self.replaced(freed(isolation)))?;
            self.held.remove(id);
        }
        Ok(())
    }

    /// Lets everybody go; whoever cannot be is told in the log.
    pub fn let_all_go(&mut self) {
        let all: Vec<WorkloadId> = self.held.keys().cloned().collect();
        for id in all {
            if let Err(error) = self.let_go(&id) {
                tracing::warn!(workload = %id, %error, "it is still held back");
            }
        }
    }

    /// Lets those go whose time is over.
    pub(super) fn let_go_in_time(&mut self, now: Moment) -> Vec<AgentEvent> {
        let over = self.held.iter().filter(|(_, until)| **until <= now);
        let over: Vec<WorkloadId> = over.map(|(id, _)| id.clone()).collect();
        let mut events = Vec::new();
        for id in over {
            match self.let_go(&id) {
                Ok(_) => events.push(event(
                    now,
                    "antagonist_let_go",
                    format!("workload {id} is held back no more"),
                )),
                // It has ended meanwhile.
                Err(KeeperError::NotFound(_)) => {}
                Err(error) => events.extend(self.trouble(now, format!("cannot let {id} go: {error}"))),
            }
        }
        events
    }

    /// After a start nobody is held back: who judged that is gone.
    pub(super) fn recover_held(&mut self) {
        let (mut freed_ones, mut still) = (Vec::new(), Vec::new());
        let held = self.ledger.intent.isolations.iter();
        let held: Vec<Isolation> = held.filter(|one| grade(one).is_some()).cloned().collect();
        for isolation in held {
            let id = isolation.workload.clone();
            if grade(&isolation) == Some(Grade::Freeze)
                && let Err(error) = self.stand(&id, false)
            {
                // Its time is over long since: the sweep tries again each second.
                self.held.insert(id.clone(), Moment::from_millis(0));
                still.push(format!("{id} stands still: {error}"));
                continue;
            }
            for one in &mut self.ledger.intent.isolations {
                if one.workload == id {
                    *one = freed(one);
                }
            }
            freed_ones.push(id.to_string());
        }
        self.found.extend(still);
        if freed_ones.is_empty() {
            return;
        }
        let names = freed_ones.join(", ");
        self.found.push(format!("held back no more: {names}"));
        if self.gate_is_open()
            && let Err(error) = self.save()
        {
            self.found.push(error.to_string());
        }
    }

    /// Writes an intent down and brings the host to it, or neither.
    pub(super) fn change(&mut self, next: Intent) -> Result<Vec<Step>, KeeperError> {
        let steps = steps_of(self.missing(&next)?);
        self.gate(&steps)?;
        let before = std::mem::replace(&mut self.ledger.intent, next);
        if let Err(error) = self.save() {
            self.ledger.intent = before;
            return Err(error);
        }
        match self.converge_from(steps) {
            Ok(done) => Ok(done),
            Err(error) => {
                let generation = self.generation();
                self.ledger.intent = Intent {
                    generation: generation.next(),
                    ..before
                };
                // The next sweep brings the host to what is in force; a crash before it does the same.
                if let Err(more) = self.save() {
                    tracing::warn!(error = %more, "the ledger still says what could not be done");
                }
                Err(error)
            }
        }
    }
}
