//! What is remembered of a virtual machine.

use serde::{Deserialize, Serialize};

/// What is remembered of a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmEntry {
    /// The Unix socket of its QMP monitor.
    pub monitor: String,
    /// The process of QEMU.
    pub pid: u32,
    /// When that was started, in clock ticks after boot.
    pub started: u64,
}
