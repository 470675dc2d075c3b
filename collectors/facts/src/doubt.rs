//! A doubt: what sources say and what cannot all be true. It is shown, never smoothed over.

use serde::{Deserialize, Serialize};

/// One doubt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Doubt {
    /// Its kind in one word or two, as in `identity` or `numa_distances`: the label of a metric.
    pub code: String,
    /// The part or the place that it is about, as in `NUMA node 1` or `bmc`.
    pub about: String,
    /// What disagrees, in one sentence with both values and where they come from.
    pub message: String,
}

impl Doubt {
    /// A doubt of this kind about this part.
    pub fn new(code: impl Into<String>, about: impl Into<String>, message: impl Into<String>) -> Doubt {
        Doubt {
            code: code.into(),
            about: about.into(),
            message: message.into(),
        }
    }
}
