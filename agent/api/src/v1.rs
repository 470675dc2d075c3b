//! Version 1 of the agent's API: what goes over the wire.

mod act;
mod adopt;
mod ask;
mod batch;
mod interference;
mod lease;
mod near;
mod offer;
mod pooled;
mod proof;
mod vm;
mod word;

use facts::{Bytes, CpuSet, Moment, NumaSet, Power};
use intent::{Actuators, Generation, Priority, WorkloadId};
use serde::{Deserialize, Serialize};

pub use act::{
    CapRequest, Capped, CappedPart, Drained, Frozen, LONGEST_REASON, NodeDrain, NodeDrainRequest, PowerCap,
    Squeezed,
};
pub use adopt::{AdoptRequest, Adopted, Adoptee, MigrateRequest, Migrated};
pub use ask::{Ask, AskError, GpuWish, HugepageAsk, MOST_CPUS};
pub use batch::{
    BatchAnswer, BatchOffer, BatchRequest, Defrag, DefragRequest, MOST_ASKS, ProposedMove, Stays, Unplaced,
};
pub use interference::{
    Antagonist, EvidencePoint, Grade, Incident, Interference, InterferenceAct, InterferenceMode, Resource,
    Signal, SignalState,
};
pub use lease::{Head, Lease, LeaseEnd, LeaseInForce, LeaseView};
pub use near::{Near, NotNear};
pub use offer::{Offer, OfferedDrive, OfferedGpu, TopologyHint};
pub use pooled::{
    AttachedDrive, BayLed, DriveAccess, DriveAnswer, DriveOrder, DrivesView, EraseMethod, Erasure,
    ErasureState, FabricHost, PooledDrive,
};
pub use proof::{
    Control, Intruder, IntruderKind, LONGEST_WATCH, MemoryPlaces, NumaBytes, Proof, ProofRequest,
    SHORTEST_WATCH, Verdict, Witness,
};
pub use vm::{Vcpu, Vm, VmRequest};
pub use word::{CoreWish, NotAWord, Policy, Siblings, TopologyRule};

/// A request to run: the ask, and what will run (for people to read; the agent runs nothing by itself).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The ask.
    pub ask: Ask,
    /// The command's first word, shown to people; never its arguments, which may hold secrets.
    #[serde(default)]
    pub command: String,
    /// Whether who asks wants to bear the command in the workload's cgroups itself, and will say when it is there
    /// ([`EnteredRequest`]), instead of being moved into them. The answer tells whether that is so ([`Workload::awaits`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub enters: bool,
}

/// Says to an agent that awaits a workload's first process what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnteredRequest {
    /// Whether a child of who asked is in all of the workload's cgroups: the only process there, which waits for the answer. Where
    /// not, who asked is moved into them.
    pub born: bool,
}

/// One workload on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name, which is also its cgroup's.
    pub id: WorkloadId,
    /// The command's first word.
    pub command: String,
    /// The user who asked.
    pub uid: u32,
    /// The process that asked and was placed first.
    pub pid: u32,
    /// Where it may run.
    pub cpus: CpuSet,
    /// Where its memory comes from.
    pub numa_nodes: NumaSet,
    /// Whether the CPUs are its alone.
    pub exclusive: bool,
    /// The most memory.
    pub memory_bytes: Option<Bytes>,
    /// When it was placed.
    pub since: Moment,
    /// Its cgroup directories.
    pub cgroups: Vec<String>,
    /// What exclusivity means on this kernel, read back: `partition`, `among_busbar` or `none`.
    pub exclusivity: Exclusivity,
    /// What the agent did to bring it about, a line a step.
    pub steps: Vec<String>,
    /// Whether all of its processes stand still (`busbar freeze`). Agents before this field froze nothing.
    #[serde(default)]
    pub frozen: bool,
    /// How long it is kept when something runs short, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Whether it is squeezed before everybody who is not, whatever its priority.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revocable: bool,
    /// Power that is promised to it and its devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<Power>,
    /// What it gives up for the cap of power in force; `None` where nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squeezed: Option<Squeezed>,
    /// Why nobody counts its memory traffic (resctrl) though that is wished; none where somebody does, or nobody wishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<String>,
    /// To how much CPU time the interference loop holds it back for now, in thousandths of a CPU; none where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_to_millicpus: Option<u32>,
    /// Its virtual CPUs, where it is a virtual machine (`busbar run --vm`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<Vm>,
    /// Whether it was started by somebody else, and adopted.
    #[serde(default)]
    pub adopted: bool,
    /// The file that tells containers of its GPUs (CDI), where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdi: Option<String>,
    /// By what it is held back for now, by the interference loop; `None` where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Grade>,
    /// Its cgroups are made and read back, and nobody is in them yet: who asked has some seconds to bear a process there and to
    /// say so ([`EnteredRequest`]), or it is undone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub awaits: bool,
    /// Whose its cgroup is, where somebody else makes and writes it, and what that one calls it: a container's runtime (NRI), systemd
    /// or Podman that were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How exclusive an exclusive CPU is on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusivity {
    /// A cgroup v2 cpuset partition, read back as valid: the scheduler keeps every other task off.
    Partition,
    /// No other workload of Busbar runs there; host processes may (cgroup v1, or a partition that the kernel refused).
    AmongBusbar,
    /// CPUs are shared.
    None,
}

/// Which cgroups the host offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupStatus {
    /// `unified` (v2), `hybrid` (v2 without the needed controllers, beside v1), `legacy` (v1) or `none`.
    pub mode: String,
    /// Controllers that can be used: name and mount point.
    pub controllers: Vec<(String, String)>,
    /// What an exclusive CPU means here.
    pub exclusivity: Exclusivity,
    /// Why it is no better than that; empty where it is a partition.
    pub why: String,
}

/// How the agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The agent's version.
    pub version: String,
    /// This run of the agent.
    pub agent_run_id: String,
    /// This boot of the node (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// The modes in force.
    pub actuators: Actuators,
    /// The intent in force.
    pub generation: Generation,
    /// Whether the host is as the intent says: no step is outstanding.
    pub converged: bool,
    /// The cgroups.
    pub cgroup: CgroupStatus,
    /// CPUs kept for the host and never lent.
    pub reserved_cpus: CpuSet,
    /// CPUs that every workload without exclusive ones shares.
    pub shared_cpus: CpuSet,
    /// When this run began.
    pub started_at: Moment,
    /// Since when and why it takes no new workloads; `None` where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<Drained>,
    /// The cap of power in force; `None` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_cap: Option<PowerCap>,
    /// The lease of power by which that cap is in force; `None` where no rack holds the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseInForce>,
}

/// What would change on the host now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The intent that the steps lead to.
    pub generation: Generation,
    /// The steps, in the order in which they would be done; none left means converged.
    pub steps: Vec<PlannedStep>,
}

/// One outstanding step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// `release`, `shape` or `grant`: shrink first, build, then grow.
    pub phase: String,
    /// The step as a person reads it.
    pub text: String,
}

/// Something that happened on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEvent {
    /// When.
    pub at: Moment,
    /// The kind in one word: `workload_started`, `workload_ended`, `part_appeared`, `part_vanished`, `source_down`, `source_up` …
    pub kind: String,
    /// A sentence for people.
    pub message: String,
}

/// What came of ending a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub id: WorkloadId,
    /// What was undone, a line a step.
    pub undone: Vec<String>,
}

/// The longest grace of a stop, in milliseconds: an order holds a connection for so long.
pub const LONGEST_GRACE: u32 = 600_000;

/// A request to end everything that runs in a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// How long it may take to end by itself after SIGTERM, in milliseconds, [`LONGEST_GRACE`] at most; then comes SIGKILL.
    pub grace_milliseconds: u32,
}

/// What came of stopping a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Which.
    pub id: WorkloadId,
    /// How many processes were sent SIGTERM.
    pub asked: usize,
    /// How many were sent SIGKILL after the grace.
    pub killed: usize,
    /// Whether it is a virtual machine: then its guest was asked to power down in the place of SIGTERM.
    #[serde(default)]
    pub powered_down: bool,
}

/// An error as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// `bad_request`, `unauthorized`, `refused`, `not_found`, `conflict`, `shortfall`, `busy` or `internal`.
    pub code: String,
    /// A sentence that says what went wrong and what was expected.
    pub message: String,
}
