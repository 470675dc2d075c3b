//! Drives over NVMe-oF (TCP): lent to another node by the kernel's target, and taken into use there by its initiator.
//!
//! Admission stands at the target alone: a drive's subsystem lets one host in, and a drive that nobody holds has no subsystem at all.
//! Withdrawing begins with the link to the port, because that ends what is connected; taking a host out of `allowed_hosts` does not.

mod configfs;
pub mod initiator;
pub mod keys;
mod name;
mod step;
pub mod target;

pub use name::{DriveIdentity, HostId, NotAName, Nqn, OURS};
pub use step::{Connect, FabricStep, Peer};
pub(crate) use step::{DELETE_CONTROLLER, FABRICS, NVME, SUBSYSNQN};
