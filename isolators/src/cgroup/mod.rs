//! Cgroups: one file a kernel controller, and the tree that they hang in.

mod cpu;
mod cpuset;
mod difference;
mod layout;
mod memory;
mod mount;
mod owner;
mod process;
mod tree;

pub use cpu::Cpu;
pub use cpuset::Cpuset;
pub use layout::{Layout, Partitions};
pub use memory::Memory;
pub use mount::{CgroupMode, Cgroups, Controller, Place, Version};
pub use owner::{conflicting_owner, strangers};
pub use process::{Origin, enter, is_alive, members, nearest_living, origins, started};
pub use tree::Tree;
