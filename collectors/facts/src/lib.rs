//! What is: the pure nouns of a server and its parts. No file, no socket, no clock, no thread.

mod agreement;
pub mod archive;
pub mod cpuset;
pub mod doubt;
pub mod drive;
pub mod filler;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod gpu;
pub mod identity;
pub mod inventory;
pub mod labels;
pub mod local_bmc;
pub mod mask;
pub mod memory_module;
pub mod metric;
pub mod moment;
pub mod nic;
pub mod observation;
pub mod pci;
pub mod power;
pub mod reading;
mod schema;
pub mod sheet;
pub mod supply;
pub mod topology;
pub mod unit;

pub use agreement::is_same_uuid;
pub use cpuset::{CpuSet, NumaSet};
pub use doubt::Doubt;
pub use identity::{CoreId, CpuId, Identity, NumaNodeId, PackageId, PciAddress};
pub use inventory::Inventory;
pub use labels::Labels;
pub use metric::Family;
pub use moment::Moment;
pub use observation::{Source, SourceStatus};
pub use reading::{NoData, Reading};
pub use sheet::{Number, Pad, Sheet};
pub use unit::{Bytes, Energy, Power};
