//! What everybody used in the last windows: what antagonists are sought in.

use std::collections::{BTreeMap, VecDeque};

use agent_api::v1::{EvidencePoint, Resource, Signal};
use facts::Moment;
use intent::WorkloadId;

use super::Sample;
use super::thresholds::Thresholds;

/// One window of everybody.
#[derive(Clone, Debug)]
struct Window {
    at: Moment,
    each: BTreeMap<WorkloadId, Sample>,
}

/// The last windows.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    windows: VecDeque<Window>,
}

impl Recent {
    /// Takes a window; the oldest is forgotten.
    pub fn take(&mut self, at: Moment, samples: &[Sample]) {
        let each = samples.iter().map(|sample| (sample.id.clone(), sample.clone()));
        self.windows.push_back(Window {
            at,
            each: each.collect(),
        });
        while self.windows.len() > Thresholds::CORRELATED {
            self.windows.pop_front();
        }
    }

    /// A workload's signal in the last window that said something.
    pub fn last(&self, id: &WorkloadId, signal: Signal) -> Option<f64> {
        let said = |window: &Window| window.each.get(id)?.signals.get(&signal).copied();
        self.windows.iter().rev().find_map(said)
    }

    /// The victim's signal beside what a neighbour used, the oldest window first. A window in which there is no word of the
    /// neighbour's use of this resource counts as none used; `None` where there is none in any.
    pub fn beside(
        &self,
        victim: &WorkloadId,
        signal: Signal,
        neighbour: &WorkloadId,
        resource: Resource,
    ) -> Option<Vec<(Option<f64>, f64)>> {
        let used = |window: &Window| {
            let sample = window.each.get(neighbour)?;
            match resource {
                Resource::CpuTime => Some(sample.cpu),
                Resource::MemoryBandwidth => sample.bandwidth,
            }
        };
        self.windows.iter().find_map(used)?;
        let each = self.windows.iter().map(|window| {
            let said = window
                .each
                .get(victim)
                .and_then(|sample| sample.signals.get(&signal).copied());
            (said, used(window).unwrap_or(0.0))
        });
        Some(each.collect())
    }

    /// The same, as evidence with its moments.
    pub fn evidence(&self, windows: &[(Option<f64>, f64)]) -> Vec<EvidencePoint> {
        let moments = self.windows.iter().map(|window| window.at);
        let points = moments.zip(windows).map(|(at, (signal, used))| EvidencePoint {
            at,
            signal: *signal,
            used: *used,
        });
        points.collect()
    }
}
