//! Network interfaces with hardware behind them.

use serde::{Deserialize, Serialize};

use crate::identity::{NumaNodeId, PciAddress};

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// What the OS calls it today: `eth0`.
    pub device: String,
    /// Hardware address (`address` in sysfs).
    pub mac: Option<String>,
    /// Where it sits: its PCI function.
    pub pci: Option<PciAddress>,
    /// PCI vendor and device id, as in `8086:1572`.
    pub pci_id: Option<String>,
    /// The NUMA node it is near.
    pub numa_node: Option<NumaNodeId>,
    /// The kernel driver.
    pub driver: Option<String>,
    /// Link speed in megabits a second (`speed`); `None` where the driver does not know it or the link is down.
    pub speed_megabits: Option<u64>,
    /// `operstate` in sysfs: `up`, `down`, `unknown` …
    pub state: String,
    /// SR-IOV: virtual functions in use and the most there can be (`sriov_numvfs`, `sriov_totalvfs`).
    pub virtual_functions: Option<(u32, u32)>,
}
