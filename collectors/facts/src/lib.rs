//! What is: the pure nouns of a server and its parts. No file, no socket, no clock, no thread.

pub mod cpuset;
pub mod drive;
pub mod gpu;
pub mod identity;
pub mod inventory;
pub mod moment;
pub mod nic;
pub mod observation;
pub mod power;
pub mod reading;
pub mod supply;
pub mod topology;
pub mod unit;

pub use cpuset::{CpuSet, NumaSet};
pub use identity::{CoreId, CpuId, Identity, NumaNodeId, PackageId, PciAddress};
pub use inventory::Inventory;
pub use moment::Moment;
pub use observation::{Source, SourceStatus};
pub use reading::{NoData, Reading};
pub use unit::{Bytes, Energy, Power};
