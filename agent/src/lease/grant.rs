//! The caps of a lease: one a level, and which of them is in force.

use agent_api::v1::Lease;
use facts::Power;
use serde::{Deserialize, Serialize};

/// What a lease grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The cap of level 0.
    pub cap_watts: Power,
    /// The caps of level 1, 2 and so on; none above the one before.
    pub levels: Vec<Power>,
    /// The level in force.
    pub level: u32,
}

impl From<&Lease> for Grant {
    fn from(lease: &Lease) -> Grant {
        Grant {
            cap_watts: lease.cap_watts,
            levels: lease.levels.clone(),
            level: lease.level,
        }
    }
}

impl Grant {
    /// The cap of a level; a level beyond the last has the last one's.
    pub fn at(&self, level: u32) -> Power {
        let Some(above) = level.checked_sub(1) else {
            return self.cap_watts;
        };
        let above = usize::try_from(above).unwrap_or(usize::MAX);
        let levels = self.levels.get(above).or(self.levels.last());
        levels.copied().unwrap_or(self.cap_watts)
    }

    /// The cap of the level in force.
    pub fn wants(&self) -> Power {
        self.at(self.level)
    }

    /// The lowest cap of all levels.
    pub fn lowest(&self) -> Power {
        self.levels.last().copied().unwrap_or(self.cap_watts)
    }

    /// Whether a cap of some level is higher than in the other.
    pub(super) fn is_higher_than(&self, other: &Grant) -> bool {
        self.numbers(other).any(|level| self.at(level) > other.at(level))
    }

    /// Of each level the lower cap of both; the level in force is this one's.
    pub(super) fn no_higher_than(&self, other: &Grant) -> Grant {
        let lower = |level: u32| self.at(level).min(other.at(level));
        Grant {
            cap_watts: lower(0),
            levels: self.numbers(other).skip(1).map(lower).collect(),
            level: self.level,
        }
    }

    /// The numbers of all levels that either of both has.
    fn numbers(&self, other: &Grant) -> std::ops::RangeInclusive<u32> {
        let most = self.levels.len().max(other.levels.len());
        0..=u32::try_from(most).unwrap_or(u32::MAX)
    }
}
