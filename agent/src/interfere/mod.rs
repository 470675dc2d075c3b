//! The interference loop: who suffers more than it used to, which neighbour's use goes with that, and what may be done.
//!
//! After CPI² (Zhang et al., EuroSys 2013) and Heracles (Lo et al., ISCA 2015), docs/interference.md. Judging is pure and has
//! no clock of its own: `judge` and `ladder` take windows with their moments. `read` reads the kernel's files.

mod allowed;
mod history;
mod judge;
mod ladder;
pub mod past;
mod read;
mod recent;
mod score;
mod shelf;
mod thresholds;
pub mod trace;
mod watcher;
mod words;

pub use allowed::Allowed;
pub use judge::{Finding, Judge, Suspect};
pub use ladder::{Deed, Ladder, News};
#[cfg(any(test, feature = "fuzz"))]
pub use read::fuzz;
pub use shelf::{Shelf, ShelfError, files};
pub use thresholds::Thresholds;
pub use watcher::Watcher;

use std::collections::BTreeMap;

use agent_api::v1::Signal;
use facts::Moment;
use intent::{Priority, WorkloadId};

/// The most workloads that are watched; those beyond, in the order of their names, are left out. As many as have counters.
pub const MOST_WATCHED: usize = collectors::perf::workloads::MOST_WATCHED;

/// What may be done with a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is watched as a victim, and is never held back.
    Protected,
    /// It may be held back.
    Actable,
    /// It is neither: why not.
    Untouchable(String),
}

/// What one workload did in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which.
    pub id: WorkloadId,
    /// When it was placed: a later one of its name is another one, with a history of its own.
    pub since: Moment,
    /// What may be done with it.
    pub standing: Standing,
    /// The highest number is held back first.
    pub priority: Priority,
    /// CPU seconds in a second.
    pub cpu: f64,
    /// Bytes a second between cache and memory, where that is counted for it alone.
    pub bandwidth: Option<f64>,
    /// What it is seen by that it suffers; a signal is missing where nobody counts it or too little ran.
    pub signals: BTreeMap<Signal, f64>,
}

/// A number of things, for sums.
fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
