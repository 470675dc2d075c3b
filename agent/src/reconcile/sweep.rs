//! The sweep: workloads that ended are undone, and what somebody else changed is put right.

use agent_api::v1::AgentEvent;
use facts::Moment;
use intent::WorkloadId;
use isolators::Step;

use super::hand::{shown, steps_of};
use super::{Drift, Keeper};
use crate::ledger::Life;

impl Keeper {
    /// Ends workloads whose cgroup is empty and repairs what somebody else changed. Call it every second or so.
    /// Where the mode forbids to act it changes nothing and says nothing: `plan` shows what is outstanding.
    pub fn sweep(&mut self, now: Moment) -> Vec<AgentEvent> {
        if !self.gate_is_open() {
            if self.ledger.cap.is_none() {
                return Vec::new();
            }
            self.host.forget();
            return self.keep_power(now);
        }
        self.host.forget();
        self.refresh();
        let mut events = Vec::new();
        self.await_no_more(now);
        events.extend(self.asked_that_ended(now));
        for id in self.finished() {
            let orphan = self.orphan(&id);
            match self.undo(&id) {
                Ok(_) if orphan.is_some() => events.push(event(now, "workload_lost", lost(&id, orphan))),
                Ok(undone) => events.push(event(
                    now,
                    "workload_ended",
                    format!("workload {id} has ended; undone: {} steps", undone.len()),
                )),
                Err(error) => events.extend(self.trouble(now, format!("cannot undo workload {id}: {error}"))),
            }
        }
        events.extend(self.let_go_in_time(now));
        events.extend(self.keep_power(now));
        events.extend(self.repair(now));
        if self.config.drift == Drift::Repair {
            events.extend(self.regain(now));
        }
        if self.config.counts_traffic {
            events.extend(self.count_traffic(now));
        }
        self.see_who_stands();
        events
    }

    /// Workloads without a process, and those whose undoing was not finished; but none of those whose owner has still to give back.
    pub(super) fn finished(&self) -> Vec<WorkloadId> {
        let entries = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.asks().is_none());
        let over = entries.filter(|entry| match entry.life {
            Life::Running if entry.container.is_some() => self.container_is_over(entry),
            Life::Running => self.members(entry).is_ok_and(|members| members.is_empty()),
            Life::Starting => !self.stands(entry),
            Life::Ending => true,
        });
        over.map(|entry| entry.id.clone()).collect()
    }

    fn repair(&mut self, now: Moment) -> Vec<AgentEvent> {
        let next = self.next_intent(self.ledger.intent.isolations.clone());
        let reshared = next.isolations != self.ledger.intent.isolations;
        if reshared {
            // CPUs came or went: who shares them shares what is there now.
            self.ledger.intent = next;
            if let Err(error) = self.save() {
                return self.trouble(now, error.to_string());
            }
        }
        if self.config.drift == Drift::Report && !reshared {
            return self.report(now);
        }
        let partitions = self.refusals();
        let done = match self.converge() {
            Ok(done) => done,
            Err(error) => return self.trouble(now, format!("cannot bring the host to the intent: {error}")),
        };
        self.last_trouble.clear();
        let mut events = Vec::new();
        if !done.is_empty() {
            let kind = if reshared {
                "shared_cpus_changed"
            } else {
                "drift_repaired"
            };
            events.push(event(now, kind, self.repaired(&done, reshared)));
        }
        let lost: Vec<(WorkloadId, String)> = self
            .refusals()
            .into_iter()
            .filter(|refusal| !partitions.contains(refusal))
            .collect();
        if !lost.is_empty() {
            events.extend(
                self.save()
                    .err()
                    .map(|error| event(now, "trouble", error.to_string())),
            );
        }
        for (id, why) in lost {
            let message = format!("the CPUs of {id} are no partition any more: {why}");
            events.push(event(now, "exclusivity_lost", message));
        }
        events
    }

    /// Tells once what somebody else changed, and leaves it.
    fn report(&mut self, now: Moment) -> Vec<AgentEvent> {
        self.met = None;
        match self.missing(&self.ledger.intent) {
            Ok(steps) if steps.is_empty() => {
                self.met = Some(self.generation());
                self.last_trouble.clear();
                Vec::new()
            }
            Ok(steps) => {
                let message = format!(
                    "somebody changed what Busbar had set; drift = \"report\" leaves it so; to be put right: {}",
                    shown(&steps_of(steps))
                );
                let told = self.trouble(now, message);
                told.into_iter()
                    .map(|event| AgentEvent {
                        kind: "drift".to_owned(),
                        ..event
                    })
                    .collect()
            }
            Err(error) => self.trouble(now, format!("cannot compare the host with the intent: {error}")),
        }
    }

    fn repaired(&self, done: &[Step], reshared: bool) -> String {
        let what = if reshared {
            "the shared CPUs changed"
        } else {
            "somebody changed what Busbar had set"
        };
        format!("{what}; done: {}", shown(done))
    }

    pub(super) fn refusals(&self) -> Vec<(WorkloadId, String)> {
        let refused = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| !entry.refused.is_empty());
        refused
            .map(|entry| (entry.id.clone(), entry.refused.clone()))
            .collect()
    }

    /// One event for one trouble, however many sweeps it lasts.
    pub(super) fn trouble(&mut self, now: Moment, message: String) -> Vec<AgentEvent> {
        if self.last_trouble == message {
            return Vec::new();
        }
        self.last_trouble.clone_from(&message);
        vec![event(now, "trouble", message)]
    }
}

fn lost(id: &WorkloadId, orphan: Option<u32>) -> String {
    let pid = orphan.unwrap_or_default();
    format!(
        "somebody removed the cgroups of workload {id}, or moved everything out of them: its process {pid} runs on, without CPUs \
         of its own; they are lent again"
    )
}

pub(super) fn event(at: Moment, kind: &str, message: String) -> AgentEvent {
    AgentEvent {
        at,
        kind: kind.to_owned(),
        message,
    }
}
