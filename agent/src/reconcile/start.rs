//! Starting a workload: offer, intent in the ledger, steps, apply, read back, and all of it undone where one of them fails.

use std::path::Path;

use agent_api::v1::{Ask, Exclusivity, Offer, RunRequest, Workload};
use facts::{CpuSet, Inventory, Moment};
use intent::{Isolation, WorkloadId};
use isolators::Step;
use isolators::cgroup::{
    Controller, Layout, Origin, Version, conflicting_owner, enter, origins, started, strangers,
};

use super::hand::{steps_of, unplanned};
use super::keeper::taken;
use super::{Keeper, KeeperError};
use crate::ledger::{Entry, Life};
use crate::place::{self, Machine, Refusal, Taken};

/// How many workloads one node keeps: each is a directory or three and a few hundred bytes of ledger.
const MOST_WORKLOADS: usize = 1_000;
/// The longest start of a made-up name; the rest of 63 is for the number.
const LONGEST_STEM: usize = 40;
/// How much of a command's first word is kept.
const LONGEST_COMMAND: usize = 200;
/// The name where the command gives none.
const STEM: &str = "run";

/// The process that asks.
struct Asker {
    pid: u32,
    started: u64,
    uid: u32,
}

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

    /// Offers, writes the intent down, applies it, reads back, and moves the process `pid` in.
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
        if let Some(why) = self.why_drained() {
            return Err(KeeperError::Refused(why));
        }
        self.refresh();
        self.look(inventory);
        let offer = self.placed(&request.ask, inventory)?;
        if let Some(why) =
            place::unenforced(&request.ask).or_else(|| no_gpus_alone(&self.layout, &request.ask))
        {
            return Err(KeeperError::Refused(why));
        }
        let id = self.name(&request)?;
        let isolation = isolation_of(&id, &request.ask, &offer);
        self.refuse_other_owners(&isolation)?;
        let Some(started) = started(&self.host, pid) else {
            return Err(KeeperError::Refused(format!(
                "process {pid}, which asks, has ended"
            )));
        };
        let asker = Asker { pid, started, uid };
        let origins = self.origins(&isolation, pid)?;
        let all = self
            .ledger
            .intent
            .isolations
            .iter()
            .cloned()
            .chain([isolation.clone()])
            .collect();
        let next = self.next_intent(all);
        let mut would = steps_of(self.missing(&next)?);
        would.extend(enter(&self.layout, &isolation, pid, started, &origins).map_err(unplanned)?);
        self.gate(&would)?;

        let before = self.ledger.clone();
        self.ledger.intent = next;
        self.ledger
            .workloads
            .push(entry_of(&id, &request, &asker, origins, now));
        if let Err(error) = self.save() {
            self.ledger = before;
            return Err(error);
        }
        match self.bring_about(&isolation, &asker) {
            Ok(workload) => Ok(workload),
            Err(error) => Err(self.give_up(&id, &error)),
        }
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
    fn origins(&self, isolation: &Isolation, pid: u32) -> Result<Vec<Origin>, KeeperError> {
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

    fn bring_about(&mut self, isolation: &Isolation, asker: &Asker) -> Result<Workload, KeeperError> {
        let mut done = self.converge()?;
        let id = isolation.workload.clone();
        let origins = self
            .ledger
            .entry(&id)
            .map(|entry| entry.origins.clone())
            .unwrap_or_default();
        let moves = enter(&self.layout, isolation, asker.pid, asker.started, &origins).map_err(unplanned)?;
        done.extend(self.act(&moves)?);
        if isolation.cache.is_some() {
            // A class of resctrl holds threads: they can be put into it only where they are.
            done.extend(self.converge()?);
        }
        self.read_back(isolation, asker.pid)?;
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
    fn read_back(&self, isolation: &Isolation, pid: u32) -> Result<(), KeeperError> {
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
    fn give_up(&mut self, id: &WorkloadId, error: &KeeperError) -> KeeperError {
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

/// Why the GPUs of an ask cannot be its alone here, where they cannot: what keeps others off stands on the others' cgroups.
pub(super) fn no_gpus_alone(layout: &Layout, ask: &Ask) -> Option<String> {
    ask.gpus.as_ref()?;
    let place = layout.place(Controller::Devices);
    if place.is_ok_and(|place| place.version == Version::V2) {
        return None;
    }
    Some(
        "gpus cannot be kept from other workloads here: that is done by programs on cgroups of v2; boot with \
         systemd.unified_cgroup_hierarchy=1, or ask near gpu:N, which places CPUs and memory beside it"
            .to_owned(),
    )
}

pub(super) fn isolation_of(id: &WorkloadId, ask: &Ask, offer: &Offer) -> Isolation {
    Isolation {
        exclusive: ask.exclusive,
        memory_max: ask.memory_bytes,
        // Whoever has CPUs exclusively may use them wholly; whoever shares gets the time of as many as asked.
        cpu_time_max: (!ask.exclusive).then_some(ask.cpus),
        memory_on: some(&offer.memory),
        hugepages: some(&offer.hugepages),
        devices: some(
            &offer
                .gpus
                .iter()
                .map(|gpu| gpu.device.clone())
                .collect::<Vec<_>>(),
        ),
        cache: some(&offer.cache),
        watts: offer.watts,
        priority: ask.priority,
        immovable: ask.immovable.then_some(true),
        ..Isolation::new(id.clone(), offer.cpus.clone(), offer.numa_nodes.clone())
    }
}

/// A list that holds something.
fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
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

fn entry_of(
    id: &WorkloadId,
    request: &RunRequest,
    asker: &Asker,
    origins: Vec<Origin>,
    now: Moment,
) -> Entry {
    Entry {
        id: id.clone(),
        life: Life::Starting,
        command: request.command.chars().take(LONGEST_COMMAND).collect(),
        uid: asker.uid,
        pid: asker.pid,
        pid_started: asker.started,
        since: now,
        origins,
        exclusivity: Exclusivity::None,
        refused: String::new(),
        steps: Vec::new(),
        ask: Some(Box::new(request.ask.clone())),
    }
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
