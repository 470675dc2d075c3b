//! Links of PCI functions: how fast they are, and how fast they could be.

use serde::{Deserialize, Serialize};

use crate::identity::PciAddress;
use crate::reading::Reading;

/// The link of one PCI Express function to what is above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciLink {
    /// The function.
    pub address: PciAddress,
    /// Transfers a second of each lane now, in units of 100 million (`current_link_speed`): 160 is 16.0 GT/s.
    pub speed: Reading<LinkSpeed>,
    /// The most that the function could (`max_link_speed`).
    pub max_speed: Reading<LinkSpeed>,
    /// Lanes in use (`current_link_width`).
    pub width: Reading<u32>,
    /// The most that the function has (`max_link_width`).
    pub max_width: Reading<u32>,
}

/// Transfers a second of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkSpeed {
    transfers_per_second: u64,
}

impl LinkSpeed {
    /// From transfers a second.
    pub const fn new(transfers_per_second: u64) -> LinkSpeed {
        LinkSpeed { transfers_per_second }
    }

    /// Transfers a second.
    pub const fn transfers_per_second(self) -> u64 {
        self.transfers_per_second
    }
}

impl PciLink {
    /// Whether the link is slower or narrower than the function could be. A slot that is narrower than its card is the same:
    /// it is a metric to alert on where the rack knows better, and never a doubt.
    pub fn is_degraded(&self) -> bool {
        let below = |now: Option<u64>, most: Option<u64>| matches!((now, most), (Some(now), Some(most)) if now < most);
        below(
            self.speed.value().map(LinkSpeed::transfers_per_second),
            self.max_speed.value().map(LinkSpeed::transfers_per_second),
        ) || below(self.width.value().map(u64::from), self.max_width.value().map(u64::from))
    }
}
