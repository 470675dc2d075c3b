//! Power supplies as a BMC shows them, with its claims kept apart from what we believe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::reading::Reading;
use crate::unit::Power;

/// How a supply is, from everything that its BMC says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyState {
    /// Present, healthy, with input.
    Ok,
    /// The bay is empty.
    Absent,
    /// Present and broken.
    Faulted,
    /// Present without usable input.
    InputLost,
    /// Present and switched off or on standby.
    Off,
    /// The BMC says too little to tell.
    Unknown,
}

/// One bay of supplies and what is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Supply {
    /// The BMC's own name of the bay: the member's `Id` or `MemberId`.
    pub bay: String,
    /// The resource (`@odata.id`), by which it is addressed.
    pub resource: String,
    /// The printed label (`Location.PartLocation.ServiceLabel`), where the BMC knows it.
    pub label: Option<String>,
    /// Who it is; empty for an empty bay.
    #[serde(flatten)]
    pub identity: Identity,
    /// How it is.
    pub state: SupplyState,
    /// Whether this is no supply at all: a fan filler or a blank that the BMC lists as one.
    pub is_filler: bool,
    /// What it can deliver at its present input.
    pub rated_watts: Reading<Power>,
    /// What it delivers now.
    pub output_watts: Reading<Power>,
    /// What it draws now.
    pub input_watts: Reading<Power>,
    /// `HotPluggable`, where the BMC says.
    pub hot_pluggable: Option<bool>,
    /// `LocationIndicatorActive` or `IndicatorLED`: whether the locate LED is lit; `None` where there is none.
    pub led: Option<bool>,
}

/// What a BMC claims of a group of supplies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedundancyClaim {
    /// The group's name.
    pub group: String,
    /// `RedundancyType` or `Mode`.
    pub kind: Option<String>,
    /// `MinNeededInGroup` or `MinNumNeeded`; recorded BMCs use it with two opposite meanings.
    pub min_needed: Option<u32>,
    /// `MaxSupportedInGroup` or `MaxNumSupported`.
    pub max_supported: Option<u32>,
    /// How many members the claim names.
    pub members: u32,
    /// The fewest members that may fail by this claim, over the meanings that its smallest number needed can have.
    #[serde(default)]
    pub may_lose_least: Option<u32>,
    /// The most members that may fail by this claim; the same as the fewest where the maker's meaning is known.
    #[serde(default)]
    pub may_lose_most: Option<u32>,
    /// `Status.State` of the claim.
    pub state: Option<String>,
    /// `Status.Health` of the claim.
    pub health: Option<String>,
}

/// Something that a BMC says and that cannot be believed as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// One word for the kind: `redundancy`, `capacity`, `filler`, `duplicate`, `missing`, `total`, `garbled` …
    pub kind: String,
    /// What was said, and what is believed instead.
    pub message: String,
    /// The resource that said it.
    pub resource: String,
}

/// The supplies of one independent domain of a BMC: supplies of two domains do not stand in for each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SupplyDomain {
    /// The chassis (or the group in it) that the supplies feed.
    pub name: String,
    /// Its bays, in the order of the BMC.
    pub supplies: Vec<Supply>,
    /// What the BMC claims of their redundancy.
    pub claimed: Vec<RedundancyClaim>,
    /// Whether supplies of several independent domains are in here that the BMC does not tell apart: then no sum holds.
    #[serde(default)]
    pub mixed: bool,
    /// `CapacityWatts` as claimed.
    pub capacity_claimed_watts: Option<Power>,
    /// Total draw that the BMC reports for the domain (`EnvironmentMetrics.PowerWatts`, `PowerConsumedWatts`).
    pub drawn_watts: Reading<Power>,
}

/// Everything that one BMC says of its supplies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Supplies {
    /// Independent domains.
    pub domains: Vec<SupplyDomain>,
    /// What cannot be believed as it stands.
    pub doubts: Vec<Doubt>,
}
