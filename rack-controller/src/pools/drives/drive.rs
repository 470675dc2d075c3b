//! One pooled drive: who it is, what it can take, where it sits, whose it is.

use facts::{Bytes, Moment};
use serde::{Deserialize, Serialize};

use super::{DriveId, Tenancy};

/// How much of its life a drive has used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wear {
    /// Percent of its rated endurance; may be above 100 (NVMe SMART log, `Percentage Used`). `None` where it does not tell.
    pub percent_used: Option<u8>,
    /// Whether it says of itself that it will fail (`Critical Warning`; SMART's overall verdict).
    pub predicts_failure: bool,
}

/// One stay of a drive in a bay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seat {
    /// The bay: `jbof/bay-7`.
    pub place: String,
    /// Which of its stays this is: a number that the enclosure gives to each insertion and never twice. An order about an earlier stay is
    /// obeyed by nobody, however late it comes: the drive may have become somebody else's meanwhile.
    pub arrival: u64,
}

/// One drive of the pool, or one that could join it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Who it is.
    pub id: DriveId,
    /// How much it holds.
    pub size: Bytes,
    /// How worn it is.
    pub wear: Wear,
    /// Where it sits; `None` while it is in no bay.
    pub seat: Option<Seat>,
    /// The boot of its enclosure's node in which this stay began; `None` where that is not known. Another boot is another stay, and no pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Whose it is.
    pub tenancy: Tenancy,
    /// Since when.
    pub since: Moment,
    /// How often it was lent, or was to be erased: an order and an answer are about one of these times. A target obeys no order about an
    /// earlier one.
    pub generation: u64,
    /// Everything that was ever written to it, in its own units, as far as it was read (NVMe SMART log, `Data Units Written`); `None` where
    /// it does not count. A drive that comes back with another number may have been written to elsewhere.
    pub written: Option<u64>,
    /// Why what is on it may be somebody else's than we know: it was away, and its counter does not show that nothing was written.
    pub unsealed: Option<String>,
}

impl Drive {
    /// A drive that was never seen before: foreign, whatever is on it.
    pub const fn found(id: DriveId, size: Bytes, seat: Seat, now: Moment) -> Drive {
        Drive {
            id,
            size,
            wear: Wear {
                percent_used: None,
                predicts_failure: false,
            },
            seat: Some(seat),
            boot: None,
            tenancy: Tenancy::Foreign { why: None },
            since: now,
            generation: 0,
            written: None,
            unsealed: None,
        }
    }

    /// Its counter was read.
    #[must_use]
    pub fn counted(&self, written: Option<u64>) -> Drive {
        // What was read earlier may come later; a counter never goes back.
        Drive {
            written: self.written.max(written),
            ..self.clone()
        }
    }

    /// Whether it is in its bay, of some size, and neither about to fail nor doubted.
    pub fn has_a_future(&self) -> bool {
        self.seat.is_some()
            && !self.wear.predicts_failure
            && self.size != Bytes::ZERO
            && self.unsealed.is_none()
    }

    /// Whether it may be lent to somebody new: erased, in its bay, and with a future.
    pub fn may_be_lent(&self) -> bool {
        let is_free = matches!(self.tenancy, Tenancy::Free { .. });
        is_free && self.has_a_future()
    }
}
