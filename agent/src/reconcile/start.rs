//! Starting a workload: offer, intent in the ledger, steps, apply, read back, and all of it undone where one of them fails.

use std::path::Path;

use agent_api::v1::{Ask, Exclusivity, Offer, RunRequest, Workload};
use facts::{CpuSet, Inventory, Moment};
use intent::{Intent, Isolation, WorkloadId};
use isolators::affinity::allowed;
use isolators::cgroup::{Origin, conflicting_owner, enter, origins, started, strangers};
use isolators::{Step, plan_groups};

use super::devices::not_lendable;
use super::entry::{Asker, entry_of, isolation_of};
use super::hand::{steps_of, unplanned};
use super::keeper::taken;
use super::{Keeper, KeeperError};
use crate::ledger::{Entry, Life};
use crate::place::{self, Machine, Refusal, Taken};

/// How many workloads one node keeps: each is a directory or three and a few hundred bytes of ledger.
const MOST_WORKLOADS: usize = 1_000;
/// The longest start of a made-up name; the rest of 63 is for the number.
const LONGEST_STEM: usize = 40;
/// The name where the command gives none.
const STEM: &str = "run";

impl Keeper {
    /// The place for an ask, whether or not this host can bring all of it about.
    fn placed(&self, ask: &Ask, inventory: &Inventory) -> Result<Offer, KeeperError> {
        let now;
        let machine = if self.machine_of.is_some() && self.machine_of == inventory.at {
            &self.machine
        } else {
            now = self.machine_from(inventory);
            &now
        };
        let taken = taken(&self.ledger);
        place::place(ask, machine, &taken, self.ledger.intent.generation)
            .map_err(|refusal| with_advice(refusal, ask, machine, &taken))
    }

    /// [`Keeper::begin`] and [`Keeper::complete`] at once.
    ///
    /// # Errors
    /// With what was refused, or what failed and was undone.
    pub fn start(
        &mut self,
        request: RunRequest,
        pid: u32,
        uid: u32,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Workload, KeeperError> {
        let begun = self.begin(request, pid, uid, inventory, now)?;
        self.complete(&begun.id)?;
        let (entry, isolation) = (self.ledger.entry(&begun.id), self.ledger.intent.of(&begun.id));
        Ok(match (entry, isolation) {
            (Some(entry), Some(isolation)) => self.shown(entry, isolation),
            (None, _) | (_, None) => begun,
        })
    }

    /// Offers, writes the intent down, applies it, reads back, and moves the process `pid` in; or awaits its child, where it wants
    /// that and is root: nobody else may write to the cgroups. Then only its cgroups are made so far, for the child to be born in while
    /// [`Keeper::complete`] does the rest.
    ///
    /// # Errors
    /// With what was refused, or what failed and was undone.
    pub fn begin(
        &mut self,
        request: RunRequest,
        pid: u32,
        uid: u32,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Workload, KeeperError> {
        if let Some(why) = self.why_drained() {
            return Err(KeeperError::Refused(why));
        }
        self.refresh_where_old();
        self.look(inventory);
        let (id, isolation) = self.planned(&request, inventory)?;
        let Some(started) = started(&self.host, pid) else {
            return Err(KeeperError::Refused(format!(
                "process {pid}, which asks, has ended"
            )));
        };
        let affinity = allowed(&self.host, pid, pid);
        let asker = Asker {
            pid,
            started,
            uid,
            affinity,
        };
        let origins = self.origins(&isolation, pid)?;
        let next = self.with_isolation(&isolation);
        let is_awaited = request.enters && uid == 0;
        let steps = if is_awaited && self.gate_is_open() {
            plan_groups(&self.layout, &self.host, &next).map_err(unplanned)?
        } else {
            self.missing(&next)?
        };
        let steps = steps_of(steps);
        let enters = enter(&self.layout, &isolation, pid, started, &origins).map_err(unplanned)?;
        if !self.gate_is_open() {
            self.gate(&[steps.clone(), enters].concat())?;
        }
        self.write_down(next, entry_of(&id, &request, &asker, origins, now))?;
        let came = if is_awaited {
            self.make_ready(&isolation, steps, now)
        } else {
            self.bring_about(&isolation, steps)
        };
        match came {
            Ok(workload) => Ok(workload),
            Err(error) => Err(self.give_up(&id, &error)),
        }
    }

    /// The name and the isolation that a request would get, where nobody else has a hand on that.
    pub(super) fn planned(
        &self,
        request: &RunRequest,
        inventory: &Inventory,
    ) -> Result<(WorkloadId, Isolation), KeeperError> {
        let offer = self.placed(&request.ask, inventory)?;
        if let Some(why) = not_lendable(&self.host, &self.layout, &self.pooled(), &request.ask, &offer) {
            return Err(KeeperError::Refused(why));
        }
        let id = self.name(request)?;
        let isolation = isolation_of(&id, &request.ask, &offer);
        self.refuse_other_owners(&isolation)?;
        self.refuse_unkept_watts(&isolation)?;
        Ok((id, isolation))
    }

    /// The intent and who asked for it, on disk before the first step, or neither.
    pub(super) fn write_down(&mut self, next: Intent, entry: Entry) -> Result<(), KeeperError> {
        let before = self.ledger.clone();
        self.ledger.intent = next;
        self.ledger.workloads.push(entry);
        self.save().inspect_err(|_| self.ledger = before)
    }

    /// The intent with one isolation more.
    pub(super) fn with_isolation(&self, isolation: &Isolation) -> Intent {
        let all = self.ledger.intent.isolations.iter().cloned();
        self.next_intent(all.chain([isolation.clone()]).collect())
    }

    /// A name that nobody has: the one asked for, or one of the command and the generation.
    fn name(&self, request: &RunRequest) -> Result<WorkloadId, KeeperError> {
        if self.ledger.workloads.len() >= MOST_WORKLOADS {
            return Err(KeeperError::Shortfall(format!(
                "this node keeps at most {MOST_WORKLOADS} workloads"
            )));
        }
        let id = match &request.ask.name {
            Some(id) => id.clone(),
            None => made_up(&request.command, self.generation().next().0)?,
        };
        match self.ledger.entry(&id) {
            None => Ok(id),
            Some(entry) => Err(KeeperError::Conflict(format!(
                "workload {id} is here since {}; choose another name or end it first",
                entry.since
            ))),
        }
    }

    fn refuse_other_owners(&self, isolation: &Isolation) -> Result<(), KeeperError> {
        if self.ledger.workloads.is_empty()
            && let Some(stranger) = strangers(&self.host, &self.layout).map_err(unplanned)?
        {
            return Err(KeeperError::Refused(stranger));
        }
        let exclusive = if isolation.exclusive {
            isolation.cpus.clone()
        } else {
            CpuSet::new()
        };
        match conflicting_owner(&self.host, &self.layout, &exclusive) {
            Some(owner) => Err(KeeperError::Refused(owner)),
            None => Ok(()),
        }
    }

    /// Where the process is now; it must not be in one of our workloads already.
    pub(super) fn origins(&self, isolation: &Isolation, pid: u32) -> Result<Vec<Origin>, KeeperError> {
        let found = origins(&self.host, &self.layout, isolation, pid).map_err(unplanned)?;
        let ours = self
            .layout
            .all_hierarchies()
            .into_iter()
            .flat_map(|place| self.layout.own(place));
        for own in ours {
            if let Some(inside) = found.iter().find_map(|origin| origin.dir.strip_prefix(&own).ok()) {
                return Err(KeeperError::Conflict(format!(
                    "process {pid} is in workload {} already; a workload starts no workloads",
                    inside.display()
                )));
            }
        }
        Ok(found)
    }

    fn bring_about(&mut self, isolation: &Isolation, steps: Vec<Step>) -> Result<Workload, KeeperError> {
        let done = self.converge_from(steps)?;
        self.move_in(isolation, done)
    }

    /// Reads back where the first process may run, and writes down that it runs.
    pub(super) fn confirm(
        &mut self,
        isolation: &Isolation,
        pid: u32,
        done: Vec<Step>,
    ) -> Result<Workload, KeeperError> {
        let id = isolation.workload.clone();
        self.read_back(isolation, pid)?;
        let partition = self.layout.wants_partition(isolation);
        let steps: Vec<String> = done.iter().map(Step::to_string).collect();
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == id) {
            entry.life = Life::Running;
            entry.steps.clone_from(&steps);
            entry.exclusivity = match (isolation.exclusive, partition) {
                (true, true) => Exclusivity::Partition,
                (true, false) => Exclusivity::AmongBusbar,
                (false, _) => Exclusivity::None,
            };
        }
        self.save()?;
        match self.ledger.entry(&id) {
            Some(entry) => Ok(self.shown(entry, isolation)),
            None => Err(KeeperError::NotFound(id)),
        }
    }

    /// The proof: the process itself says where it may run. A recorded tree has nobody to say so.
    pub(super) fn read_back(&self, isolation: &Isolation, pid: u32) -> Result<(), KeeperError> {
        const CPUS_ALLOWED_LIST: &str = "Cpus_allowed_list:";
        let file = format!("/proc/{pid}/status");
        let text = self
            .host
            .read(Path::new(&file))
            .ok()
            .flatten()
            .unwrap_or_default();
        let Some(said) = text.lines().find_map(|line| line.strip_prefix(CPUS_ALLOWED_LIST)) else {
            return Ok(());
        };
        match said.trim().parse::<CpuSet>() {
            Ok(cpus) if cpus.is_subset(&isolation.cpus) => Ok(()),
            Ok(_) | Err(_) => Err(KeeperError::Failed(format!(
                "{file} says that the process may run on CPUs {}; expected {}",
                said.trim(),
                isolation.cpus
            ))),
        }
    }

    /// Undoes a start that failed, and says what came of that.
    pub(super) fn give_up(&mut self, id: &WorkloadId, error: &KeeperError) -> KeeperError {
        tracing::warn!(workload = %id, %error, "starting failed; undoing it");
        let text = match self.undo(id) {
            Ok(undone) => format!("{error}; undone: {} steps, nothing is left of {id}", undone.len()),
            Err(more) => format!("{error}; undoing it failed too: {more}; the next sweep tries again"),
        };
        match error {
            KeeperError::Refused(_) => KeeperError::Refused(text),
            KeeperError::BadAsk(_)
            | KeeperError::Shortfall(_)
            | KeeperError::Conflict(_)
            | KeeperError::NotFound(_)
            | KeeperError::Failed(_) => KeeperError::Failed(text),
        }
    }
}

/// A refusal of placement as the keeper's own.
pub(super) fn refused(refusal: Refusal) -> KeeperError {
    match refusal {
        Refusal::BadAsk(text) => KeeperError::BadAsk(text),
        Refusal::NotHere(text) | Refusal::Shortfall(text) => KeeperError::Shortfall(text),
        Refusal::Unknown => KeeperError::Refused(refusal.to_string()),
    }
}

/// The same, with what would make the ask fit.
pub(super) fn with_advice(refusal: Refusal, ask: &Ask, machine: &Machine, taken: &[Taken]) -> KeeperError {
    let Refusal::Shortfall(text) = refusal else {
        return refused(refusal);
    };
    KeeperError::Shortfall(match place::advice(ask, machine, taken).as_slice() {
        [] => text,
        ways => format!("{text}. It would fit: {}", ways.join("; or ")),
    })
}

/// `/usr/bin/Sleep 3` of generation 7 becomes `sleep-7`: generations never repeat, so names do not either.
pub(super) fn made_up(command: &str, number: u64) -> Result<WorkloadId, KeeperError> {
    let word = command.split_whitespace().next().unwrap_or_default();
    let last = word.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let right = last.chars().map(|c| {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c
        } else {
            '-'
        }
    });
    let stem: String = right.take(LONGEST_STEM).collect();
    let stem = stem.trim_matches('-');
    let stem = if stem.is_empty() { STEM } else { stem };
    format!("{stem}-{number}")
        .parse()
        .map_err(|error| KeeperError::Failed(format!("{error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_made_up_name_is_always_a_name() {
        for (command, name) in [
            ("/usr/bin/sleep 3", "sleep-7"),
            ("", "run-7"),
            ("///", "run-7"),
            ("-Ünïcode_", "n-code-7"),
            (&"x".repeat(500), &format!("{}-7", "x".repeat(40))),
        ] {
            assert_eq!(made_up(command, 7).unwrap().as_str(), name);
        }
        made_up("a", u64::MAX).unwrap();
    }
}
