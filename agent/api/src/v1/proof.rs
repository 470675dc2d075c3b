//! A proof: who really ran on a workload's CPUs while somebody watched, and where its memory lies.

use facts::{Bytes, CpuSet, Moment, NumaNodeId};
use intent::WorkloadId;
use serde::{Deserialize, Serialize};

/// The longest that one proof watches, in milliseconds: it holds a thread and, with perf, a buffer for each CPU.
pub const LONGEST_WATCH: u32 = 60_000;
/// The shortest: the kernel's clock tick must have come several times.
pub const SHORTEST_WATCH: u32 = 100;

/// A request to prove: watch now, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRequest {
    /// For how long, in milliseconds: [`SHORTEST_WATCH`] to [`LONGEST_WATCH`].
    pub for_milliseconds: u32,
}

/// What came of watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody else ran there.
    Proven,
    /// Nobody else ran there but what no setting keeps away: kernel threads and interrupts that belong to these CPUs.
    ProvenButKernel,
    /// Somebody else ran there, or it could not be seen that nobody did; `because` says which.
    NotProven,
    /// The workload shares its CPUs: there is nothing exclusive to prove. Everything else is told all the same.
    Shared,
}

impl Verdict {
    /// Whether the CPUs were the holder's alone.
    pub const fn holds(self) -> bool {
        matches!(self, Verdict::Proven | Verdict::ProvenButKernel)
    }
}

/// How it was seen who ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// Every context switch on these CPUs was recorded (perf_event_open(2), `PERF_RECORD_SWITCH_CPU_WIDE`).
    ContextSwitches,
    /// The run times of all tasks were read again and again: a visit between two readings by a task that has moved on or ended
    /// is missed.
    Polled,
}

/// What kind of thing ran there that is not the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntruderKind {
    /// A kernel thread bound to one of these CPUs: every CPU has its own, and they cannot be moved.
    KernelBound,
    /// A kernel thread that may run elsewhere.
    KernelMovable,
    /// A process of the host.
    HostProcess,
    /// A process of another workload of Busbar's.
    Workload,
    /// A device's interrupt that may be served elsewhere.
    Interrupt,
    /// An interrupt that belongs to these CPUs: the kernel's own (timer, calls between CPUs), or a device's whose affinity
    /// names none but these CPUs.
    InterruptBound,
}

impl IntruderKind {
    /// All of them.
    pub const ALL: [IntruderKind; 6] = [
        IntruderKind::KernelBound,
        IntruderKind::KernelMovable,
        IntruderKind::HostProcess,
        IntruderKind::Workload,
        IntruderKind::Interrupt,
        IntruderKind::InterruptBound,
    ];

    /// The word, as in JSON and on the page of metrics.
    pub const fn word(self) -> &'static str {
        match self {
            IntruderKind::KernelBound => "kernel_bound",
            IntruderKind::KernelMovable => "kernel_movable",
            IntruderKind::HostProcess => "host_process",
            IntruderKind::Workload => "workload",
            IntruderKind::Interrupt => "interrupt",
            IntruderKind::InterruptBound => "interrupt_bound",
        }
    }

    /// Whether no setting of the host keeps it away.
    pub const fn is_unavoidable(self) -> bool {
        matches!(self, IntruderKind::KernelBound | IntruderKind::InterruptBound)
    }
}

/// Somebody else who was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intruder {
    /// What it is.
    pub kind: IntruderKind,
    /// The task's name (`comm`), or the interrupt's.
    pub name: String,
    /// The thread's number; none of an interrupt.
    pub tid: Option<u32>,
    /// Its process.
    pub pid: Option<u32>,
    /// Its cgroup in the hierarchy of the cpuset controller; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cgroup: String,
    /// The CPUs of the workload on which it was seen.
    pub cpus: CpuSet,
    /// How long it ran there, in microseconds; none of an interrupt. When polled: how long it ran in all, at most there.
    pub run_microseconds: Option<u64>,
    /// How many times an interrupt came.
    pub times: Option<u64>,
    /// What would keep it away; empty where nothing does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// One kernel file that was read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The file.
    pub file: String,
    /// What it says.
    pub says: String,
    /// What is wrong with that, and what to do; empty where nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

/// Where the memory of a workload lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPlaces {
    /// Which file said so.
    pub source: String,
    /// The memory on each NUMA node that has some.
    pub numa_nodes: Vec<NumaBytes>,
    /// The part of it that lies on other NUMA nodes than the workload's.
    pub foreign_bytes: Bytes,
    /// All of it.
    pub total_bytes: Bytes,
}

/// Memory on one NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaBytes {
    /// The NUMA node.
    pub numa_node: NumaNodeId,
    /// How much.
    pub bytes: Bytes,
}

/// A proof that a workload's CPUs were its own, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Whose.
    pub id: WorkloadId,
    /// When the watching ended.
    pub at: Moment,
    /// How long was watched, in milliseconds.
    pub watched_milliseconds: u64,
    /// The CPUs that were watched.
    pub cpus: CpuSet,
    /// What came of it.
    pub verdict: Verdict,
    /// Why it is no better, a sentence each.
    pub because: Vec<String>,
    /// Whether the kernel keeps others off these CPUs by itself (a valid partition); if not, the proof holds for the time that
    /// was watched and for no other.
    pub is_enforced: bool,
    /// How it was seen.
    pub witness: Witness,
    /// The kernel's files as they were read back.
    pub controls: Vec<Control>,
    /// Steps between the host and the intent for this workload; none means that every controller is as it shall be.
    pub outstanding: Vec<String>,
    /// Who else was there and could be kept away, the longest first.
    pub intruders: Vec<Intruder>,
    /// Who else was there and cannot be kept away.
    pub unavoidable: Vec<Intruder>,
    /// How many more there were that do not stand in these lists.
    pub left_out: u32,
    /// Where the memory lies; none where the kernel does not tell.
    pub memory: Option<MemoryPlaces>,
}
