//! Who asks, and what people do with a rack beside claiming: swaps, doubts that they know, pauses.

use facts::supply::Doubt;
use facts::{Identity, Moment, Power};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Interlock;

/// Who asked for a change and why, as they say themselves: a token proves that somebody may ask, not who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Who, as in `anna@ws1`; `None` where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why; `None` where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A request to swap the part of a bay, to go on with a swap, or to give one up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapRequest {
    /// The bay.
    pub place: String,
    /// Only say what the answer would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Go on although redundancy is not kept meanwhile.
    #[serde(default)]
    pub exposed: bool,
    /// Go on although promises are broken (for smoke); needs a reason.
    #[serde(default)]
    pub force: bool,
    /// Take the part that was stopped as the wrong one.
    #[serde(default)]
    pub accept_part: bool,
    /// Give the swap up: a part that is still in its bay goes back to service.
    #[serde(default)]
    pub cancel: bool,
}

/// What a swap request is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapAnswer {
    /// Whether the swap goes on; else the interlock said no, or wants to be asked with `exposed`.
    pub goes_on: bool,
    /// What the interlock says.
    pub answer: Interlock,
    /// The whole sentence, with the numbers.
    pub sentence: String,
    /// Claims whose release would help, where the answer is not yes.
    pub would_help: Vec<String>,
    /// The swap as it stands; `None` where none was begun.
    pub swap: Option<SwapView>,
}

/// The steps of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapStep {
    /// The supply is taken out of the sums, and its bay is lit.
    Draining,
    /// It may be pulled now.
    Pull,
    /// The bay is empty and waits for the new part.
    Insert,
    /// Contacts bounce.
    Settling,
    /// On trial: it must carry its share.
    Probation,
    /// The part cannot be used; it is tried again, or given up until it is pulled.
    Unusable,
    /// Another part than was expected is in the bay.
    WrongPart,
    /// Another bay was emptied or filled.
    WrongBay,
    /// Back in service.
    Done,
    /// Given up, or its time was over.
    GivenUp,
}

impl SwapStep {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            SwapStep::Draining => "draining",
            SwapStep::Pull => "pull",
            SwapStep::Insert => "insert",
            SwapStep::Settling => "settling",
            SwapStep::Probation => "probation",
            SwapStep::Unusable => "unusable",
            SwapStep::WrongPart => "wrong part",
            SwapStep::WrongBay => "wrong bay",
            SwapStep::Done => "done",
            SwapStep::GivenUp => "given up",
        }
    }
}

/// The latest swap of a bay, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapView {
    /// The bay.
    pub place: String,
    /// Its printed label.
    pub label: String,
    /// Its feed.
    pub feed: Option<String>,
    /// Which step it is at.
    pub step: SwapStep,
    /// What the step asks for, or what came of it, in one sentence.
    pub sentence: String,
    /// When the swap began.
    pub began: Moment,
    /// When the step ends by itself, where it does.
    pub until: Option<Moment>,
    /// Who began it, and why.
    pub asked: Option<Asked>,
    /// What was in the bay before.
    pub before: Option<Identity>,
    /// What it could deliver; the new part must deliver as much.
    pub before_watts: Option<Power>,
    /// What is in the bay now.
    pub part: Option<Identity>,
    /// What that can deliver.
    pub rated_watts: Option<Power>,
    /// What that delivers now.
    pub output_watts: Option<Power>,
    /// Whether the bay's LED is lit; `None` where there is none.
    pub led: Option<bool>,
}

impl SwapView {
    /// Whether nothing more comes of it.
    pub const fn is_over(&self) -> bool {
        matches!(self.step, SwapStep::Done | SwapStep::GivenUp)
    }
}

/// A doubt with its name, and whether somebody knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoubtView {
    /// Its name: the same for the same kind of doubt about the same thing.
    #[serde(default)]
    pub id: String,
    /// The doubt.
    #[serde(flatten)]
    pub doubt: Doubt,
    /// Who knows of it. A doubt that says something else later is nobody's again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// That somebody knows of a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledged {
    /// When.
    pub at: Moment,
    /// Until when; `None` until it says something else.
    pub until: Option<Moment>,
    /// Who, and why.
    pub asked: Option<Asked>,
}

/// A request to acknowledge a doubt. Needs a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// The doubt's name.
    pub id: String,
    /// For how many seconds; without, until it says something else.
    #[serde(default)]
    pub for_seconds: Option<u32>,
    /// Take an acknowledgement back.
    #[serde(default)]
    pub cancel: bool,
}

/// A request that the controller shall not act, or shall act again. Needs a reason to pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Only at this node.
    #[serde(default)]
    pub node: Option<String>,
    /// Only in this domain.
    #[serde(default)]
    pub domain: Option<String>,
    /// For how many seconds; it ends by itself. At most a day.
    #[serde(default)]
    pub for_seconds: Option<u32>,
    /// End the pause instead.
    #[serde(default)]
    pub resume: bool,
}

/// One pause in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PauseView {
    /// `rack`, `node` or `domain`.
    pub kind: String,
    /// The node or the domain; the rack's name where it is the rack.
    pub name: String,
    /// Since when.
    pub since: Moment,
    /// When it ends by itself.
    pub until: Moment,
    /// Who, and why.
    pub asked: Option<Asked>,
}

/// How a node stands that somebody wants on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerOnAnswer {
    /// The node.
    pub node: String,
    /// Whether it is being switched on, or waits and for what.
    pub sentence: String,
}
