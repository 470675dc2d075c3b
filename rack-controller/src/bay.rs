//! One bay's life: what a place for a supply goes through, as a pure step from what is seen.
//!
//! A supply that was put in has bouncing contacts, and its output is not up for a while: so it settles, is on trial,
//! and only then counts. `OK` means nothing while a supply is absent. Another serial in the same bay is a removal and
//! then an insertion. A bay that cannot be seen keeps its life and moves nowhere.

use std::time::Duration;

use facts::supply::SupplyState;
use facts::{Identity, Moment, Power};
use rack_api::v1::{BayLife, DrainFor};
use serde::{Deserialize, Serialize};

mod rules;
mod step;

pub use rules::BayRules;
pub use step::step;

/// Where a bay is in its life, with the deadlines inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Life {
    /// Nothing has been seen of it yet.
    Unseen,
    /// Nothing in it.
    Empty,
    /// Something was put in, and contacts bounce.
    Settling {
        /// Until when they must be quiet.
        until: Moment,
    },
    /// On trial.
    Probation {
        /// Until when.
        until: Moment,
    },
    /// Counted.
    InService,
    /// Being emptied.
    Draining(Leaving),
    /// May be pulled.
    ReadyToPull(Leaving),
    /// Present and not usable.
    Faulted {
        /// When it is tried again.
        retry_at: Moment,
        /// Faults so far.
        tries: u32,
        /// Why.
        why: String,
    },
    /// Given up until it is pulled.
    Condemned {
        /// Why.
        why: String,
    },
}

/// How a bay leaves service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// When it began.
    pub began: Moment,
    /// Whether it was in service when draining began; only then does it go straight back.
    pub from_service: bool,
    /// When it goes back to service by itself: set where no redundancy is left meanwhile.
    pub back_at: Option<Moment>,
    /// Whether promises were broken on purpose.
    pub forced: bool,
    /// What for. What is not to be pulled has an end, and its bay is not lit.
    #[serde(default)]
    pub purpose: DrainFor,
}

impl Life {
    /// The word of the API.
    pub const fn word(&self) -> BayLife {
        match self {
            Life::Unseen => BayLife::Unseen,
            Life::Empty => BayLife::Empty,
            Life::Settling { .. } => BayLife::Settling,
            Life::Probation { .. } => BayLife::Probation,
            Life::InService => BayLife::InService,
            Life::Draining(_) => BayLife::Draining,
            Life::ReadyToPull(_) => BayLife::ReadyToPull,
            Life::Faulted { .. } => BayLife::Faulted,
            Life::Condemned { .. } => BayLife::Condemned,
        }
    }

    /// Whether its supply counts.
    pub const fn counts(&self) -> bool {
        matches!(self, Life::InService)
    }

    /// How it leaves, while it does.
    pub const fn leaving(&self) -> Option<&Leaving> {
        match self {
            Life::Draining(leaving) | Life::ReadyToPull(leaving) => Some(leaving),
            Life::Unseen
            | Life::Empty
            | Life::Settling { .. }
            | Life::Probation { .. }
            | Life::InService
            | Life::Faulted { .. }
            | Life::Condemned { .. } => None,
        }
    }

    /// When this state ends by itself, where it does.
    pub const fn until(&self) -> Option<Moment> {
        match self {
            Life::Settling { until } | Life::Probation { until } => Some(*until),
            Life::Faulted { retry_at, .. } => Some(*retry_at),
            Life::Draining(leaving) | Life::ReadyToPull(leaving) => leaving.back_at,
            Life::Unseen | Life::Empty | Life::InService | Life::Condemned { .. } => None,
        }
    }

    /// Why it is as it is, where there is a reason to tell.
    pub fn reason(&self) -> Option<String> {
        match self {
            Life::Faulted { why, tries, .. } if *tries > 1 => Some(format!("{why} ({tries} times)")),
            Life::Faulted { why, .. } | Life::Condemned { why } => Some(why.clone()),
            Life::Draining(leaving) | Life::ReadyToPull(leaving) if leaving.purpose != DrainFor::Pull => {
                Some(leaving.purpose.words().to_owned())
            }
            Life::Draining(leaving) | Life::ReadyToPull(leaving) if leaving.forced => {
                Some("forced".to_owned())
            }
            Life::Draining(leaving) | Life::ReadyToPull(leaving) if leaving.back_at.is_some() => {
                Some("exposed".to_owned())
            }
            Life::Unseen
            | Life::Empty
            | Life::Settling { .. }
            | Life::Probation { .. }
            | Life::InService
            | Life::Draining(_)
            | Life::ReadyToPull(_) => None,
        }
    }
}

/// One bay: its life and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bay {
    /// Where it is in its life.
    pub life: Life,
    /// Since when.
    pub since: Moment,
    /// What is in it.
    pub part: Option<Identity>,
    /// What was in it before it was emptied, to tell a returning part from a stranger.
    pub last_part: Option<Identity>,
    /// What its supply can deliver at its present input.
    pub rated: Option<Power>,
    /// Losses of the same supply that nobody prepared, in quick succession.
    pub flaps: u32,
    /// Faults of the part that is in it.
    pub faults: u32,
    /// When it was last lost without preparation.
    pub lost_at: Option<Moment>,
}

impl Bay {
    /// A bay of which nothing has been seen.
    pub const fn unseen() -> Bay {
        Bay {
            life: Life::Unseen,
            since: Moment::EPOCH,
            part: None,
            last_part: None,
            rated: None,
            flaps: 0,
            faults: 0,
            lost_at: None,
        }
    }

    /// What it adds to installed: its rating while it counts.
    pub fn installed(&self) -> Power {
        if self.life.counts() {
            self.rated.unwrap_or(Power::ZERO)
        } else {
            Power::ZERO
        }
    }
}

/// What is seen of a bay at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Its BMC cannot be read, or says too little to tell: nothing is known.
    Blind,
    /// It is empty.
    Empty,
    /// Something is in it.
    Present(Present),
}

/// What is in a bay, as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Who it is.
    pub part: Identity,
    /// How it is; never `Absent` or `Unknown`.
    pub state: SupplyState,
    /// What it can deliver, where the BMC or the configuration tells.
    pub rated: Option<Power>,
    /// Whether it carries its share of the load; `None` where the BMC does not tell, which is not held against it.
    pub carries: Option<bool>,
}

/// A while in milliseconds, scaled by powers of two, with a ceiling.
fn doubled(first: Duration, times: u32, ceiling: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times.min(31)).unwrap_or(u32::MAX);
    first
        .checked_mul(factor)
        .map_or(ceiling, |long| long.min(ceiling))
}
