//! A node's intent: all its isolations under one generation.

use std::fmt;

use facts::CpuSet;
use serde::{Deserialize, Serialize};

use crate::isolation::{Isolation, WorkloadId};

/// A number that grows with each change of the intent. An older generation never overrides a newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Generation {
        Generation(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What shall be on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its number.
    pub generation: Generation,
    /// One isolation a workload, by name.
    pub isolations: Vec<Isolation>,
}

impl Intent {
    /// The isolation of one workload.
    pub fn of(&self, workload: &WorkloadId) -> Option<&Isolation> {
        self.isolations
            .iter()
            .find(|isolation| isolation.workload == *workload)
    }

    /// The same intent with those alone whose cgroups are ours to write.
    #[must_use]
    pub fn written_by_us(&self) -> Intent {
        let ours = self
            .isolations
            .iter()
            .filter(|isolation| isolation.is_written_by_us());
        Intent {
            generation: self.generation,
            isolations: ours.cloned().collect(),
        }
    }

    /// All CPUs that somebody has exclusively.
    pub fn exclusive_cpus(&self) -> CpuSet {
        let mut all = CpuSet::new();
        let exclusive = self.isolations.iter().filter(|isolation| isolation.exclusive);
        exclusive.for_each(|isolation| all.add(&isolation.cpus));
        all
    }

    /// The next intent: with this isolation, in the place of an older one of the same workload.
    #[must_use]
    pub fn with(&self, isolation: Isolation) -> Intent {
        let mut next = self.without(&isolation.workload);
        next.isolations.push(isolation);
        next.isolations.sort_by(|a, b| a.workload.cmp(&b.workload));
        next
    }

    /// The next intent: without this workload.
    #[must_use]
    pub fn without(&self, workload: &WorkloadId) -> Intent {
        let isolations = self
            .isolations
            .iter()
            .filter(|isolation| isolation.workload != *workload)
            .cloned();
        Intent {
            generation: self.generation.next(),
            isolations: isolations.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_change_is_a_new_generation() {
        let isolation = Isolation {
            exclusive: true,
            ..Isolation::new(
                "web-1".parse().unwrap(),
                "1".parse().unwrap(),
                "0".parse().unwrap(),
            )
        };
        let one = Intent::default().with(isolation.clone());
        assert_eq!((one.generation, one.isolations.len()), (Generation(1), 1));
        let two = one.with(isolation.clone());
        assert_eq!((two.generation, two.isolations.len()), (Generation(2), 1));
        assert!(two.without(&isolation.workload).isolations.is_empty());
    }

    #[test]
    fn a_workloads_name_cannot_leave_its_directory() {
        for bad in ["", "..", "a/b", "A", "-a", "a-", "a_b", &"x".repeat(64)] {
            assert!(bad.parse::<WorkloadId>().is_err(), "{bad}");
        }
        let hostile = "../"
            .repeat(22_000)
            .parse::<WorkloadId>()
            .unwrap_err()
            .to_string();
        assert!(hostile.len() < 300, "{hostile}");
    }
}
