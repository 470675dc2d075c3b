//! The first process of a workload: who asked is moved in, or bears a child there and says so.
//!
//! A process that is born in its cgroup spares the kernel a migration, which may wait for a grace period of RCU. Until it is there
//! the workload is held in force though it is empty, for a bounded time and only while who asked lives. In the ledger it is one that was never
//! confirmed, so a kill between any two of these steps leads to its undoing.

use std::path::Path;
use std::time::Duration;

use agent_api::v1::Workload;
use facts::Moment;
use intent::{Isolation, WorkloadId};
use isolators::Step;
use isolators::cgroup::{enter, is_alive, origins, started};
use isolators::task::Stat;

use super::hand::unplanned;
use super::{Keeper, KeeperError};
use crate::ledger::Entry;

/// How long a first process is awaited. Bearing one takes milliseconds; a virtual machine's directory or a busy host may take longer.
const AWAITED_FOR: Duration = Duration::from_secs(10);

/// A workload that is ready for its first process.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    until: Moment,
    /// What was done for it.
    done: Vec<Step>,
    /// Whether nothing is left to do for it but to take its first process.
    is_whole: bool,
}

impl Keeper {
    /// Makes a workload's cgroups and leaves them empty: who asked will bear a process there.
    pub(super) fn make_ready(
        &mut self,
        isolation: &Isolation,
        steps: Vec<Step>,
        now: Moment,
    ) -> Result<Workload, KeeperError> {
        let done = self.act(&steps)?;
        let id = isolation.workload.clone();
        let awaited = Awaited {
            until: now.after(AWAITED_FOR),
            done,
            is_whole: false,
        };
        self.awaited.insert(id.clone(), awaited);
        match self.ledger.entry(&id) {
            Some(entry) => Ok(self.shown(entry, isolation)),
            None => Err(KeeperError::NotFound(id)),
        }
    }

    /// Does what is left of a start whose child is being born meanwhile: kernel work is kept off its CPUs, and the host is compared with
    /// the whole intent until nothing is missing. Nothing of the command runs before that. Does nothing for a start that is whole.
    ///
    /// # Errors
    /// With what failed; the workload is undone.
    pub fn complete(&mut self, id: &WorkloadId) -> Result<(), KeeperError> {
        if self.awaited.get(id).is_none_or(|awaited| awaited.is_whole) {
            return Ok(());
        }
        match self.converge() {
            Ok(done) => {
                if let Some(awaited) = self.awaited.get_mut(id) {
                    awaited.done.extend(done);
                    awaited.is_whole = true;
                }
                Ok(())
            }
            Err(error) => {
                let error = self.give_up(id, &error);
                // Whoever asked hears of it when it comes for the second half.
                self.given_up = Some((id.clone(), error.to_string()));
                Err(error)
            }
        }
    }

    /// Whether the first process of any workload is awaited.
    pub fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The awaited process is there; or it could not be born, and who asked is moved in.
    ///
    /// # Errors
    /// When nobody is awaited there, another process asks than the one that is awaited, or what it says is not so; in that last case
    /// the workload is undone.
    pub fn entered(&mut self, id: &WorkloadId, born: bool, asker: u32) -> Result<Workload, KeeperError> {
        if let Some((_, why)) = self.given_up.take_if(|(of, _)| of == id) {
            return Err(KeeperError::Failed(why));
        }
        let (true, Some(entry), Some(isolation)) = (
            self.awaited.contains_key(id),
            self.ledger.entry(id),
            self.ledger.intent.of(id),
        ) else {
            return Err(KeeperError::Conflict(format!(
                "no workload {id} awaits a process (any more); ask again"
            )));
        };
        if entry.pid != asker || started(&self.host, asker) != Some(entry.pid_started) {
            return Err(KeeperError::Refused(format!(
                "process {} asked for workload {id}, and only that one says what became of it; this is process {asker}",
                entry.pid
            )));
        }
        let isolation = isolation.clone();
        self.complete(id).inspect_err(|_| self.given_up = None)?;
        let done = self.awaited.remove(id).map(|awaited| awaited.done);
        let done = done.unwrap_or_default();
        let came = if born {
            self.admit(&isolation, done)
        } else {
            self.move_in(&isolation, done)
        };
        came.map_err(|error| self.give_up(id, &error))
    }

    /// Moves who asked into a workload that stands.
    pub(super) fn move_in(
        &mut self,
        isolation: &Isolation,
        mut done: Vec<Step>,
    ) -> Result<Workload, KeeperError> {
        let id = &isolation.workload;
        let Some(entry) = self.ledger.entry(id) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        let (pid, since) = (entry.pid, entry.pid_started);
        let moves = enter(&self.layout, isolation, pid, since, &entry.origins).map_err(unplanned)?;
        done.extend(self.act_within(isolation, &moves)?);
        self.confirm(isolation, pid, done)
    }

    /// Takes the child that who asked bore in the workload for its first process.
    fn admit(&mut self, isolation: &Isolation, mut done: Vec<Step>) -> Result<Workload, KeeperError> {
        let id = &isolation.workload;
        let Some(entry) = self.ledger.entry(id).cloned() else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        let (pid, since) = self.child_within(isolation, &entry)?;
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            (entry.pid, entry.pid_started) = (pid, since);
        }
        let all = enter(&self.layout, isolation, pid, since, &entry.origins).map_err(unplanned)?;
        let moves = |step: &Step| matches!(step, Step::MoveProcess { .. });
        let rest: Vec<Step> = all.iter().filter(|step| !moves(step)).cloned().collect();
        done.extend(self.act_within(isolation, &rest)?);
        if self.read_back(isolation, pid).is_err() {
            // Linux before 6.4 gives a process that is born in a cpuset the CPUs of its mother. Out and in again: that it takes.
            let out = self.moves_back(&entry, 0)?;
            self.act_within(isolation, &out)?;
            done.extend(self.act_within(isolation, &all)?);
        }
        self.confirm(isolation, pid, done)
    }

    /// The one process in a workload, which is a child of who asked and is in every cgroup of the workload.
    fn child_within(&self, isolation: &Isolation, entry: &Entry) -> Result<(u32, u64), KeeperError> {
        let id = &entry.id;
        let refused = |why: String| KeeperError::Refused(format!("workload {id}: {why}"));
        let members = self.members(entry)?;
        let [pid] = members.as_slice() else {
            return Err(refused(format!(
                "its first process is to be alone in it; there are {}",
                members.len()
            )));
        };
        let text = self.host.read(Path::new(&format!("/proc/{pid}/stat")));
        let text = text.ok().flatten().unwrap_or_default();
        let stat = Stat::of(&text);
        let parent = stat.as_ref().and_then(Stat::parent);
        let since = stat.as_ref().and_then(Stat::started);
        let (Some(since), true) = (since, parent == Some(entry.pid)) else {
            return Err(refused(format!(
                "process {pid} is no child of process {}, which asked",
                entry.pid
            )));
        };
        let places = self.layout.hierarchies(isolation).map_err(unplanned)?;
        let found = origins(&self.host, &self.layout, isolation, *pid).map_err(unplanned)?;
        for place in places {
            let shall = self.layout.group(place, isolation);
            let is = found.iter().find(|origin| origin.mount == place.mount);
            if is.is_none_or(|origin| origin.dir != shall) {
                return Err(refused(format!("process {pid} is not in {}", shall.display())));
            }
        }
        Ok((*pid, since))
    }

    /// Steps with the processes of a workload, which change nothing about what its cgroups shall say.
    fn act_within(&mut self, isolation: &Isolation, steps: &[Step]) -> Result<Vec<Step>, KeeperError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let met = self.met;
        let mut done = self.act(steps)?;
        self.met = met;
        if isolation.cache.is_some() {
            // A class of resctrl holds threads: they can be put into it only where they are.
            done.extend(self.converge()?);
        }
        Ok(done)
    }

    /// Those whose time is over, or whose asker is gone, are awaited no more: the sweep undoes them.
    pub(super) fn await_no_more(&mut self, now: Moment) {
        let (ledger, host) = (&self.ledger, &self.host);
        self.awaited.retain(|id, awaited| {
            let alive = ledger
                .entry(id)
                .is_some_and(|entry| is_alive(host, entry.pid, entry.pid_started));
            if !alive {
                tracing::warn!(workload = %id, "who asked for it is gone before anything ran in it; undoing it");
            } else if awaited.until <= now {
                tracing::warn!(workload = %id, "nobody said that anything runs in it; undoing it");
            }
            alive && now < awaited.until
        });
    }
}
