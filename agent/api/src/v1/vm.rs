//! Virtual machines: where a QEMU is asked, and where its virtual CPUs run.

use facts::CpuSet;
use serde::{Deserialize, Serialize};

/// A request to take what runs in a workload for a QEMU: its virtual CPUs are pinned one to one to the workload's CPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmRequest {
    /// The Unix socket of its QMP monitor, an absolute path. It belongs to the agent from now on: QEMU serves one at a time.
    pub monitor: String,
    /// Whether it was started with `-S` for us: once everything is pinned, it is let go (QMP `cont`).
    #[serde(default)]
    pub go: bool,
}

/// A virtual machine, as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// The Unix socket of its QMP monitor.
    pub monitor: String,
    /// The process of QEMU.
    pub pid: u32,
    /// Its virtual CPUs, by number; empty until it was asked for the first time.
    pub vcpus: Vec<Vcpu>,
    /// Where everything else of QEMU runs: its main loop, I/O threads and workers.
    pub emulator: CpuSet,
    /// What is not as it should be; empty where all is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

/// One virtual CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vcpu {
    /// Its number (QMP `cpu-index`).
    pub index: u32,
    /// Its thread (QMP `thread-id`).
    pub thread: u32,
    /// The CPU that it shall have.
    pub wanted: CpuSet,
    /// Where the kernel says that it may run.
    pub cpus: CpuSet,
}
