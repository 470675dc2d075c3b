//! Version 1 of the rack's API: what goes over the wire.

use facts::supply::RedundancyClaim;
use facts::{Bytes, Identity, Moment, Power};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod ask;
mod drives;
mod people;
mod terms;

pub use ask::*;
pub use drives::*;
pub use people::*;
pub use terms::*;

/// The rack as one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RackView {
    /// The rack's name.
    pub rack: String,
    /// `observe`, `advise` or `enforce`.
    pub mode: String,
    /// Whether its hardware is simulated (`[rack] simulated = true`).
    pub simulated: bool,
    /// When this view was made.
    pub at: Moment,
    /// The journal's head: how many events it holds.
    pub journal_sequence: u64,
    /// Power domains.
    pub domains: Vec<DomainView>,
    /// Nodes.
    pub nodes: Vec<NodeView>,
    /// Claims in force.
    pub claims: Vec<ClaimView>,
    /// The last claims that others took the watts of, the latest last.
    #[serde(default)]
    pub preempted: Vec<PreemptedView>,
    /// How many claims others took the watts of, ever.
    #[serde(default)]
    pub preemptions: u64,
    /// What BMCs say and cannot be believed.
    pub doubts: Vec<DoubtView>,
    /// BMCs and how they answer.
    pub bmcs: Vec<BmcView>,
    /// The latest swap of each bay at which one was begun.
    #[serde(default)]
    pub swaps: Vec<SwapView>,
    /// Where the controller does not act now, because somebody said so.
    #[serde(default)]
    pub pauses: Vec<PauseView>,
}

/// The head of the rack's view: which rack this is and how it is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RackStatus {
    /// The rack's name.
    pub rack: String,
    /// The controller's version.
    pub version: String,
    /// `observe`, `advise` or `enforce`.
    pub mode: String,
    /// Whether its hardware is simulated.
    pub simulated: bool,
    /// When this was said.
    pub at: Moment,
    /// The journal's head: how many events it holds.
    pub journal_sequence: u64,
}

/// One power domain and its sums (power.md: words).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DomainView {
    /// Its name.
    pub name: String,
    /// `shelf`, `chassis`, `feed` or `budget`.
    pub source: String,
    /// The policy: `n`, `n+1`, `n+n` …
    pub redundancy: String,
    /// The BMC that shows its supplies; `None` where it has none.
    #[serde(default)]
    pub bmc: Option<String>,
    /// What its BMC claims.
    pub claimed: Vec<RedundancyClaim>,
    /// Σ rated of supplies in service.
    pub installed_watts: Power,
    /// Installed after the worst loss that the policy still covers.
    pub surviving_watts: Power,
    /// Kept back of surviving, in parts per million.
    pub margin_ppm: u32,
    /// Fans, switches, losses.
    pub fixed_load_watts: Power,
    /// What can be sold firm: surviving × (1 − margin) − fixed load.
    pub firm_watts: Power,
    /// What is promised firm.
    pub held_watts: Power,
    /// Firm watts that are still free.
    pub headroom_watts: Power,
    /// Watts by which the promises exceed what is kept; zero unless the state is deficit.
    pub deficit_watts: Power,
    /// Firm and revocable watts together that the domain rides through the next covered loss with; `None` where nothing revocable
    /// is sold.
    #[serde(default)]
    pub total_watts: Option<Power>,
    /// Revocable watts that claims ask for.
    #[serde(default)]
    pub revocable_asked_watts: Power,
    /// Revocable watts that claims have now.
    #[serde(default)]
    pub revocable_watts: Power,
    /// Why nothing revocable is sold now; `None` where it is.
    #[serde(default)]
    pub revocable_reason: Option<String>,
    /// Firm watts that lendable claims in it lend now; `None` where none is lendable.
    #[serde(default)]
    pub lent_watts: Option<Power>,
    /// What the domain draws now, where its BMC tells.
    pub drawn_watts: Option<Power>,
    /// How it is.
    pub state: DomainState,
    /// Since when.
    pub since: Moment,
    /// Its bays.
    pub bays: Vec<BayView>,
}

/// How a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    /// Promises survive the losses that the policy covers.
    Redundant,
    /// Promises stand, but the next loss is not covered.
    Exposed,
    /// Promises exceed what is there.
    Deficit,
    /// The supplies cannot be seen; nothing new is offered, firm promises stand.
    Blind,
}

impl DomainState {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            DomainState::Redundant => "redundant",
            DomainState::Exposed => "exposed",
            DomainState::Deficit => "deficit",
            DomainState::Blind => "blind",
        }
    }
}

/// Where a bay is in its life (house.md: the bay machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BayLife {
    /// Nothing has been seen of it yet, or its BMC cannot be reached since the start.
    Unseen,
    /// Nothing in it.
    Empty,
    /// Something was put in; contacts bounce.
    Settling,
    /// On trial.
    Probation,
    /// Counted.
    InService,
    /// Being emptied.
    Draining,
    /// May be pulled.
    ReadyToPull,
    /// Present and not usable; tried again later.
    Faulted,
    /// Given up until it is pulled.
    Condemned,
}

impl BayLife {
    /// The word, as people read it.
    pub const fn word(self) -> &'static str {
        match self {
            BayLife::Unseen => "unseen",
            BayLife::Empty => "empty",
            BayLife::Settling => "settling",
            BayLife::Probation => "probation",
            BayLife::InService => "in service",
            BayLife::Draining => "draining",
            BayLife::ReadyToPull => "ready to pull",
            BayLife::Faulted => "faulted",
            BayLife::Condemned => "condemned",
        }
    }
}

/// One bay and what is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BayView {
    /// Its place: `shelf/psu-3`.
    pub place: String,
    /// Its printed label: `PSU 4`.
    pub label: String,
    /// The feed it hangs from.
    pub feed: Option<String>,
    /// Where it is in its life.
    pub life: BayLife,
    /// Since when.
    pub since: Moment,
    /// Until when, where the state ends by itself.
    pub until: Option<Moment>,
    /// Why, where there is a reason to tell.
    pub reason: Option<String>,
    /// What is in it.
    pub part: Option<Identity>,
    /// What it can deliver.
    pub rated_watts: Option<Power>,
    /// What it delivers now.
    pub output_watts: Option<Power>,
    /// Whether its supply has input power; `None` where its BMC does not tell.
    #[serde(default)]
    pub input: Option<bool>,
    /// Whether its locate LED is lit; `None` where there is none.
    pub led: Option<bool>,
    /// Whether its BMC can be seen now.
    pub seen: bool,
    /// Whether it is empty because its supply went without a drain.
    #[serde(default)]
    pub lost: bool,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Height unit.
    pub unit: Option<u32>,
    /// The domain it draws from.
    pub domain: String,
    /// `ready`, `unreachable`, `powered_off` or `discovered` (seen by its BMC only).
    pub state: String,
    /// Where the facts come from: `agent`, `bmc` or `none`.
    pub facts_from: String,
    /// The agent's address, where it has one.
    pub agent: Option<String>,
    /// When the agent or the BMC last answered.
    pub last_seen: Option<Moment>,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// Packages.
    pub packages: Option<u32>,
    /// NUMA nodes.
    pub numa_nodes: Option<u32>,
    /// Cores.
    pub cores: Option<u32>,
    /// CPUs (hardware threads).
    pub cpus: Option<u32>,
    /// Memory.
    pub memory_bytes: Option<Bytes>,
    /// Drives.
    pub drives: Option<u32>,
    /// Their sizes summed.
    pub drive_bytes: Option<Bytes>,
    /// GPUs.
    pub gpus: Option<u32>,
    /// The most it can draw uncapped, as configured.
    pub max_draw_watts: Power,
    /// What it draws now, where its BMC tells.
    pub drawn_watts: Option<Power>,
    /// Firm watts that its claims hold.
    pub held_watts: Power,
    /// The limit in force at its BMC, read back.
    pub cap_watts: Option<Power>,
    /// How it stands to the caps that its agent holds for the rack; `None` where its agent holds none.
    #[serde(default)]
    pub lease: Option<NodeLease>,
    /// CPUs that workloads hold exclusively.
    pub exclusive_cpus: u32,
    /// Workloads: name, command, CPUs.
    pub workloads: Vec<NodeWorkload>,
}

/// How a node stands to the caps that its agent holds for the rack. Watts of the whole node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeLease {
    /// The cap that was ordered.
    pub cap_watts: Power,
    /// The caps that are armed for one, two … covered losses.
    pub levels: Vec<Power>,
    /// What its agent read back after it wrote; `None` where it did not tell.
    pub in_force_watts: Option<Power>,
    /// Whether the agent has answered this order and read it back.
    pub applied: bool,
    /// What the sums count it with: never less than what may be in force.
    pub counted_watts: Power,
    /// Since when its agent does not answer; `None` where it does.
    pub silent_since: Option<Moment>,
    /// Whether a drill has shown that its cap bites: the lowest cap that was held under load.
    pub proven_watts: Option<Power>,
    /// Why the cap is not in force, or not believed.
    pub reason: Option<String>,
}

/// One workload of a node, as the rack shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeWorkload {
    /// Its name.
    pub id: String,
    /// The command's first word.
    pub command: String,
    /// Its CPUs in the kernel's list format.
    pub cpus: String,
    /// Whether they are its alone.
    pub exclusive: bool,
}

/// How one BMC answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BmcView {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Whether it answers.
    pub up: bool,
    /// Why not.
    pub reason: Option<String>,
    /// When it last answered.
    pub last_success: Option<Moment>,
    /// Requests that wrote something, since the start (log-in and log-out apart).
    pub writes: u64,
}

/// One claim in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    /// Its id.
    pub id: String,
    /// What for.
    #[serde(rename = "for")]
    pub purpose: String,
    /// Firm watts.
    pub watts: Power,
    /// Revocable watts that it asked for beside them.
    #[serde(default)]
    pub revocable_watts: Power,
    /// Revocable watts that it has now: all that it asked for, or none.
    #[serde(default)]
    pub granted_watts: Power,
    /// The domain.
    pub domain: String,
    /// The node; `None` for a reservation.
    pub node: Option<String>,
    /// 1 (kept longest) to 9 (shed first).
    pub priority: u8,
    /// Whose quota it counts in.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Whether it only keeps watts free until it is applied: it grants no cap.
    #[serde(default)]
    pub reserved: bool,
    /// When it was admitted.
    pub since: Moment,
    /// When it ends unless it is renewed, or applied where it is reserved.
    #[serde(default)]
    pub until: Option<Moment>,
    /// Whether its firm watts cannot be served now, because not enough is installed.
    #[serde(default)]
    pub shed: bool,
    /// Claims whose watts it took, or would take.
    #[serde(default)]
    pub took: Vec<Taken>,
    /// Whether what its node leaves unused of them may be lent.
    #[serde(default)]
    pub lendable: bool,
    /// How that goes; `None` where it is not lendable, or nobody measures what its node draws.
    #[serde(default)]
    pub lending: Option<Lending>,
}

/// One event of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// Its number; the first is 1.
    pub sequence: u64,
    /// When.
    pub at: Moment,
    /// The kind in one word: `supply_lost`, `claim_admitted` …
    pub kind: String,
    /// What it is about: a bay, a claim, a node, a domain.
    pub subject: String,
    /// A sentence for people.
    pub message: String,
    /// Who asked for it, and why; `None` where it happened by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The event itself, as journaled.
    pub event: serde_json::Value,
}
