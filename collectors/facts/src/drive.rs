//! Drives: block devices that hold data by themselves.

use serde::{Deserialize, Serialize};

use crate::identity::{Identity, NumaNodeId, PciAddress};
use crate::unit::Bytes;

/// One drive of this node, as the kernel's block layer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// World-wide name, NGUID or EUI-64 (`wwid` in sysfs), where the drive has one.
    pub wwid: Option<String>,
    /// Where it sits: the PCI function it hangs from.
    pub pci: Option<PciAddress>,
    /// The NUMA node it is near.
    pub numa_node: Option<NumaNodeId>,
    /// What the OS calls it today: `nvme0n1`.
    pub device: String,
    /// `nvme`, `sata`, `sas`, `usb`, `virtio`, `mmc` …; `None` where it cannot be told.
    pub transport: Option<String>,
    /// Size (`size` in sysfs, 512-byte sectors).
    pub size_bytes: Bytes,
    /// Whether it turns (`queue/rotational`).
    pub rotational: Option<bool>,
    /// Whether it can be taken out (`removable`).
    pub removable: bool,
    /// Firmware revision, where the kernel shows it.
    pub firmware: Option<String>,
}
