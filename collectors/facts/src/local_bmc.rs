//! A node's own BMC, as the node sees it from inside: who it is, its supplies, its event log, and what it says of the node.

use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::moment::Moment;
use crate::reading::Reading;
use crate::supply::SupplyState;
use crate::unit::{Bytes, Power};

/// Everything that a node's own BMC says and that is no number of a sensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalBmc {
    /// The kernel's device, `/dev/ipmi0`; `None` where only Redfish was asked.
    pub device: Option<String>,
    /// Its firmware (Get Device ID), `MAJOR.MINOR`.
    pub firmware: Option<String>,
    /// Version of IPMI that it speaks.
    pub ipmi_version: Option<String>,
    /// The maker's number at IANA.
    pub manufacturer_id: Option<u32>,
    /// The maker's number of the product.
    pub product_id: Option<u16>,
    /// The node's UUID as it believes (Get System GUID), in the order of its bytes as they came.
    pub guid: Option<String>,
    /// Its FRU inventories, the one of the node itself (id 0) first.
    pub inventories: Vec<FruIdentity>,
    /// Power supplies.
    pub supplies: Vec<LocalSupply>,
    /// Its event log.
    pub event_log: Option<EventLog>,
    /// How the chassis is.
    pub chassis: Option<ChassisState>,
    /// What it says of the node over Redfish, where it was asked there.
    pub redfish: Option<RedfishSystem>,
}

/// One FRU inventory: who made what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FruIdentity {
    /// Its id; 0 is the node itself.
    pub id: u8,
    /// The name of its locator, where there is one.
    pub name: Option<String>,
    /// Serial number of the chassis.
    pub chassis_serial: Option<String>,
    /// The board.
    pub board: Identity,
    /// The product.
    pub product: Identity,
    /// The owner's own number.
    pub asset: Option<String>,
    /// What a power supply can deliver, where this is one.
    pub rated_watts: Option<Power>,
}

/// One power supply of the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalSupply {
    /// The name of its sensor, or of its bay.
    pub name: String,
    /// How it is.
    pub state: SupplyState,
    /// What it draws now, where it has a sensor for that.
    pub input_watts: Reading<Power>,
    /// What it can deliver, where its inventory tells.
    pub rated_watts: Reading<Power>,
}

/// How full the BMC's event log is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLog {
    /// Entries.
    pub entries: u64,
    /// Free space; 65535 means that much or more.
    pub free_bytes: Bytes,
    /// Whether events were lost because it was full.
    pub overflowed: bool,
    /// When the last entry was written, by the BMC's clock; `None` where that clock was never set.
    pub last: Option<Moment>,
}

/// How the chassis is (Get Chassis Status).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChassisState {
    /// Power was lost by overload.
    pub overloaded: bool,
    /// The power subsystem is faulted.
    pub power_fault: bool,
    /// Drives are faulted.
    pub drive_fault: bool,
    /// Cooling is faulted.
    pub cooling_fault: bool,
    /// The chassis is open.
    pub intrusion: bool,
    /// The locate LED is lit; `None` where the BMC does not tell.
    pub identify: Option<bool>,
}

impl ChassisState {
    /// Its faults, each with its word.
    pub fn faults(&self) -> [(&'static str, bool); 5] {
        [
            ("overload", self.overloaded),
            ("power", self.power_fault),
            ("drive", self.drive_fault),
            ("cooling", self.cooling_fault),
            ("intrusion", self.intrusion),
        ]
    }
}

/// What the BMC says of the node over Redfish (`ComputerSystem`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedfishSystem {
    /// The resource's address.
    pub resource: String,
    /// `UUID`.
    pub uuid: Option<String>,
    /// `SerialNumber`.
    pub serial: Option<String>,
    /// `Manufacturer`.
    pub maker: Option<String>,
    /// `Model`.
    pub model: Option<String>,
    /// `BiosVersion`.
    pub bios_version: Option<String>,
    /// `PowerState`, as written.
    pub power_state: Option<String>,
    /// `ProcessorSummary.Count`.
    pub packages: Option<u32>,
    /// `ProcessorSummary.CoreCount`.
    pub cores: Option<u32>,
    /// `ProcessorSummary.LogicalProcessorCount`.
    pub cpus: Option<u32>,
    /// `MemorySummary.TotalSystemMemoryGiB`.
    pub memory_bytes: Option<Bytes>,
}
