//! Asks again for partitions that the kernel refused: a partition does not recover by itself, and nobody tells us when whoever was
//! in the way has gone.

use std::time::Duration;

use agent_api::v1::{AgentEvent, Exclusivity};
use facts::Moment;
use intent::WorkloadId;
use isolators::cgroup::is_alive;

use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::ledger::{Entry, Life};

/// How long after a refusal the kernel is asked again first: a cgroup that was just removed is in the way for some milliseconds
/// more, because the kernel buries it later.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The pause doubles with each refusal up to this: a setting that forbids partitions for good costs a few writes an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// When the kernel is asked again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Again {
    /// The last time, and the pause after it; nothing while nothing is refused.
    asked: Option<(Moment, Duration)>,
}

impl Again {
    /// Whether it is time. The first call only begins to wait.
    fn is_due(&mut self, now: Moment) -> bool {
        let Some((at, pause)) = self.asked else {
            self.asked = Some((now, FIRST_PAUSE));
            return false;
        };
        // A clock that was set back must not make it wait for years.
        if now >= at && now.since(at) < pause {
            return false;
        }
        self.asked = Some((now, (pause * 2).min(LONGEST_PAUSE)));
        true
    }
}

impl Keeper {
    /// Asks again where it is time, and tells who has a partition now.
    pub(super) fn regain(&mut self, now: Moment) -> Vec<AgentEvent> {
        let refused = self.refusals();
        if refused.is_empty() || self.layout.why_no_partition().is_some() {
            self.again = Again::default();
            return Vec::new();
        }
        if !self.again.is_due(now) {
            return Vec::new();
        }
        for (id, _) in &refused {
            self.layout.refused.remove(id);
            self.set_refused(id, "");
        }
        match self.converge() {
            Ok(_) => self.regained(&refused, now),
            Err(error) => {
                for (id, why) in &refused {
                    self.layout.refused.insert(id.clone());
                    self.set_refused(id, why);
                }
                self.trouble(now, format!("cannot ask for partitions again: {error}"))
            }
        }
    }

    fn regained(&mut self, refused: &[(WorkloadId, String)], now: Moment) -> Vec<AgentEvent> {
        let still = self.refusals();
        let mut events = Vec::new();
        for (id, why) in refused {
            if still.iter().any(|(other, _)| other == id) {
                continue;
            }
            for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
                entry.exclusivity = Exclusivity::Partition;
            }
            let message = format!("the CPUs of {id} are a partition again; before, {why}");
            events.push(event(now, "exclusivity_regained", message));
        }
        if still != refused
            && let Err(error) = self.save()
        {
            events.extend(self.trouble(now, error.to_string()));
        }
        events
    }

    fn set_refused(&mut self, id: &WorkloadId, why: &str) {
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            why.clone_into(&mut entry.refused);
        }
    }

    /// The process that was placed first, where it lives although nothing is left in the workload's cgroups: somebody else removed
    /// them, or moved everything out.
    pub(super) fn orphan(&self, id: &WorkloadId) -> Option<u32> {
        let entry: &Entry = self.ledger.entry(id)?;
        let is_empty = |members: Result<Vec<u32>, KeeperError>| members.is_ok_and(|all| all.is_empty());
        let is_orphan = entry.life == Life::Running
            && is_empty(self.members(entry))
            && is_alive(&self.host, entry.pid, entry.pid_started);
        is_orphan.then_some(entry.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_and_a_clock_set_back_is_no_trap() {
        let mut again = Again::default();
        let at = |seconds: u64| Moment::from_millis(1_000_000 + seconds * 1_000);
        let asked: Vec<u64> = (0..1_000).filter(|second| again.is_due(at(*second))).collect();
        assert_eq!(asked, [1, 3, 7, 15, 31, 63, 127, 255, 511, 811]);
        assert!(again.is_due(Moment::from_millis(5)));
    }
}
