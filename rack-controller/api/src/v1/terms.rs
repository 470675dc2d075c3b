//! What one claim does to others: whose watts it took, and what of its own is lent.

use facts::{Moment, Power};
use serde::{Deserialize, Serialize};

use super::Asked;

/// A claim whose watts another one took, or would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What of a lendable claim is lent, and what that goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lending {
    /// How much of its firm watts is lent now.
    pub lent_watts: Power,
    /// What its node draws, as its BMC told last.
    pub drawn_watts: Power,
    /// When that was told.
    pub drawn_at: Moment,
    /// The most that its node drew within the window; `None` while it is not watched for so long.
    #[serde(default)]
    pub peak_watts: Option<Power>,
    /// How long the window is, in seconds.
    pub window_seconds: u64,
    /// How long taking back needs at the most, in milliseconds, as far as that was measured: until the draw is told, borrowers are lowered
    /// and read back, and the lender is raised. `None` before an agent was timed.
    #[serde(default)]
    pub take_back_millis: Option<u64>,
    /// Since when lent watts are being taken back; `None` where its node has all that it is due.
    #[serde(default)]
    pub recalled_at: Option<Moment>,
    /// Why nothing is lent now; `None` where something is.
    #[serde(default)]
    pub reason: Option<String>,
}
