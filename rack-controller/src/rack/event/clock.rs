//! What time it was when the controller started, by two clocks.

use serde::{Deserialize, Serialize};

/// How the wall's clock stands to the time since the machine booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFound {
    /// Which boot of the machine: the kernel's `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Milliseconds since that boot, also those in which it slept.
    pub boot_millis: u64,
    /// By how many milliseconds the wall's clock was set forwards while the controller was away; less than zero for backwards. Zero where
    /// it was not, and where the machine has booted since: then nobody can tell.
    pub set_by_millis: i64,
    /// Whether it is another boot than the one that is known from the last start.
    pub new_boot: bool,
}
