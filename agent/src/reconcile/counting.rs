//! Groups of resctrl that count each workload's memory traffic and cache, where somebody wishes to know: the interference loop, or
//! metrics of each workload. They are no part of the intent: a workload that cannot be counted runs as well, and is named.

use std::collections::BTreeMap;

use agent_api::v1::AgentEvent;
use facts::Moment;
use intent::{Intent, WorkloadId};
use isolators::resctrl::counting;

use super::cap::once;
use super::hand::unplanned;
use super::{Keeper, KeeperError};

/// Groups are made in the first round and filled in the second.
const ROUNDS: usize = 2;

/// Who is not counted, and what was told of it last.
#[derive(Debug, Default)]
pub(super) struct Uncounted {
    why: BTreeMap<WorkloadId, String>,
    told: String,
}

impl Keeper {
    /// The sweep's part: each workload has a group that counts it, as far as the processor has numbers for them; nothing of that is left
    /// where nobody wishes it. One look at a directory where resctrl is not mounted.
    pub(super) fn count_traffic(&mut self, now: Moment) -> Vec<AgentEvent> {
        let intent = self.ledger.intent.clone();
        if let Err(error) = self.bring_counting(&intent, self.config.counts_traffic) {
            let message = format!("memory traffic of workloads is not counted: {error}");
            return once(&mut self.uncounted.told, now, "trouble", message);
        }
        let each = self.uncounted.why.iter().map(|(id, why)| format!("{id}: {why}"));
        let message = each.collect::<Vec<_>>().join("; ");
        if message.is_empty() {
            self.uncounted.told.clear();
            return Vec::new();
        }
        let message = format!("memory traffic is not counted of {message}");
        once(&mut self.uncounted.told, now, "traffic_uncounted", message)
    }

    /// Removes every group that counts for us.
    pub(super) fn count_no_more(&mut self) -> Result<(), KeeperError> {
        self.bring_counting(&Intent::default(), false)
    }

    fn bring_counting(&mut self, intent: &Intent, is_wished: bool) -> Result<(), KeeperError> {
        for _ in 0..ROUNDS {
            let missing = counting(&self.host, &self.layout, intent, is_wished).map_err(unplanned)?;
            self.uncounted.why = missing.uncounted;
            if missing.steps.is_empty() {
                break;
            }
            self.act(&missing.steps)?;
        }
        Ok(())
    }

    /// Why nobody counts this workload's traffic though it is wished; `None` where somebody does, or nobody wishes it.
    pub(super) fn why_uncounted(&self, id: &WorkloadId) -> Option<String> {
        self.uncounted.why.get(id).cloned()
    }
}
