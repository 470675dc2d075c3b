//! The names of node_exporter 1.5, for those who run the agent in its place: names, kinds, labels and meaning as there.
//!
//! What a source of ours reads anyway (times, memory, pressure, traffic, EDAC, clocks) it writes under these names too; what is
//! left is in four sources of its own: [`KernelCollector`] reads the kernel's memory at each scrape, [`PartsCollector`],
//! [`HwmonCollector`] and [`FilesystemCollector`] ask drivers, each on a beat and a thread of its own.
//! Which names there are, and which are left out: docs/metrics-node-names.md.

mod chosen;
pub(crate) mod disk;
pub(crate) mod edac;
mod filesystem;
pub(crate) mod frequency;
mod hwmon;
mod hwmon_table;
pub(crate) mod kernel;
mod keyed;
mod meminfo;
mod meminfo_numa;
pub(crate) mod memory;
mod netstat;
pub(crate) mod network;
mod parts;
pub(crate) mod pressure;
mod procfs;
mod select;
mod sockets;
mod timex;

use facts::Family;

pub use filesystem::FilesystemCollector;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use filesystem::fuzz as fuzz_mounts;
pub use hwmon::HwmonCollector;
pub use parts::PartsCollector;
pub use procfs::KernelCollector;

/// All names, table by table.
pub const TABLES: [&[&Family]; 15] = [
    kernel::TABLE,
    frequency::TABLE,
    meminfo::TABLE,
    meminfo_numa::TABLE,
    edac::TABLE,
    pressure::TABLE,
    network::TABLE,
    disk::TABLE,
    netstat::TABLE,
    procfs::families::TABLE,
    timex::TABLE,
    parts::TABLE,
    hwmon_table::TABLE,
    filesystem::TABLE,
    network::MORE,
];
