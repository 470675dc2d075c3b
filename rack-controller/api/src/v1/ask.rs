//! What people ask of the rack, and what it answers.

use facts::Power;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DriveShort;

/// An ask for watts. Firm and revocable watts together are more than 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerAsk {
    /// How many, firm: kept through every loss that the policy covers.
    #[serde(default)]
    pub watts: Power,
    /// How many beside them, revocable: of the redundant share, taken back when a supply is lost. Only for a node.
    #[serde(default)]
    pub revocable_watts: Power,
    /// What for; also the claim's name.
    #[serde(rename = "for")]
    pub purpose: String,
    /// The node that may draw them. Without a node it is a reservation that grants no cap.
    #[serde(default)]
    pub node: Option<String>,
    /// The domain; may be left out where the rack has one, or where the node says it.
    #[serde(default)]
    pub domain: Option<String>,
    /// 1 (kept longest) to 9 (shed first).
    #[serde(default)]
    pub priority: Option<u8>,
    /// Whose quota it counts in, where the rack has tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// For how many seconds it stands unless it is renewed. Without: until it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// Only keep the watts free for so many seconds, and grant no cap, until the claim is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_seconds: Option<u32>,
    /// Where it does not fit: take the watts of claims of lower priority, as few as are needed. Only where the configuration lets the
    /// claims of its domain be taken (`preempt = true`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preempt: bool,
    /// What its node leaves unused of the firm watts for long may be lent as revocable watts. Only for a node whose agent holds its caps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lendable: bool,
}

/// Why an ask for watts was not admitted, and what would make it fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortfall {
    /// The domain.
    pub domain: String,
    /// What was asked.
    pub asked_watts: Power,
    /// What is free.
    pub headroom_watts: Power,
    /// What is missing.
    pub short_watts: Power,
    /// What would make it fit, a line a way.
    pub would_fit: Vec<String>,
}

/// A request to empty a bay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
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
    /// Why; journaled.
    #[serde(default)]
    pub reason: Option<String>,
    /// Give the bay back to service instead of emptying it.
    #[serde(default)]
    pub cancel: bool,
    /// What the supply shall leave service for. Others than `pull` are permits: one at a time in a domain, with an end.
    #[serde(default, rename = "for")]
    pub purpose: DrainFor,
    /// How long a permit holds, in seconds: at most 1800, and 600 where nothing is said. Not for `pull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u32>,
}

/// What a supply leaves service for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DrainFor {
    /// To be pulled.
    #[default]
    Pull,
    /// To be switched off by whoever asks.
    SwitchOff,
    /// For a firmware update by whoever asks.
    Firmware,
}

impl DrainFor {
    /// The words, as in `for its firmware update`.
    pub const fn words(self) -> &'static str {
        match self {
            DrainFor::Pull => "to be pulled",
            DrainFor::SwitchOff => "to be switched off",
            DrainFor::Firmware => "for its firmware update",
        }
    }
}

/// The interlock's three answers (power.md: Interlock).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interlock {
    /// Redundancy is kept, or the supply is not in service.
    Yes,
    /// Promises fit what remains, but nothing is left to cover a loss.
    YesExposed,
    /// Promises exceed what remains.
    No,
}

impl Interlock {
    /// The words.
    pub const fn words(self) -> &'static str {
        match self {
            Interlock::Yes => "yes",
            Interlock::YesExposed => "yes, exposed",
            Interlock::No => "no",
        }
    }
}

/// What the interlock says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrainAnswer {
    /// The bay.
    pub place: String,
    /// Its printed label.
    pub label: String,
    /// Its feed.
    pub feed: Option<String>,
    /// The answer.
    pub answer: Interlock,
    /// The whole sentence, with the numbers.
    pub sentence: String,
    /// Whether draining began (not in a dry run, not without the confirmation that was needed).
    pub begun: bool,
    /// Claims whose release would turn a no into a yes, smallest sufficient first.
    pub would_help: Vec<String>,
    /// Whether the locate LED was lit and read back; `None` where it was not tried, with the reason in the sentence.
    pub led: Option<bool>,
}

/// A request to light a bay's LED.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocateRequest {
    /// The bay.
    pub place: String,
    /// On or off.
    pub on: bool,
    /// For how many seconds; it goes out by itself. At most 1800.
    #[serde(default)]
    pub for_seconds: Option<u32>,
}

/// What came of a request to light or darken a bay's LED.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocateAnswer {
    /// The bay.
    pub place: String,
    /// Its printed label.
    pub label: String,
    /// What was asked.
    pub on: bool,
    /// The LED as it was read back; `None` where it could not be read or was not written.
    pub led: Option<bool>,
    /// The whole sentence, with the reason where nothing was written.
    pub sentence: String,
}

/// An error as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorDetail {
    /// `bad_request`, `unauthorized`, `refused`, `not_found`, `conflict`, `shortfall`, `busy` or `internal`.
    pub code: String,
    /// A sentence that says what went wrong and what was expected.
    pub message: String,
    /// The numbers, for `shortfall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
    /// The same for drives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<DriveShort>,
    /// The answer, for a drain that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainAnswer>,
}
