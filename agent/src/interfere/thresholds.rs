//! The numbers that the loop judges by, with where they come from.

use std::time::Duration;

use agent_api::v1::Signal;
use intent::Priority;

/// What the loop judges by. All of it stands in `[interference]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// How long one window is. CPI² samples once a minute.
    pub window: Duration,
    /// Standard deviations above the mean from which a window is an outlier. CPI²: 2.
    pub sigmas: f64,
    /// So many outliers … CPI²: 3 …
    pub outliers: usize,
    /// … of the last so many windows are suffering. … of 5 minutes.
    pub of: usize,
    /// The least score of an antagonist. CPI²: 0.35.
    pub correlation: f64,
    /// The CPU time that is left to an antagonist, in thousandths of a CPU. CPI²: 0.1 CPU-s/s for ordinary batch work.
    pub cap_millicpus: u32,
    /// The part of each last-level cache that is left to an antagonist, in thousandths. Ours: Heracles moves ways step by step.
    pub cache_thousandths: u16,
    /// The part of memory bandwidth, in thousandths. Ours: ten in a hundred is the least that most processors take.
    pub bandwidth_thousandths: u16,
    /// How long one act lasts. CPI²: 5 minutes.
    pub act_for: Duration,
    /// Who shares CPUs is protected up to this priority (1 is kept longest). Ours: CPI² knows classes, we have priorities.
    pub protect_up_to: Priority,
}

impl Thresholds {
    /// The windows that antagonists are sought in. CPI²: 10 minutes of them.
    pub const CORRELATED: usize = 10;
    /// The longest history: a day of minutes. CPI² learns anew each day.
    pub const LONGEST_HISTORY: usize = 1_440;
    /// Nobody is judged by fewer windows than this. CPI² asks for 100 samples a task, of many tasks; we have one task's.
    pub const LEAST_HISTORY: usize = 60;
    /// Below so much CPU time its cycles per instruction say nothing. CPI²: 0.25 CPU-s/s.
    pub const LEAST_CPU: f64 = 0.25;

    /// The published values.
    pub const fn published() -> Thresholds {
        Thresholds {
            window: Duration::from_secs(60),
            sigmas: 2.0,
            outliers: 3,
            of: 5,
            correlation: 0.35,
            cap_millicpus: 100,
            cache_thousandths: 100,
            bandwidth_thousandths: 100,
            act_for: Duration::from_secs(300),
            protect_up_to: PROTECTED,
        }
    }

    /// The least standard deviation that is believed, beside this mean: a quiet history is no reason to call noise an outlier.
    pub(super) fn least_deviation(signal: Signal, mean: f64) -> f64 {
        match signal {
            Signal::CyclesPerInstruction => mean * 0.05,
            // Shares of time: two in a hundred are the noise of any machine that does something.
            Signal::Pressure | Signal::RunDelay => (mean * 0.05).max(0.02),
        }
    }
}

/// Only who was asked for with the first of all priorities, unless the configuration says more.
const PROTECTED: Priority = Priority::LEAST;

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds::published()
    }
}
