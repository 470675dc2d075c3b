//! Drives: block devices that hold data by themselves, and how they feel.

mod health;
mod name;

pub use health::{DriveHealth, DriveState, DriveWarning};
pub use name::{DriveNames, Eui64, Nguid, NotADriveName, Wwn};

use serde::{Deserialize, Serialize};

use crate::identity::{Identity, NumaNodeId, PciAddress};
use crate::unit::Bytes;

/// One drive of this node, as the kernel's block layer shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The kernel's own name of it for ever (`wwid` in sysfs), as it writes it: `naa.…`, `eui.…`, `uuid.…`, `t10.…`, `nvme.…`.
    pub wwid: Option<String>,
    /// The names that its maker gave to it alone, each apart.
    #[serde(default)]
    pub names: DriveNames,
    /// Where it sits: the PCI function it hangs from.
    pub pci: Option<PciAddress>,
    /// The NUMA node it is near.
    pub numa_node: Option<NumaNodeId>,
    /// What the OS calls it today: `nvme0n1`; of an NVMe controller without a namespace, the controller's: `nvme0`.
    pub device: String,
    /// NVMe controllers that lead to it, the one that is asked first in front: `nvme0`. Empty for all other drives.
    #[serde(default)]
    pub controllers: Vec<String>,
    /// `nvme`, `sata`, `sas`, `usb`, `virtio`, `mmc` …; `None` where it cannot be told.
    pub transport: Option<String>,
    /// Size (`size` in sysfs, 512-byte sectors).
    pub size_bytes: Bytes,
    /// The smallest part of it that can be addressed (`queue/logical_block_size`).
    #[serde(default)]
    pub logical_block_bytes: Option<u32>,
    /// The smallest part of it that is written without reading (`queue/physical_block_size`).
    #[serde(default)]
    pub physical_block_bytes: Option<u32>,
    /// Whether it turns (`queue/rotational`).
    pub rotational: Option<bool>,
    /// Whether it can be taken out (`removable`).
    pub removable: bool,
    /// Firmware revision, where the kernel shows it.
    pub firmware: Option<String>,
    /// How it feels, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<DriveHealth>>,
}
