//! Many asks at once, and room by moving: what would be given, and what would have to move.

use facts::{Bytes, CpuSet, NumaSet};
use intent::{Generation, WorkloadId};
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::offer::Offer;

/// The most asks of one batch: as many as a node keeps workloads.
pub const MOST_ASKS: usize = 1_000;

/// Many asks at once. None of the offers overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The asks, at most [`MOST_ASKS`].
    pub asks: Vec<Ask>,
    /// Whether there shall be no offer at all unless all of them fit.
    #[serde(default)]
    pub all_or_nothing: bool,
}

/// Why one ask of a batch does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplaced {
    /// The error code that this ask alone would be refused with.
    pub code: String,
    /// What is missing, and who has it.
    pub why: String,
    /// What would make it fit, a phrase each; empty where nothing was found, or where the batch holds too many refusals to look.
    pub would_fit: Vec<String>,
}

/// The answer to one ask of a batch: an offer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// The name that the ask gives itself, or its number in the batch as in `ask-3`.
    pub name: WorkloadId,
    /// The offer.
    pub offer: Option<Offer>,
    /// Why there is none.
    pub refused: Option<Unplaced>,
}

/// What would be given for many asks at once. It holds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOffer {
    /// The intent's generation that the offers were made against.
    pub generation: Generation,
    /// How many fit.
    pub placed: u32,
    /// An answer an ask, in the order of the asks.
    pub answers: Vec<BatchAnswer>,
    /// The order in which they were placed, the most difficult first, as numbers of asks from 0.
    pub order: Vec<u32>,
}

/// A question which moves would make room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefragRequest {
    /// For this ask; without it, for as many exclusive CPUs on one NUMA node as moving can bring together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
    /// How much memory the kernel moves in a second here, where somebody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<Bytes>,
}

/// One workload that would move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedMove {
    /// Which.
    pub workload: WorkloadId,
    /// Its CPUs now.
    pub from: CpuSet,
    /// Its CPUs afterwards.
    pub to: CpuSet,
    /// The NUMA nodes of its memory afterwards.
    pub numa_nodes: NumaSet,
    /// How many of its CPUs change.
    pub cpus_changed: u32,
    /// How much of its memory goes to another NUMA node, at most: what is promised, not what is in use.
    pub memory_bytes: Bytes,
    /// How long that takes at the rate that was given.
    pub milliseconds: u64,
}

/// A workload that is no part of any proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stays {
    /// Which.
    pub workload: WorkloadId,
    /// Why.
    pub why: String,
}

/// Which moves would make room. Nothing moves by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defrag {
    /// The intent's generation that it was made against.
    pub generation: Generation,
    /// For what: the ask of the question, or the largest that was found.
    pub ask: Option<Ask>,
    /// Where no ask was given: how many exclusive CPUs fit on one NUMA node now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_now: Option<u32>,
    /// Whether it fits as it is.
    pub fits: bool,
    /// What would move. Each first gives up what it has and does not keep; then all get what is new.
    pub moves: Vec<ProposedMove>,
    /// What the ask gets, now or after the moves; `None` where no moves were found.
    pub offer: Option<Offer>,
    /// The memory of all moves together.
    pub memory_bytes: Bytes,
    /// How long all moves take, one after the other.
    pub milliseconds: u64,
    /// What came of it, a sentence.
    pub why: String,
    /// Holders of exclusive CPUs that never move, and why.
    pub stays: Vec<Stays>,
}
