//! Interference: whether a workload suffers more than it used to, who uses what when it does, and what was done about it.

use facts::Moment;
use intent::{Priority, WorkloadId};
use serde::{Deserialize, Serialize};

/// What it is seen by that a workload suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Cycles per instruction (perf): caches and memory bandwidth that others use up make it grow.
    CyclesPerInstruction,
    /// Share of the window in which some of its tasks waited for a CPU (`cpu.pressure`, `some`).
    Pressure,
    /// Share of their runnable time in which its tasks waited for a CPU (`/proc/PID/task/TID/schedstat`); where there is no
    /// `cpu.pressure`.
    RunDelay,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 3] = [Signal::CyclesPerInstruction, Signal::Pressure, Signal::RunDelay];

    /// The word, as in JSON and on the page of metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Signal::CyclesPerInstruction => "cycles_per_instruction",
            Signal::Pressure => "pressure",
            Signal::RunDelay => "run_delay",
        }
    }
}

/// What of a neighbour goes with the victim's suffering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// CPU time.
    CpuTime,
    /// Traffic between the last-level cache and memory (resctrl `mbm_total_bytes`).
    MemoryBandwidth,
}

impl Resource {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Resource::CpuTime => "cpu_time",
            Resource::MemoryBandwidth => "memory_bandwidth",
        }
    }
}

/// What can be done about an antagonist, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// A smaller share of the last-level cache and of memory bandwidth (resctrl).
    Cache,
    /// Less CPU time (`cpu.max`).
    CpuMax,
    /// Another last-level cache or NUMA node.
    Move,
    /// It stands still.
    Freeze,
}

impl Grade {
    /// All, the mildest first.
    pub const ALL: [Grade; 4] = [Grade::Cache, Grade::CpuMax, Grade::Move, Grade::Freeze];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Grade::Cache => "cache",
            Grade::CpuMax => "cpu_max",
            Grade::Move => "move",
            Grade::Freeze => "freeze",
        }
    }
}

/// What the loop may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterferenceMode {
    /// Nothing is read.
    #[default]
    Off,
    /// It watches and tells.
    Advise,
    /// It also holds antagonists back, for a time.
    Act,
}

impl InterferenceMode {
    /// All of them.
    pub const ALL: [InterferenceMode; 3] = [
        InterferenceMode::Off,
        InterferenceMode::Advise,
        InterferenceMode::Act,
    ];

    /// The word, as in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            InterferenceMode::Off => "off",
            InterferenceMode::Advise => "advise",
            InterferenceMode::Act => "act",
        }
    }
}

/// One signal of one workload, and what is usual for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalState {
    /// Which.
    pub signal: Signal,
    /// In the last window that said something.
    pub value: Option<f64>,
    /// Mean of its own history.
    pub mean: f64,
    /// Standard deviation of its own history, never less than what is noise for this signal.
    pub deviation: f64,
    /// Above this a window is an outlier.
    pub threshold: f64,
    /// How many windows the history holds.
    pub windows: u32,
    /// From how many on it is judged.
    pub judged_from: u32,
    /// How many of the last `of` windows were outliers.
    pub outliers: u32,
    /// See `outliers`.
    pub of: u32,
    /// Whether that are so many that it counts as suffering.
    pub suffering: bool,
}

/// One window of the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidencePoint {
    /// When the window ended.
    pub at: Moment,
    /// The victim's signal; none where too little ran to tell.
    pub signal: Option<f64>,
    /// What the antagonist used: CPUs, or bytes a second.
    pub used: f64,
}

/// A neighbour whose use goes with the victim's suffering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Antagonist {
    /// Which workload.
    pub id: WorkloadId,
    /// What of it.
    pub resource: Resource,
    /// How well it goes together, -1 to 1, as CPI² counts it.
    pub score: f64,
    /// Its priority.
    pub priority: Priority,
    /// Why it may not be held back; empty where it may.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub untouchable: String,
    /// The windows that say so, the oldest first.
    pub evidence: Vec<EvidencePoint>,
}

/// What was done about an antagonist, or would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterferenceAct {
    /// What.
    pub grade: Grade,
    /// About whom.
    pub antagonist: WorkloadId,
    /// Since when.
    pub since: Moment,
    /// When it ends by itself.
    pub until: Moment,
    /// Whether it was done; else it is advice.
    pub done: bool,
    /// When it was undone; none while it lasts, and for advice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Moment>,
    /// Whether the victim suffered no more when it was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helped: Option<bool>,
    /// What came of it, a sentence.
    pub message: String,
}

/// The last time that somebody was named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// When.
    pub at: Moment,
    /// By which signal.
    pub signal: Signal,
    /// What the signal was.
    pub value: f64,
    /// What it is usually at most.
    pub threshold: f64,
    /// Who, the likeliest first.
    pub antagonists: Vec<Antagonist>,
    /// When it was over; none while it lasts.
    pub over: Option<Moment>,
    /// What was done, the latest last.
    pub acts: Vec<InterferenceAct>,
}

/// What the loop knows of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interference {
    /// Whose.
    pub id: WorkloadId,
    /// What the loop may do.
    pub mode: InterferenceMode,
    /// When the last window ended.
    pub at: Moment,
    /// How long a window is, in seconds.
    pub window_seconds: u64,
    /// Whether it is watched as a victim; why not stands in `because`.
    pub protected: bool,
    /// Why it is not judged, or not yet; empty where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// What it is seen by.
    pub signals: Vec<SignalState>,
    /// How many times somebody was named on its behalf, in this run of the agent.
    pub incidents: u64,
    /// The last one.
    pub last: Option<Incident>,
}
