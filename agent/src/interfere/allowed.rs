//! Which grades may be done, and about whom.

use std::collections::BTreeMap;

use agent_api::v1::Grade;
use intent::{Priority, WorkloadId};

/// The grades that `act` may do; what is not named is advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// About anybody of whom nothing else is said.
    pub grades: Vec<Grade>,
    /// About those of a priority.
    pub by_priority: BTreeMap<Priority, Vec<Grade>>,
    /// About one workload; this is stronger than its priority.
    pub by_workload: BTreeMap<WorkloadId, Vec<Grade>>,
}

impl Default for Allowed {
    /// Less CPU time and no more: it is undone within one write, and nothing stands still or moves by it.
    fn default() -> Allowed {
        Allowed::only(&[Grade::CpuMax])
    }
}

impl Allowed {
    /// These, about anybody.
    pub fn only(grades: &[Grade]) -> Allowed {
        Allowed {
            grades: grades.to_vec(),
            by_priority: BTreeMap::new(),
            by_workload: BTreeMap::new(),
        }
    }

    /// What may be done about this one.
    pub fn about(&self, id: &WorkloadId, priority: Priority) -> &[Grade] {
        let own = self
            .by_workload
            .get(id)
            .or_else(|| self.by_priority.get(&priority));
        own.unwrap_or(&self.grades)
    }
}
