//! Affinities as they were found: written down before the first change, and put back when a workload ends.

use std::collections::BTreeMap;

use intent::{Actuator, WorkloadId};
use isolators::affinity::Affinity;
use isolators::cgroup::started;
use isolators::{Step, apply};

use super::Keeper;

impl Keeper {
    /// Notes those that were made since: they have the pins of their makers, and shall have what these had before.
    pub(super) fn note_later_ones(&mut self, id: &WorkloadId) {
        let Some(entry) = self.ledger.entry(id) else {
            return;
        };
        let Some(first) = entry.found.first().map(|affinity| affinity.cpus.clone()) else {
            return;
        };
        let members = self.members(entry).unwrap_or_default();
        let mut later = Vec::new();
        for pid in members {
            let Some(started) = started(&self.host, pid) else {
                continue;
            };
            let is_known = |known: &Affinity| known.pid == pid && known.started == started;
            if !entry.found.iter().any(is_known) {
                later.push(Affinity {
                    pid,
                    started,
                    cpus: first.clone(),
                    threads: BTreeMap::new(),
                });
            }
        }
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            entry.found.append(&mut later);
        }
    }

    /// Puts them back, after everybody is out of the workload's cgroups and these are gone: a cgroup's own CPUs bound what can be had, and
    /// Linux before 6.2 forgets what was asked for when they change. One that the
    /// kernel refuses is told in the log and keeps nobody from ending.
    pub(super) fn put_affinities_back(&mut self, id: &WorkloadId) -> Vec<Step> {
        let found = self.ledger.entry(id).map(|entry| entry.found.clone());
        let mut done = Vec::new();
        for step in found
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.step(&self.host))
        {
            let steps = [step];
            let gate = &self.config.actuators;
            match apply(gate, Actuator::Cpu, &self.host, &steps, &mut *self.watch) {
                Ok(_) => done.extend(steps),
                Err(error) => {
                    tracing::warn!(workload = %id, error = %super::hand::told(&error), "an affinity is not put back");
                }
            }
        }
        done
    }
}
