//! Links of PCI functions: how fast they are, and how fast they could be.

use serde::{Deserialize, Serialize};

use crate::identity::PciAddress;
use crate::reading::Reading;

/// The link of one PCI Express function to what is above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciLink {
    /// The function.
    pub address: PciAddress,
    /// Transfers a second of each lane now (`current_link_speed`): 16 000 000 000 is 16.0 GT/s.
    pub transfers_per_second: Reading<u64>,
    /// The most that the function could (`max_link_speed`).
    pub max_transfers_per_second: Reading<u64>,
    /// Lanes in use (`current_link_width`).
    pub width: Reading<u32>,
    /// The most that the function has (`max_link_width`).
    pub max_width: Reading<u32>,
}

impl PciLink {
    /// Whether the link is slower or narrower than the function could be. A slot that is narrower than its card is the same:
    /// it is a metric to alert on where the rack knows better, and never a doubt.
    pub fn is_degraded(&self) -> bool {
        let below = |now: Option<u64>, most: Option<u64>| matches!((now, most), (Some(now), Some(most)) if now < most);
        let lanes = |width: Reading<u32>| width.value().map(u64::from);
        below(
            self.transfers_per_second.value(),
            self.max_transfers_per_second.value(),
        ) || below(lanes(self.width), lanes(self.max_width))
    }
}
