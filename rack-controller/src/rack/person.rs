//! What people do with a rack beside claiming: swaps, doubts that they know, pauses. Kept by the journal, so that a terminal may go.

use facts::supply::Doubt;
use facts::{Identity, Moment, Power};
use rack_api::v1::Asked;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The swap of a bay's part, from the question whether it may be pulled to the new part in service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// When it began.
    pub began: Moment,
    /// Who began it, and why.
    pub asked: Option<Asked>,
    /// What was in the bay.
    pub before: Option<Identity>,
    /// What that could deliver.
    pub rated: Option<Power>,
    /// When the bay was emptied; `None` before.
    pub emptied: Option<Moment>,
    /// Whether another kind of part may come back.
    pub accepts_any: bool,
    /// Since when other bays are watched for the wrong pull or the wrong place.
    pub watched_from: Moment,
    /// What stopped it; `None` while nothing does.
    pub stopped: Option<SwapStop>,
    /// How it ended; `None` while it has not.
    pub ended: Option<SwapEnd>,
}

/// What stopped a swap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapStop {
    /// Which of them.
    pub kind: SwapTrouble,
    /// In words, with what to do.
    pub why: String,
}

/// What can stop a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapTrouble {
    /// Another kind of part came, or a weaker one.
    WrongPart,
    /// Another bay was emptied or filled.
    WrongBay,
}

/// How a swap ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapEnd {
    /// Whether a part is in service in the bay.
    pub done: bool,
    /// In words.
    pub why: String,
    /// When.
    pub at: Moment,
}

/// A swap went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapChange {
    /// The bay.
    pub place: String,
    /// Its printed label.
    pub label: String,
    /// How.
    pub turn: SwapTurn,
}

/// How a swap went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum SwapTurn {
    /// It began.
    Begun {
        /// The swap.
        swap: Box<Swap>,
    },
    /// Somebody goes on with it after it was stopped.
    WentOn,
    /// Somebody takes the part that is in the bay, whatever it is.
    Accepted,
    /// It was stopped.
    Stopped(SwapStop),
    /// It ended.
    Ended(SwapEnd),
}

impl Swap {
    /// Whether something may still come of it.
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

/// That somebody knows of a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The doubt's name.
    pub id: String,
    /// What it said: if it says something else, nobody knows of it.
    pub message: String,
    /// When. The event says it, and who; here they would stand in its JSON twice.
    #[serde(skip, default = "epoch")]
    pub at: Moment,
    /// Until when; `None` until it says something else.
    pub until: Option<Moment>,
    /// Who, and why; said by the event.
    #[serde(skip)]
    pub asked: Option<Asked>,
}

const fn epoch() -> Moment {
    Moment::EPOCH
}

/// The name of a doubt: eight digits of a hash over its kind and what it is about, so that it is the same at each look and after a
/// restart.
pub fn doubt_id(doubt: &Doubt) -> String {
    let digest = Sha256::new()
        .chain_update(doubt.kind.as_bytes())
        .chain_update([0])
        .chain_update(doubt.resource.as_bytes())
        .finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Where a controller does not act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope", content = "name")]
pub enum Scope {
    /// Nowhere in the rack.
    Rack,
    /// In one domain: its bays and its nodes.
    Domain(String),
    /// At one node.
    Node(String),
}

impl Scope {
    /// Its kind in one word, and its name where it has one.
    pub fn words(&self) -> (&'static str, Option<&str>) {
        match self {
            Scope::Rack => ("rack", None),
            Scope::Domain(name) => ("domain", Some(name)),
            Scope::Node(name) => ("node", Some(name)),
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.words() {
            (kind, Some(name)) => write!(f, "{kind} {name}"),
            (_, None) => f.write_str("the rack"),
        }
    }
}

/// That the controller shall not act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Where.
    pub scope: Scope,
    /// Since when.
    pub since: Moment,
    /// When it ends by itself.
    pub until: Moment,
    /// Who said so, and why; said by the event, in whose JSON it would stand twice.
    #[serde(skip)]
    pub asked: Option<Asked>,
}
