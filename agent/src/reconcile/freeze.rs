//! Freezing and thawing: all processes of a workload stand still, and go on. It is an act and no part of the intent: a sweep
//! changes nothing about it, and neither does an agent that starts again.

use agent_api::v1::Frozen;
use intent::WorkloadId;
use isolators::Step;
use isolators::cgroup::{freeze, is_frozen, thaw};

use super::hand::unplanned;
use super::{Keeper, KeeperError};

impl Keeper {
    /// Stops all processes of a workload, or lets them go on. What it holds it keeps: CPUs, memory, its place in the ledger.
    ///
    /// # Errors
    /// When there is no such workload, its cgroup has no freezer, the mode forbids it, or not all of them stand still in time.
    pub fn freeze(&mut self, id: &WorkloadId, frozen: bool) -> Result<Frozen, KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        self.refuse_containers(id, "frozen")?;
        let plan = if frozen { freeze } else { thaw };
        let steps = plan(&self.host, &self.layout, isolation).map_err(unplanned)?;
        if !steps.is_empty() {
            self.gate(&steps)?;
        }
        let done = self.act(&steps)?;
        self.hand_over(id, frozen)?;
        self.see_who_stands();
        Ok(Frozen {
            id: id.clone(),
            frozen,
            done: done.iter().map(Step::to_string).collect(),
        })
    }

    /// Asks the kernel who stands still: whoever shows a workload would otherwise ask it each time.
    pub(super) fn see_who_stands(&mut self) {
        let all = self.ledger.intent.isolations.iter();
        let still = all.filter(|isolation| is_frozen(&self.host, &self.layout, isolation) == Some(true));
        self.still = still.map(|isolation| isolation.workload.clone()).collect();
    }
}
