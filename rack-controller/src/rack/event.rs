//! What can happen to a rack, and what can be done to it: plain data.

use facts::supply::{Doubt, RedundancyClaim};
use facts::{Moment, NoData, Power};
use rack_api::v1::{Asked, DomainState, PowerAsk};
use serde::{Deserialize, Serialize};

mod clock;
mod drives;
mod read;
mod terms;

pub use super::action::{Action, Outcome};
pub use super::change::{BayChange, Cause, Effect};
pub use clock::ClockFound;
pub use drives::{DriveBayChange, DriveCause, DriveChange, DriveClaimChange, DriveClaimTurn, DrivesSeen};
pub use terms::{LendingChange, LendingTurn, Preemption};

use super::order::{LeaseSight, NodeOrder};
use super::person::{Known, Pause, Scope, SwapChange};
use super::sight::{AgentFacts, BaySight, BmcFacts, Drill, NodeSide};
use super::state::Proof;
use super::switch::SwitchChange;
use crate::claim::{Claim, ClaimId};

/// Something that happened, and when. How it is read stands in `event/read.rs`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// Who asked for it, and why; `None` where it happened by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum What {
    /// This controller started: nothing is seen any more, everything that was promised stands.
    Started {
        /// Its version.
        version: String,
    },
    /// How the wall's clock stood at a start.
    ClockFound(ClockFound),
    /// A BMC does not answer any more.
    BmcSilent {
        /// Which.
        bmc: String,
        /// Why.
        reason: NoData,
        /// The error in words.
        detail: String,
    },
    /// A BMC answers again, or for the first time since the start.
    BmcAnswered {
        /// Which.
        bmc: String,
    },
    /// A bay's life went on.
    BayChanged(Box<BayChange>),
    /// A domain's state changed.
    DomainChanged {
        /// Which.
        domain: String,
        /// How it was.
        from: DomainState,
        /// How it is.
        to: DomainState,
        /// Σ rated of supplies in service.
        installed: Power,
        /// What is promised firm.
        held: Power,
        /// By how much the promises exceed what is there.
        deficit: Power,
    },
    /// Watts were promised.
    ClaimAdmitted {
        /// The claim.
        claim: Claim,
        /// The ask.
        ask: PowerAsk,
        /// The ask's idempotency key.
        key: Option<String>,
        /// Firm watts that are free now.
        headroom: Power,
    },
    /// A promise was given back.
    ClaimReleased {
        /// The claim.
        claim: Claim,
        /// Firm watts that are free now.
        headroom: Power,
    },
    /// Somebody wants a bay's LED lit.
    Located {
        /// The bay.
        place: String,
        /// Its label.
        label: String,
        /// Until when.
        until: Moment,
    },
    /// Nobody wants a bay's LED lit any more.
    LocateEnded {
        /// The bay.
        place: String,
        /// Its label.
        label: String,
    },
    /// A bay's LED was lit or put out by us, and read back.
    LedSet {
        /// The bay.
        place: String,
        /// Its label.
        label: String,
        /// Lit or out.
        on: bool,
    },
    /// A node's limit was set at its BMC by us, and read back.
    CapSet {
        /// The node.
        node: String,
        /// The limit.
        watts: Power,
    },
    /// An action did not do what was wanted; journaled for the first of several tries.
    ActionFailed {
        /// The action.
        action: Action,
        /// Why.
        reason: String,
    },
    /// A reservation became a claim: its node may draw its watts.
    ClaimApplied {
        /// The claim, as it is now.
        claim: Claim,
    },
    /// A claim stands for longer.
    ClaimRenewed {
        /// The claim, as it is now.
        claim: Claim,
    },
    /// A claim's time was over.
    ClaimExpired {
        /// The claim.
        claim: Claim,
        /// Firm watts that are free now.
        headroom: Power,
    },
    /// A promise was taken back before its asker had it: the journal could not be written in time.
    ClaimWithdrawn {
        /// The claim.
        claim: Claim,
        /// Firm watts that are free now.
        headroom: Power,
    },
    /// A claim ended because one of higher priority took its watts.
    ClaimPreempted(Box<Preemption>),
    /// A preempted claim stands again: the one that took its watts was withdrawn.
    ClaimRestored {
        /// The claim.
        claim: Claim,
        /// Firm watts that are free now.
        headroom: Power,
    },
    /// What is lent of a node's unused firm watts changed.
    Lending(Box<LendingChange>),
    /// Other caps for nodes whose agents hold them.
    CapsOrdered {
        /// The orders that are new.
        orders: Vec<NodeOrder>,
        /// Every claim that has its revocable watts now.
        granted: Vec<ClaimId>,
        /// Every claim whose firm watts cannot be served now.
        shed: Vec<ClaimId>,
        /// Revocable watts that were given by this, and taken back.
        given: Power,
        /// Revocable watts that were taken back.
        taken: Power,
    },
    /// Lowering a node took longer than any within the last hour: revocable watts are only lent where a loss is answered in time.
    LoweringTimed {
        /// The node.
        node: String,
        /// From the order to the agent's answer, in milliseconds.
        took_millis: u64,
    },
    /// A drill showed that a node's cap bites.
    CapProven {
        /// The node.
        node: String,
        /// What was seen.
        proof: Proof,
    },
    /// A drill ended before it could show anything: what was known of the node's cap stands.
    DrillShowedNothing {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// A node's cap is not believed any more.
    CapDoubted {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// A node's agent answers.
    NodeReady {
        /// The node.
        node: String,
    },
    /// A node's agent does not answer any more.
    NodeUnreachable {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// The swap of a bay's part went on.
    SwapChanged(Box<SwapChange>),
    /// The switching of a node went on.
    SwitchChanged(Box<SwitchChange>),
    /// Somebody knows of a doubt.
    DoubtKnown(Known),
    /// An acknowledgement was taken back.
    DoubtUnknown {
        /// The doubt's name.
        id: String,
    },
    /// The controller shall not act.
    Paused(Pause),
    /// It acts again.
    Resumed {
        /// Where.
        place: Scope,
        /// Whether the pause's time was over; else somebody asked.
        expired: bool,
    },
    /// A pooled drive's life went on.
    DriveChanged(Box<DriveChange>),
    /// A claim of drives went on.
    DriveClaimChanged(Box<DriveClaimChange>),
    /// Somebody empties a bay for a drive, or that is over.
    DriveBayChanged(Box<DriveBayChange>),
    /// What a node's agent says of drives. Not journaled.
    #[serde(skip)]
    DrivesSeen(DrivesSeen),
    /// What a BMC says of its supplies. Not journaled.
    #[serde(skip)]
    SuppliesSeen(Box<SuppliesSeen>),
    /// What a node's agent or BMC says. Not journaled.
    #[serde(skip)]
    NodeSeen {
        /// The node.
        node: String,
        /// What.
        seen: Box<NodeSeen>,
    },
    /// Lowered caps that could not be journaled: they were sent, and stand all the same. Not journaled.
    #[serde(skip)]
    CapsLowered {
        /// The orders.
        orders: Vec<NodeOrder>,
    },
    /// How a drill goes on; `None` when it is over. Not journaled: a restart ends it.
    #[serde(skip)]
    DrillSeen(Option<Drill>),
    /// Since when a node draws more than its cap. Not journaled.
    #[serde(skip)]
    OverSeen {
        /// The node.
        node: String,
        /// Since when; `None` when it does not any more.
        since: Option<Moment>,
    },
    /// What a node's agent says of its caps. Not journaled.
    #[serde(skip)]
    LeaseSeen {
        /// The node.
        node: String,
        /// What it says.
        seen: LeaseSight,
    },
    /// What came of an action. Not journaled.
    #[serde(skip)]
    ActionTried {
        /// The action.
        action: Action,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What a BMC says of its supplies, as the sight keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct SuppliesSeen {
    /// The BMC.
    pub bmc: String,
    /// When it was read.
    pub read_at: Moment,
    /// Bays by place.
    pub bays: Vec<(String, BaySight)>,
    /// Domains by name: what is claimed of redundancy, what is drawn.
    pub domains: Vec<(String, Vec<RedundancyClaim>, Option<Power>)>,
    /// What cannot be believed as it stands.
    pub doubts: Vec<Doubt>,
}

/// What a node's agent or BMC says, or that it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeSeen {
    /// Its agent.
    Agent(AgentFacts),
    /// Its BMC.
    Bmc(BmcFacts),
    /// Nothing, and why.
    Silent(NodeSide, String),
}

impl Event {
    /// An event.
    pub const fn new(at: Moment, what: What) -> Event {
        Event {
            at,
            asked: None,
            what,
        }
    }

    /// Whether it belongs in the journal. What is only seen is observed again after a start.
    pub const fn is_journaled(&self) -> bool {
        !matches!(
            self.what,
            What::SuppliesSeen(_)
                | What::NodeSeen { .. }
                | What::CapsLowered { .. }
                | What::DrillSeen(_)
                | What::OverSeen { .. }
                | What::LeaseSeen { .. }
                | What::DrivesSeen(_)
                | What::ActionTried { .. }
        )
    }
}
