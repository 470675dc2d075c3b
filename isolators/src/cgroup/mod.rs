//! Cgroups: one file a kernel controller, and the tree that they hang in.

mod cannot;
mod cpu;
mod cpuset;
mod delegated;
mod device_list;
mod devices;
mod difference;
mod freezer;
mod gpu;
mod hugetlb;
mod io;
mod lacking;
mod layout;
mod memory;
mod mount;
mod owner;
mod pids;
mod process;
mod tree;

pub use cannot::{Cannot, cannot};
pub use cpu::Cpu;
pub use cpuset::Cpuset;
pub use delegated::{delegated, step_aside};
pub use devices::Devices;
pub(crate) use freezer::{CGROUP_FREEZE, FREEZER_STATE, frozen_in};
pub use freezer::{end, freeze, is_frozen, thaw};
pub(crate) use gpu::{device_nodes, is_gpu};
pub use hugetlb::Hugetlb;
pub use io::Io;
pub use layout::{Layout, Partitions};
pub use memory::Memory;
pub use mount::{CgroupMode, Cgroups, Controller, Place, Version};
pub use owner::{conflicting_owner, host_cgroups_on, strangers};
pub use pids::Pids;
pub use process::{Origin, enter, is_alive, members, nearest_living, origins, started};
pub use tree::Tree;
