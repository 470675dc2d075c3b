//! Holding a workload back for a time: less CPU time than it was promised at most, for the sake of another one's promise.
//!
//! It stands in the intent, so it is in the ledger before the first write and drift is put right like any other. Its end stands
//! in memory: an agent that starts again, stops in order or leaves lets everybody go.

use agent_api::v1::AgentEvent;
use facts::Moment;
use intent::{Intent, Isolation, WorkloadId};
use isolators::Step;

use super::hand::steps_of;
use super::sweep::event;
use super::{Keeper, KeeperError};

impl Keeper {
    /// Holds a workload back to this many thousandths of a CPU until then. Again is renewing.
    ///
    /// # Errors
    /// When there is no such workload, it has CPUs of its own, nothing says what it gets back, the mode forbids it, or the
    /// kernel refused; in that case it is as it was.
    pub fn hold_back(
        &mut self,
        id: &WorkloadId,
        millicpus: u32,
        until: Moment,
    ) -> Result<Vec<Step>, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        if isolation.exclusive {
            return Err(KeeperError::Refused(format!(
                "workload {id} has CPUs of its own: their time was promised to it"
            )));
        }
        if isolation.cpu_time_max.is_none() {
            return Err(KeeperError::Refused(format!(
                "workload {id} has no limit of CPU time that it could get back"
            )));
        }
        let held = Isolation {
            cpu_time_held: Some(millicpus),
            ..isolation.clone()
        };
        let next = self.ledger.intent.with(held);
        let done = self.change(next)?;
        self.held.insert(id.clone(), until);
        Ok(done)
    }

    /// Lets a workload go that was held back.
    ///
    /// # Errors
    /// When there is no such workload, the mode forbids it, or the kernel refused.
    pub fn let_go(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id) else {
            self.held.remove(id);
            return Err(KeeperError::NotFound(id.clone()));
        };
        if isolation.cpu_time_held.is_none() {
            self.held.remove(id);
            return Ok(Vec::new());
        }
        let free = Isolation {
            cpu_time_held: None,
            ..isolation.clone()
        };
        let next = self.ledger.intent.with(free);
        let done = self.change(next)?;
        self.held.remove(id);
        Ok(done)
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
        let mut freed = Vec::new();
        for isolation in &mut self.ledger.intent.isolations {
            if isolation.cpu_time_held.take().is_some() {
                freed.push(isolation.workload.to_string());
            }
        }
        if freed.is_empty() {
            return;
        }
        let names = freed.join(", ");
        self.found.push(format!("held back no more: {names}"));
        if self.gate_is_open()
            && let Err(error) = self.save()
        {
            self.found.push(error.to_string());
        }
    }

    /// Writes an intent down and brings the host to it, or neither.
    fn change(&mut self, next: Intent) -> Result<Vec<Step>, KeeperError> {
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
