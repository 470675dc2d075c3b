//! Why a lease is refused.

use agent_api::v1::Head;
use facts::Power;

/// Why a lease, or its end, is refused. What was in force stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It makes no sense on any node.
    #[error("{0}")]
    Senseless(String),
    /// It is valid from a reading that this clock has not reached.
    #[error(
        "heard_millis is {heard} and this node's clock reads {now}; expected the reading of an answer of this boot"
    )]
    Ahead {
        /// What it says.
        heard: u64,
        /// The clock.
        now: u64,
    },
    /// It is meant for another boot.
    #[error(
        "the lease is for boot {theirs:?}, and this is boot {ours:?}: what was granted before went with that boot"
    )]
    OtherBoot {
        /// What it says.
        theirs: String,
        /// This boot.
        ours: String,
    },
    /// Another rack holds the node.
    #[error(
        "rack {holder:?} holds this node's lease, and {asks:?} asks; it is free once {holder:?} ends it, or after busbar-agent leave --force"
    )]
    OtherRack {
        /// Who holds it.
        holder: String,
        /// Who asks.
        asks: String,
    },
    /// A later one was accepted before.
    #[error("lease {theirs} comes after {ours} was accepted; expected a later number")]
    Old {
        /// What it says.
        theirs: u64,
        /// The last that was accepted.
        ours: u64,
    },
    /// It has the number of another one.
    #[error(
        "lease {sequence} says something else than the lease of that number that was accepted; expected a later number"
    )]
    Changed {
        /// The number.
        sequence: u64,
    },
    /// It was on its way longer than it is valid, and lowers nothing.
    #[error("the lease extends nothing: it was valid until {ends} and this node's clock reads {now}")]
    Stale {
        /// When it ended.
        ends: u64,
        /// The clock.
        now: u64,
    },
    /// The rack's journal lacks what this node has seen of it.
    #[error(
        "the rack's journal ends with entry {} ({}), and this node has seen entry {} ({}): a journal that lacks something raises nothing",
        theirs.sequence, theirs.chain, ours.sequence, ours.chain
    )]
    Behind {
        /// What it says.
        theirs: Head,
        /// What was seen.
        ours: Head,
    },
}

impl Refusal {
    /// The reason in one word, for a metric.
    pub const fn word(&self) -> &'static str {
        match self {
            Refusal::Senseless(_) => "senseless",
            Refusal::Ahead { .. } => "ahead",
            Refusal::OtherBoot { .. } => "other_boot",
            Refusal::OtherRack { .. } => "other_rack",
            Refusal::Old { .. } => "old",
            Refusal::Changed { .. } => "changed",
            Refusal::Stale { .. } => "stale",
            Refusal::Behind { .. } => "behind",
        }
    }

    /// Whether it is the ask that makes no sense, and not the state that it meets.
    pub const fn is_the_asks(&self) -> bool {
        matches!(self, Refusal::Senseless(_) | Refusal::Ahead { .. })
    }

    pub(super) fn watts(what: &str, asked: Power, expected: &str) -> Refusal {
        Refusal::Senseless(format!("{what} is {asked}; expected {expected}"))
    }
}
