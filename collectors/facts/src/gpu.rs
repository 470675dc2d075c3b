//! Accelerators.

use serde::{Deserialize, Serialize};

use crate::identity::{Identity, NumaNodeId, PciAddress};
use crate::unit::Bytes;

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The driver's universally unique id, where a driver is loaded.
    pub uuid: Option<String>,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// PCI vendor and device id, as in `10de:2330`.
    pub pci_id: Option<String>,
    /// The NUMA node it is near.
    pub numa_node: Option<NumaNodeId>,
    /// What the OS calls it today, where a driver is loaded.
    pub device: Option<String>,
    /// Its memory, where a driver tells.
    pub memory_bytes: Option<Bytes>,
}
