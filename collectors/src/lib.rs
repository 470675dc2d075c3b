//! Reads a server: one folder a source.
//!
//! A [`Root`] says where /sys, /proc and /dev stand, the [`roster()`] names every source, and [`facts_now`] asks each of them once.

mod attribute;
mod classes;
mod columns;
mod line_table;

pub mod block;
pub mod collector;
pub mod cpu;
pub mod disk_io;
pub mod drive_health;
pub mod edac;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod gpu;
pub mod hwmon;
pub mod local_bmc;
pub mod machine;
pub mod memory;
pub mod network;
pub mod nic;
pub mod node_names;
pub mod nvml;
pub mod pci;
pub mod perf;
pub mod powercap;
pub mod pressure;
pub mod resctrl;
pub mod root;
pub mod roster;
pub mod topology;
pub mod uevent;

pub use collector::{CollectError, Collector};
pub use root::{Kept, ReadError, Root, RootError};
pub use roster::{facts_now, roster};
pub use topology::TopologySource;
