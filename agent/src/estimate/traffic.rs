//! What each workload keeps in the last-level caches and moves to and from memory, as its class of resctrl or its group of
//! monitoring counts it. The keeper makes the groups (`[metrics] per_workload = true`); here they are only read.

use std::time::Duration;

use collectors::resctrl::families as f;
use collectors::resctrl::{self, Counted};
use collectors::{CollectError, Collector, Root};
use facts::NoData;
use facts::observation::Observation;
use facts::sheet::{Pad, Writing};

use crate::view::Board;
use collectors::perf::workloads::MOST_WATCHED;

/// A reading asks a CPU of each cache.
const BEAT: Duration = Duration::from_secs(5);

/// Reads what groups of resctrl count of the keeper's workloads.
pub struct TrafficCollector {
    root: Root,
    board: Board,
    pad: Pad,
}

impl TrafficCollector {
    /// Of the workloads that the keeper shows on this board.
    pub fn new(root: Root, board: Board) -> TrafficCollector {
        TrafficCollector {
            root,
            board,
            pad: Pad::default(),
        }
    }

    fn write(&self, sheet: &mut Writing<'_>) {
        let sockets = resctrl::sockets_of_caches(&self.root);
        let view = self.board.latest();
        for workload in view.kept.workloads.iter().take(MOST_WATCHED) {
            let id = workload.id.as_str();
            let group = workload.cgroups.first();
            let group = group.and_then(|dir| resctrl::group_of(&self.root, dir, id));
            let Some(group) = group else { continue };
            for (cache, counted) in resctrl::counted(&self.root, &group) {
                let socket = sockets.get(&cache).map(u32::to_string).unwrap_or_default();
                let cache = cache.to_string();
                let Counted {
                    occupancy,
                    total,
                    local,
                } = counted;
                for (scope, bytes) in [("total", total), ("local", local)] {
                    sheet.add(&f::WORKLOAD_TRAFFIC, &[id, &socket, &cache, scope], bytes);
                }
                sheet.add(&f::WORKLOAD_OCCUPANCY, &[id, &socket, &cache], occupancy);
            }
        }
    }
}

impl Collector for TrafficCollector {
    fn name(&self) -> &'static str {
        "workload_traffic"
    }

    fn beat(&self) -> Duration {
        BEAT
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        if !resctrl::counts(&self.root) {
            let message = "resctrl is not mounted, or this CPU does not monitor its caches: nobody counts workloads' traffic";
            return Err(CollectError::new(NoData::Absent, message));
        }
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        self.write(&mut sheet);
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}
