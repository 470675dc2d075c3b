//! Moving a running workload to another place: first it has both, then it gives up what it had.
//!
//! Two generations of the intent. What is new to it was nobody's exclusively, so between the two no CPU is in two exclusive sets,
//! and it is never without any. The goal stands in the ledger before the first of them: after a crash it goes on.

use agent_api::v1::{Ask, Migrated, Offer};
use facts::{CpuSet, Inventory};
use intent::{Isolation, WorkloadId};
use isolators::Step;

use super::hand::steps_of;
use super::keeper::taken;
use super::{Keeper, KeeperError};
use crate::ledger::Life;
use crate::place::{self, Refusal, Taken};

impl Keeper {
    /// Moves a workload with CPUs of its own to others, or says where that would be.
    ///
    /// # Errors
    /// When there is no such workload, it cannot or must not move, there is no other place, the mode forbids it, or the kernel
    /// refused; in that case it is where it was.
    pub fn migrate(
        &mut self,
        id: &WorkloadId,
        dry_run: bool,
        inventory: &Inventory,
    ) -> Result<Migrated, KeeperError> {
        self.look(inventory);
        let is = self.ledger.intent.of(id).cloned();
        let is = is.ok_or_else(|| KeeperError::NotFound(id.clone()))?;
        self.refuse_containers(id, "moved")?;
        let ask = self.may_move(&is)?;
        let offer = self.elsewhere(&is, &ask)?;
        let goal = Isolation {
            cpus: offer.cpus.clone(),
            numa_nodes: offer.numa_nodes.clone(),
            memory_on: (!offer.memory.is_empty()).then(|| offer.memory.clone()),
            cache: (!offer.cache.is_empty()).then(|| offer.cache.clone()),
            ..is.clone()
        };
        self.refuse_unkept_watts(&goal)
            .map_err(|error| unkept_there(id, &goal, error))?;
        let both = Isolation {
            cpus: is.cpus.union(&goal.cpus),
            numa_nodes: is.numa_nodes.union(&goal.numa_nodes),
            ..is.clone()
        };
        let first = self.placed_at(&both);
        let would = steps_of(self.missing(&first)?);
        let mut steps: Vec<String> = would.iter().map(Step::to_string).collect();
        if !dry_run {
            self.gate(&would)?;
            steps = self.go(id, &both, &goal)?.iter().map(Step::to_string).collect();
        }
        let entry = self
            .ledger
            .entry(id)
            .ok_or_else(|| KeeperError::NotFound(id.clone()))?;
        let now = self.ledger.intent.of(id).unwrap_or(&is);
        Ok(Migrated {
            workload: self.shown(entry, now),
            from: is.cpus.clone(),
            to: goal.cpus,
            memory_from: is.numa_nodes.clone(),
            memory_to: goal.numa_nodes,
            because: offer.because,
            steps,
        })
    }

    fn may_move(&self, is: &Isolation) -> Result<Ask, KeeperError> {
        let id = &is.workload;
        let refused = |why: &str| Err(KeeperError::Refused(format!("workload {id} {why}")));
        let entry = self.ledger.entry(id).filter(|entry| entry.life == Life::Running);
        let Some(entry) = entry else {
            return refused("is starting or ending; try again");
        };
        if !is.exclusive {
            return refused(
                "shares its CPUs: they are moved as others come and go, and there is nothing to migrate",
            );
        }
        if is.immovable == Some(true) {
            return refused("was started with --immovable");
        }
        if is.devices.is_some() || is.hugepages.is_some() {
            return refused(
                "holds GPUs or huge pages, which cannot change under a running process; stop it and run it anew",
            );
        }
        match &entry.ask {
            Some(ask) => Ok(Ask::clone(ask)),
            None => {
                refused("was placed by an agent that did not note what it asked for; stop it and run it anew")
            }
        }
    }

    /// A place of nothing that it has: its own CPUs are as taken as others'.
    fn elsewhere(&self, is: &Isolation, ask: &Ask) -> Result<Offer, KeeperError> {
        let others: Vec<Taken> = taken(&self.ledger)
            .into_iter()
            .map(|one| {
                if one.workload == is.workload {
                    // Its memory comes along.
                    Taken::new(one.workload, one.cpus)
                } else {
                    one
                }
            })
            .collect();
        let generation = self.ledger.intent.generation;
        place::place(ask, &self.machine, &others, generation).map_err(|refusal| match refusal {
            Refusal::BadAsk(text) => KeeperError::BadAsk(text),
            Refusal::NotHere(text) | Refusal::Shortfall(text) => KeeperError::Shortfall(format!(
                "there is no other place for workload {}: {text}",
                is.workload
            )),
            Refusal::Unknown => KeeperError::Refused(refusal.to_string()),
        })
    }

    /// The intent with this workload placed so.
    pub(super) fn placed_at(&self, isolation: &Isolation) -> intent::Intent {
        let with = self.ledger.intent.with(isolation.clone());
        self.next_intent(with.isolations)
    }

    fn go(&mut self, id: &WorkloadId, both: &Isolation, goal: &Isolation) -> Result<Vec<Step>, KeeperError> {
        let before = self.ledger.clone();
        self.ledger.intent = self.placed_at(both);
        self.set_moving(id, Some(goal));
        if let Err(error) = self.save() {
            self.ledger = before;
            return Err(error);
        }
        let came = match self.converge() {
            Ok(mut done) => self.arrive(id).map(|more| {
                done.extend(more);
                done
            }),
            Err(error) => Err(error),
        };
        came.map_err(|error| self.stay(id, &before.intent.of(id).cloned(), error))
    }

    /// The second half: what it had is given up. Does nothing for who is not on its way.
    pub(super) fn arrive(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        let moving = self.ledger.entry(id).and_then(|entry| entry.moving.clone());
        let Some(goal) = moving else {
            return Ok(Vec::new());
        };
        let left: CpuSet = self
            .ledger
            .intent
            .of(id)
            .map(|is| is.cpus.difference(&goal.cpus))
            .unwrap_or_default();
        self.ledger.intent = self.placed_at(&goal);
        self.save()?;
        let done = self.converge()?;
        // What our own partition kept away until now is ours to lend.
        self.lately = self.lately.union(&left);
        self.set_moving(id, None);
        self.save()?;
        Ok(done)
    }

    /// Those that were on their way when an agent ended.
    pub(super) fn on_their_way(&self) -> Vec<WorkloadId> {
        let moving = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.moving.is_some() && entry.life == Life::Running);
        moving.map(|entry| entry.id.clone()).collect()
    }

    /// Back to where it was: the sweep finishes what cannot be done now.
    fn stay(&mut self, id: &WorkloadId, was: &Option<Isolation>, error: KeeperError) -> KeeperError {
        self.set_moving(id, None);
        if let Some(was) = was {
            self.ledger.intent = self.placed_at(was);
        }
        let came = self.save().and_then(|()| self.converge());
        match came {
            Ok(_) => error,
            Err(more) => KeeperError::Failed(format!(
                "{error}; putting it back failed too: {more}; the next sweep tries again"
            )),
        }
    }

    fn set_moving(&mut self, id: &WorkloadId, goal: Option<&Isolation>) {
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            entry.moving = goal.cloned().map(Box::new);
        }
    }
}

/// A floor of watts holds wherever its workload goes: what it would lack at another place is a refusal.
fn unkept_there(id: &WorkloadId, goal: &Isolation, error: KeeperError) -> KeeperError {
    let KeeperError::Shortfall(why) = error else {
        return error;
    };
    KeeperError::Shortfall(format!(
        "workload {id} would not keep its firm watts on CPUs {}: {why}",
        goal.cpus
    ))
}
