//! How a BMC answers.

use serde::{Deserialize, Serialize};

/// How a BMC answers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Properly.
    #[default]
    Ok,
    /// Every request is answered 401.
    #[serde(rename = "401")]
    #[value(name = "401")]
    Unauthorized,
    /// Every request is answered 404.
    #[serde(rename = "404")]
    #[value(name = "404")]
    NotFound,
    /// Half of the promised body, then the connection is cut.
    Half,
    /// The connection is taken and nothing is ever answered.
    Never,
    /// Properly, but open streams of events are forgotten as at a restart: they stay open, and nothing more comes.
    Forgetful,
    /// Properly, and each event comes twice, the one before it once more after it.
    Doubled,
    /// Properly, but every second event never comes.
    Lossy,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Unauthorized => "401",
            Self::NotFound => "404",
            Self::Half => "half",
            Self::Never => "never",
            Self::Forgetful => "forgetful",
            Self::Doubled => "doubled",
            Self::Lossy => "lossy",
        })
    }
}
