//! Ending a workload: what still runs goes back to where it came from, then the rest is undone.

use agent_api::v1::Ended;
use facts::Moment;
use intent::{Intent, WorkloadId};
use isolators::Step;

use super::hand::{shown, steps_of};
use super::{Keeper, KeeperError};
use crate::ledger::{Entry, Life};

/// How often we look again for processes: one that forks while it is moved leaves children behind, which the next round moves.
const MOST_ROUNDS: usize = 50;
/// How many cgroups above the origin are tried when it takes no processes any more.
const MOST_HIGHER: usize = 16;

impl Keeper {
    /// Moves what still runs in it back to where it came from, and undoes the rest.
    ///
    /// # Errors
    /// When there is no such workload, the mode forbids it, or the kernel refused.
    pub fn end(&mut self, id: &WorkloadId, now: Moment) -> Result<Ended, KeeperError> {
        let Some(entry) = self.ledger.entry(id) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        self.refuse_containers(id, "ended")?;
        if !self.gate_is_open() {
            let mut would = self.moves_back(entry, 0)?;
            // Another workload's trouble is no reason not to say what would be done.
            would.extend(steps_of(
                self.missing(&self.ledger.intent.without(id)).unwrap_or_default(),
            ));
            self.gate(&would)?;
        }
        tracing::info!(workload = %id, at = %now, "ending");
        let undone = self.undo(id)?;
        Ok(Ended {
            id: id.clone(),
            undone: undone.iter().map(Step::to_string).collect(),
        })
    }

    /// Undoes a workload, whatever its life. What is begun is written down first, so that a crash only delays it.
    pub(super) fn undo(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        self.awaited.remove(id);
        if let Some(isolation) = self.ledger.intent.of(id).filter(|isolation| isolation.exclusive) {
            self.lately = self.lately.union(&isolation.cpus);
        }
        let rest = self
            .ledger
            .intent
            .isolations
            .iter()
            .filter(|isolation| isolation.workload != *id);
        let rest: Vec<_> = rest.cloned().collect();
        if rest.len() < self.ledger.intent.isolations.len() {
            self.ledger.intent = self.next_intent(rest);
        }
        let entries = self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id);
        entries.for_each(|entry| entry.life = Life::Ending);
        self.note_later_ones(id);
        // A full disk keeps nobody in its cgroup: the old ledger says that it runs, and a later sweep finds it empty.
        let written = self.save();
        let mut undone = self.empty(id)?;
        undone.extend(match self.converge() {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(workload = %id, %error, "only this workload is undone; the rest of the host is not in order");
                self.remove_empty()?
            }
        });
        // A container's cgroup is its runtime's, and so is whoever is left in it.
        if let Some(entry) = self.ledger.entry(id).filter(|entry| entry.container.is_none())
            && let [(_, dir), ..] = self.groups(entry).as_slice()
        {
            return Err(KeeperError::Failed(format!(
                "{} is still there and in use",
                dir.display()
            )));
        }
        // Last: as long as its partition stands, the cgroups that they are in lack its CPUs.
        undone.extend(self.put_affinities_back(id));
        self.layout.refused.remove(id);
        self.vms.remove(id);
        self.leaving.remove(id);
        self.ledger.workloads.retain(|entry| entry.id != *id);
        written?;
        self.save()?;
        Ok(undone)
    }

    /// Removes our cgroups that nobody is in, and does nothing else.
    fn remove_empty(&mut self) -> Result<Vec<Step>, KeeperError> {
        let steps = steps_of(self.missing(&Intent::default())?);
        self.act(&steps)
    }

    /// Moves processes out until none is left.
    fn empty(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        let mut moved = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let Some(entry) = self.ledger.entry(id).cloned() else {
                return Ok(moved);
            };
            let steps = self.moves_back(&entry, 0)?;
            if steps.is_empty() {
                return Ok(moved);
            }
            for step in steps {
                if self.move_somewhere(&entry, &step)? {
                    moved.push(step);
                }
            }
        }
        let left = self
            .ledger
            .entry(id)
            .map(|entry| self.moves_back(entry, 0))
            .transpose()?;
        match left.unwrap_or_default().as_slice() {
            [] => Ok(moved),
            left => Err(KeeperError::Failed(format!(
                "workload {id} makes processes faster than they can be moved away: {}",
                shown(left)
            ))),
        }
    }

    /// To the origin, or where that refuses to the nearest cgroup above it that takes the process.
    fn move_somewhere(&mut self, entry: &Entry, step: &Step) -> Result<bool, KeeperError> {
        let mut refused = match self.move_one(step.clone()) {
            Ok(moved) => return Ok(moved),
            Err(error) => error,
        };
        for higher in 1..MOST_HIGHER {
            let again = self.moves_back(entry, higher)?;
            let Some(again) = again.into_iter().find(|again| same_process(again, step)) else {
                return Ok(false);
            };
            match self.move_one(again) {
                Ok(moved) => return Ok(moved),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

/// Whether two moves are of one process out of one cgroup.
fn same_process(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (
            Step::MoveProcess {
                pid: one,
                from: one_from,
                ..
            },
            Step::MoveProcess {
                pid: other,
                from: other_from,
                ..
            },
        ) => one == other && one_from == other_from,
        _ => false,
    }
}
