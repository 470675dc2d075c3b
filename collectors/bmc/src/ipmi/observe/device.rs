//! Who the BMC is (Get Device ID) and how the chassis is (Get Chassis Status).

use crate::ipmi::bytes::{Bytes, DecodeError};
use crate::ipmi::client::Ipmi;
use crate::ipmi::command::{GET_CHASSIS_STATUS, GET_DEVICE_ID, GET_SYSTEM_GUID, Request};
use crate::ipmi::error::IpmiError;

/// Who the BMC says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Device id, the maker's own number.
    pub id: u8,
    /// Device revision.
    pub revision: u8,
    /// Firmware as `MAJOR.MINOR`.
    pub firmware: String,
    /// Whether the firmware is being updated; most commands then fail.
    pub is_updating: bool,
    /// Version of IPMI that it speaks, `2.0`.
    pub ipmi: String,
    /// The maker's number at IANA.
    pub manufacturer: u32,
    /// The maker's number of the product.
    pub product: u16,
    /// Whether it has an SDR repository, an event log, FRU inventories.
    pub has_repository: bool,
    /// Whether it keeps an event log.
    pub has_event_log: bool,
    /// Whether it keeps FRU inventories.
    pub has_inventory: bool,
}

/// How the chassis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chassis {
    /// Whether the node is on.
    pub is_on: bool,
    /// Whether power was lost by overload.
    pub overloaded: bool,
    /// Whether the power subsystem is faulted.
    pub power_fault: bool,
    /// Whether the drives are faulted.
    pub drive_fault: bool,
    /// Whether cooling is faulted.
    pub cooling_fault: bool,
    /// Whether the chassis is open.
    pub intrusion: bool,
    /// Whether the locate LED is lit, for a while or for good; `None` where the BMC does not tell.
    pub identify: Option<bool>,
    /// What it does when power returns; `None` where the BMC does not tell.
    pub restore: Option<Restore>,
}

/// What a chassis does when power returns (IPMI 2.0 table 28-3, bits 6:5 of the power state).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// It stays off.
    StaysOff,
    /// It is as it was before.
    LastState,
    /// It comes on.
    ComesOn,
}

/// Asks the BMC who it is.
///
/// # Errors
/// Where it does not answer, or with too little.
pub async fn device(ipmi: &Ipmi) -> Result<Device, IpmiError> {
    let data = ipmi.ask(&Request::new(GET_DEVICE_ID, [])).await?;
    decode_device(&data).map_err(|error| ipmi.malformed(GET_DEVICE_ID, error))
}

/// Asks how the chassis is.
///
/// # Errors
/// Where the BMC does not answer, or with too little.
pub async fn chassis(ipmi: &Ipmi) -> Result<Chassis, IpmiError> {
    let data = ipmi.ask(&Request::new(GET_CHASSIS_STATUS, [])).await?;
    decode_chassis(&data).map_err(|error| ipmi.malformed(GET_CHASSIS_STATUS, error))
}

/// Asks for the UUID of the whole node. The bytes are given in the order in which they came: which end is first, makers do not
/// agree on.
///
/// # Errors
/// Where the BMC does not answer, does not know it, or answers with too little.
pub async fn system_guid(ipmi: &Ipmi) -> Result<[u8; 16], IpmiError> {
    let data = ipmi.ask(&Request::new(GET_SYSTEM_GUID, [])).await?;
    Bytes::of("the system's GUID", &data)
        .array()
        .map_err(|error| ipmi.malformed(GET_SYSTEM_GUID, error))
}

pub(super) fn decode_device(data: &[u8]) -> Result<Device, DecodeError> {
    let mut bytes = Bytes::of("the device id", data);
    let (id, revision) = (bytes.u8()?, bytes.u8()? & 0x0F);
    let (major, minor) = (bytes.u8()?, bytes.u8()?);
    let version = bytes.u8()?;
    let support = bytes.u8()?;
    Ok(Device {
        id,
        revision,
        // The minor number is BCD.
        firmware: format!("{}.{minor:02x}", major & 0x7F),
        is_updating: major & 0x80 != 0,
        ipmi: format!("{}.{}", version & 0x0F, version >> 4),
        has_repository: support & 0x02 != 0,
        has_event_log: support & 0x04 != 0,
        has_inventory: support & 0x08 != 0,
        manufacturer: bytes.u24()? & 0x000F_FFFF,
        product: bytes.u16()?,
    })
}

pub(super) fn decode_chassis(data: &[u8]) -> Result<Chassis, DecodeError> {
    let mut bytes = Bytes::of("the chassis status", data);
    let (power, _last, other) = (bytes.u8()?, bytes.u8()?, bytes.u8()?);
    Ok(Chassis {
        is_on: power & 0x01 != 0,
        overloaded: power & 0x02 != 0,
        power_fault: power & 0x18 != 0,
        intrusion: other & 0x01 != 0,
        drive_fault: other & 0x04 != 0,
        cooling_fault: other & 0x08 != 0,
        // Bit 6: whether bits 5:4 mean anything.
        identify: (other & 0x40 != 0).then_some(other & 0x30 != 0),
        restore: match power & 0x60 {
            0x00 => Some(Restore::StaysOff),
            0x20 => Some(Restore::LastState),
            0x40 => Some(Restore::ComesOn),
            _ => None,
        },
    })
}
