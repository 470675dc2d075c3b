//! Estimates for each workload: its part of the packages' energy, beside what its cgroup counts (docs/perf.md).
//!
//! Off unless `[metrics] per_workload = true`. Counters of cgroups cost something at each switch between cgroups, and the parts
//! of the energy are estimates: their method is in a label, and what nobody has is shown, so that the sum is what was measured.
//!
//! Not here: the time in which a power cap held a workload back. No counter that Linux offers to everybody says so; throttled
//! seconds are those of its share of CPU time.

mod account;
mod split;
mod traffic;

use std::path::PathBuf;
use std::time::Duration;

use collectors::perf::workloads::{Reader, Workload};
use collectors::{CollectError, Collector, Root};
use facts::observation::Observation;
use facts::sheet::Pad;

use crate::view::Board;
use account::Account;

pub use split::{Method, Package, Part, Split, split};
pub use traffic::TrafficCollector;

/// A reading of four files and some counters for each workload.
const BEAT: Duration = Duration::from_secs(5);

/// What the keeper's workloads use, and their estimates.
pub struct EstimateCollector {
    board: Board,
    reader: Reader,
    account: Account,
    pad: Pad,
}

impl EstimateCollector {
    /// Of the workloads that the keeper shows on this board.
    pub fn new(root: Root, board: Board) -> EstimateCollector {
        EstimateCollector {
            board,
            reader: Reader::new(root),
            account: Account::default(),
            pad: Pad::default(),
        }
    }

    fn watched(&self) -> Vec<Workload> {
        let view = self.board.latest();
        let workloads = view.kept.workloads.iter().map(|workload| Workload {
            id: workload.id.to_string(),
            cpus: workload.cpus.clone(),
            cgroups: workload.cgroups.iter().map(PathBuf::from).collect(),
        });
        workloads.collect()
    }
}

impl Collector for EstimateCollector {
    fn name(&self) -> &'static str {
        "workloads"
    }

    fn beat(&self) -> Duration {
        BEAT
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["cpu"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let turn = self.reader.turn(self.watched())?;
        self.account.take(&turn);
        let mut sheet = self.pad.begin();
        self.reader.write(&mut sheet);
        self.account.write(&mut sheet);
        Ok(Observation {
            missing: self.reader.missing().to_vec(),
            sheet: Some(sheet.finish()),
            ..Observation::default()
        })
    }
}
