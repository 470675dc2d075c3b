//! The manners of a node's BMC that a rack file can say.

use serde::Deserialize;

/// What a BMC does with its node when the power is back (IPMI 2.0 table 28-3, Redfish `PowerRestorePolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restore {
    /// The node stays off.
    AlwaysOff,
    /// It is as it was before.
    #[default]
    LastState,
    /// It comes on.
    AlwaysOn,
}

impl Restore {
    /// Redfish's word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AlwaysOff => "AlwaysOff",
            Self::LastState => "LastState",
            Self::AlwaysOn => "AlwaysOn",
        }
    }
}

/// What a BMC's limiter is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limiter {
    /// It holds a limit after its lag.
    #[default]
    Holds,
    /// It holds nothing: what is drawn beyond a limit is met by the limit's exception action alone.
    None,
}
