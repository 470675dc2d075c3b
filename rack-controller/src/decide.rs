//! The rack, an input and the time become events, or a refusal for the one who asked. Pure: nothing changes here.

mod acted;
mod ask;
mod clock;
mod drain;
mod drill;
mod drives;
mod known;
mod lend;
mod pause;
mod preempt;
mod seen;
mod settle;
mod swap;
mod switch;
mod want;

use facts::supply::Supplies;
use facts::{Moment, NoData};
use rack_api::v1::{
    AckRequest, Asked, DrainAnswer, DrainRequest, DriveShort, LocateRequest, PauseRequest, PowerAsk,
    Shortfall, SwapRequest,
};

pub use ask::{admitted, preview};
pub use drain::drain_answer;
pub use drives::{DrivesInput, find as find_drive, preview as preview_drives};
pub use swap::swap_answer;
pub use switch::power_on_answer;
pub use want::want;

use crate::claim::ClaimId;
use crate::rack::event::{Action, Event, NodeSeen, Outcome, What};
use crate::rack::order::LeaseSight;
use crate::rack::sight::{AgentFacts, BmcFacts, NodeSide};
use crate::rack::state::Rack;

/// Everything that can come to a rack.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// This controller started; the first input after the journal was replayed.
    Started {
        /// Its version.
        version: String,
    },
    /// The controller's machine told which boot of it this is, and how long ago that was; before [`Input::Started`].
    ClockFound {
        /// The boot.
        boot_id: String,
        /// Milliseconds since it.
        boot_millis: u64,
    },
    /// A BMC said everything about its supplies.
    SuppliesSeen {
        /// Its name.
        bmc: String,
        /// What it said.
        supplies: Supplies,
        /// When it was read.
        read_at: Moment,
    },
    /// A BMC could not be read.
    BmcSilent {
        /// Its name.
        bmc: String,
        /// Why.
        reason: NoData,
        /// The error in words.
        detail: String,
    },
    /// A node's agent said what it is.
    AgentSeen {
        /// The node.
        node: String,
        /// What it said.
        facts: Box<AgentFacts>,
    },
    /// A node's BMC said how it is.
    NodeBmcSeen {
        /// The node.
        node: String,
        /// What it said.
        facts: Box<BmcFacts>,
    },
    /// A node's agent or BMC could not be read.
    NodeSilent {
        /// The node.
        node: String,
        /// Which of them.
        side: NodeSide,
        /// Why, in words.
        reason: String,
    },
    /// Somebody asks for watts.
    ClaimPower {
        /// The ask.
        ask: PowerAsk,
        /// The idempotency key: the same one gets the same answer.
        key: Option<String>,
    },
    /// Somebody gives a claim back.
    ReleaseClaim {
        /// Its id or its name.
        claim: String,
    },
    /// A claim is taken back whose asker does not know of it: the journal did not take it in time.
    WithdrawClaim(ClaimId),
    /// Somebody turns a reservation into a claim.
    ApplyClaim {
        /// Its id or its name.
        claim: String,
    },
    /// Somebody wants a claim to stand for its time again.
    RenewClaim {
        /// Its id or its name.
        claim: String,
    },
    /// Somebody wants a node switched on.
    PowerOn {
        /// The node.
        node: String,
    },
    /// Somebody wants to know whether a node's cap bites.
    Calibrate {
        /// The node.
        node: String,
    },
    /// A node's agent said how it stands to its caps.
    LeaseSeen {
        /// The node.
        node: String,
        /// What it said.
        seen: LeaseSight,
    },
    /// Somebody wants to empty a bay.
    Drain(DrainRequest),
    /// Somebody wants a bay's LED lit or out.
    Locate(LocateRequest),
    /// Somebody wants to swap a bay's part.
    Swap(SwapRequest),
    /// Somebody knows of a doubt.
    Acknowledge {
        /// What they say.
        request: AckRequest,
        /// What the doubt says now; `None` where there is no such doubt.
        message: Option<String>,
    },
    /// Somebody wants that nothing is done for a while, or that it goes on.
    Pause(PauseRequest),
    /// An action was tried.
    ActionDone {
        /// Which.
        action: Action,
        /// What came of it.
        outcome: Outcome,
    },
    /// Something about drives.
    Drives(DrivesInput),
    /// Time went by.
    Tick,
}

/// Why nothing was done for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The ask makes no sense: what was found and what was expected.
    #[error("{0}")]
    BadRequest(String),
    /// It names something that is not there.
    #[error("{0}")]
    NotFound(String),
    /// It contradicts what is in force.
    #[error("{0}")]
    Conflict(String),
    /// There are not enough watts.
    #[error("{message}")]
    Shortfall {
        /// The numbers, and what would make it fit.
        shortfall: Box<Shortfall>,
        /// The sentence.
        message: String,
    },
    /// There are not enough drives that would do.
    #[error("{message}")]
    DriveShort {
        /// The numbers, and what would make it fit.
        short: Box<DriveShort>,
        /// The sentence.
        message: String,
    },
    /// The interlock says no, or wants to be asked with `exposed`.
    #[error("{}", .0.sentence)]
    Interlock(Box<DrainAnswer>),
    /// There are too many of them.
    #[error("{0}")]
    Busy(String),
}

impl Refusal {
    /// The code of the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::BadRequest(_) => "bad_request",
            Refusal::NotFound(_) => "not_found",
            Refusal::Conflict(_) => "conflict",
            Refusal::Shortfall { .. } | Refusal::DriveShort { .. } => "shortfall",
            Refusal::Interlock(_) => "refused",
            Refusal::Busy(_) => "busy",
        }
    }
}

/// The event of something that is seen again as it was: only the moment at which it was seen last is new, and nothing follows from it.
/// `None` where it is news, and [`decide`] is to be asked.
pub fn seen_again(rack: &Rack, input: &Input, now: Moment) -> Option<Event> {
    if let Input::Drives(input) = input {
        return drives::seen_again(rack, input, now).map(|what| Event::new(now, what));
    }
    let Input::AgentSeen { node, facts } = input else {
        return None;
    };
    let before = rack.sight.nodes.get(node)?;
    let is_same = before.agent.as_ref() == Some(&**facts) && rack.kept.ready_nodes.contains(node);
    is_same.then(|| {
        let seen = Box::new(NodeSeen::Agent((**facts).clone()));
        let node = node.clone();
        Event::new(now, What::NodeSeen { node, seen })
    })
}

/// What happens to the rack because of one input. Apply the events in their order with [`evolve`](crate::rack::evolve()).
///
/// # Errors
/// Only inputs from people are refused: claims and what becomes of them, drains, drills, locates.
pub fn decide(rack: &Rack, input: &Input, now: Moment) -> Result<Vec<Event>, Refusal> {
    decide_for(rack, input, now, None)
}

/// As [`decide`], with who asked and why in each event that does what was asked.
///
/// # Errors
/// As of [`decide`].
pub fn decide_for(
    rack: &Rack,
    input: &Input,
    now: Moment,
    asked: Option<&Asked>,
) -> Result<Vec<Event>, Refusal> {
    let mut next = settle::Course::new(rack, now, asked.cloned());
    happen(&mut next, input)?;
    next.pass_time();
    Ok(next.into_events())
}

/// What happens because of inputs that were there at one moment, in their order: caps follow from all of them together. After a loss all
/// agents answer at once, and what follows from each alone would be as much work for each as there are nodes.
///
/// # Errors
/// As [`decide`]; then nothing of all of it happens.
pub fn decide_all(rack: &Rack, inputs: &[Input], now: Moment) -> Result<Vec<Event>, Refusal> {
    let mut next = settle::Course::new(rack, now, None);
    for input in inputs {
        happen(&mut next, input)?;
    }
    next.pass_time();
    Ok(next.into_events())
}

fn happen(next: &mut settle::Course<'_>, input: &Input) -> Result<(), Refusal> {
    match input {
        Input::Started { version } => next.happen(What::Started {
            version: version.clone(),
        }),
        Input::ClockFound { boot_id, boot_millis } => clock::found(next, boot_id, *boot_millis),
        Input::SuppliesSeen {
            bmc,
            supplies,
            read_at,
        } => seen::supplies(next, bmc, supplies, *read_at),
        Input::BmcSilent { bmc, reason, detail } => seen::silent(next, bmc, *reason, detail),
        Input::AgentSeen { node, facts } => seen::agent(next, node, facts),
        Input::NodeBmcSeen { node, facts } => seen::node_bmc(next, node, facts),
        Input::NodeSilent { node, side, reason } => seen::node_silent(next, node, *side, reason),
        Input::ClaimPower { ask, key } => ask::claim(next, ask, key.as_deref())?,
        Input::ReleaseClaim { claim } => ask::release(next, claim)?,
        Input::WithdrawClaim(claim) => ask::withdraw(next, *claim),
        Input::ApplyClaim { claim } => ask::apply(next, claim)?,
        Input::RenewClaim { claim } => ask::renew(next, claim)?,
        Input::PowerOn { node } => switch::ask_on(next, node)?,
        Input::Calibrate { node } => drill::begin(next, node)?,
        Input::LeaseSeen { node, seen } => seen::lease(next, node, seen),
        Input::Drain(request) => drain::drain(next, request)?,
        Input::Locate(request) => drain::locate(next, request)?,
        Input::Swap(request) => swap::swap(next, request)?,
        Input::Acknowledge { request, message } => known::acknowledge(next, request, message.as_deref())?,
        Input::Pause(request) => pause::pause(next, request)?,
        Input::ActionDone { action, outcome } => acted::done(next, action, outcome),
        Input::Drives(input) => drives::happen(next, input)?,
        Input::Tick => {}
    }
    Ok(())
}
