//! What one claim does to others: whose watts it took.

use facts::{Moment, Power};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Asked;

/// A claim whose watts another one took, or would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// What for.
    #[serde(rename = "for")]
    pub purpose: String,
    /// Its firm watts.
    pub watts: Power,
    /// The node that may draw them; `None` for a reservation.
    #[serde(default)]
    pub node: Option<String>,
    /// 1 (kept longest) to 9 (shed first).
    pub priority: u8,
}

/// A claim that ended because another one took its watts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreemptedView {
    /// It, as it was.
    #[serde(flatten)]
    pub claim: Taken,
    /// The id of the claim that took its watts.
    pub by: String,
    /// What that one is for.
    pub by_for: String,
    /// That one's priority.
    pub by_priority: u8,
    /// When.
    pub at: Moment,
    /// Who asked for that, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}
