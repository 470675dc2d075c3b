//! How a bay's life goes on, and what that does to the sums.

use facts::Power;
use rack_api::v1::{DrainFor, Interlock};
use serde::{Deserialize, Serialize};

use crate::bay::Bay;

/// One bay's life went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BayChange {
    /// Its place.
    pub place: String,
    /// Its printed label.
    pub label: String,
    /// Its feed.
    pub feed: Option<String>,
    /// Why.
    pub cause: Cause,
    /// The bay as it is now.
    pub bay: Bay,
    /// What it did to the sums, where it did anything.
    pub effect: Option<Effect>,
}

/// Why a bay's life went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Cause {
    /// Seen for the first time.
    Found,
    /// Something was put in.
    Inserted {
        /// Whether another part was in it before.
        stranger: bool,
    },
    /// Its contacts are quiet: on trial.
    Settled,
    /// The trial is passed.
    Passed,
    /// It is gone, and nobody had prepared that.
    Lost,
    /// It was pulled after draining.
    Pulled,
    /// It is not usable.
    Faulted,
    /// It is given up.
    Condemned,
    /// A faulted part is tried again.
    Retried,
    /// Somebody began to drain it.
    Drained {
        /// What the interlock said.
        answer: Interlock,
        /// Why, as the asker said.
        reason: Option<String>,
        /// What for.
        #[serde(default, rename = "for")]
        purpose: DrainFor,
    },
    /// It may be pulled.
    Ready,
    /// It goes back to service.
    GivenBack {
        /// Whether its time was over; else somebody asked.
        expired: bool,
    },
    /// Its rating or its identity is known better.
    Known,
    /// Another kind of part than the swap expects is in it.
    WrongPart,
    /// Somebody takes that part: on its way in from the start.
    Accepted,
}

/// What a change did to a domain's sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The domain.
    pub domain: String,
    /// Installed before.
    pub installed_before: Power,
    /// Installed after.
    pub installed_after: Power,
    /// Free firm watts before.
    pub headroom_before: Power,
    /// Free firm watts after.
    pub headroom_after: Power,
}
