//! The commands that we send, each with its numbers, its name, and whether it may be sent twice.

use std::fmt;

/// Whether a command whose answer did not come may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing: it may.
    Read,
    /// It changes something: it is sent once, and silence is an error that says so.
    Act,
}

/// One command of the IPMI 2.0 specification (appendix G) or of DCMI 1.5 (table 6-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Network function of the request; the answer's is one more.
    pub netfn: u8,
    /// Command number.
    pub code: u8,
    /// Its name in the specification.
    pub name: &'static str,
    /// Whether it may be sent twice.
    pub repeat: Repeat,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Command {
            netfn, code, name, ..
        } = self;
        write!(f, "{name} (NetFn {netfn:02X}h, cmd {code:02X}h)")
    }
}

/// A command with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Logical unit of the BMC; 0 but for sensors that say otherwise.
    pub lun: u8,
    /// The request data.
    pub data: Vec<u8>,
}

impl Request {
    /// A request to logical unit 0.
    pub fn new(command: Command, data: impl Into<Vec<u8>>) -> Request {
        Request {
            command,
            lun: 0,
            data: data.into(),
        }
    }
}

const fn read(netfn: u8, code: u8, name: &'static str) -> Command {
    Command {
        netfn,
        code,
        name,
        repeat: Repeat::Read,
    }
}

const fn act(netfn: u8, code: u8, name: &'static str) -> Command {
    Command {
        netfn,
        code,
        name,
        repeat: Repeat::Act,
    }
}

/// Chassis power and faults.
pub const GET_CHASSIS_STATUS: Command = read(0x00, 0x01, "Get Chassis Status");
/// Node off, on, or asked to end.
pub const CHASSIS_CONTROL: Command = act(0x00, 0x02, "Chassis Control");
/// The locate LED.
pub const CHASSIS_IDENTIFY: Command = act(0x00, 0x04, "Chassis Identify");
/// Factors of a sensor whose formula depends on its reading.
pub const GET_SENSOR_READING_FACTORS: Command = read(0x04, 0x23, "Get Sensor Reading Factors");
/// Thresholds in force.
pub const GET_SENSOR_THRESHOLDS: Command = read(0x04, 0x27, "Get Sensor Thresholds");
/// One sensor now.
pub const GET_SENSOR_READING: Command = read(0x04, 0x2D, "Get Sensor Reading");
/// Who the BMC is.
pub const GET_DEVICE_ID: Command = read(0x06, 0x01, "Get Device ID");
/// The UUID of the whole node, as in its SMBIOS.
pub const GET_SYSTEM_GUID: Command = read(0x06, 0x37, "Get System GUID");
/// The cipher suites of a channel.
pub const GET_CHANNEL_CIPHER_SUITES: Command = read(0x06, 0x54, "Get Channel Cipher Suites");
/// What this session may do.
pub const SET_SESSION_PRIVILEGE_LEVEL: Command = read(0x06, 0x3B, "Set Session Privilege Level");
/// The end of this session.
pub const CLOSE_SESSION: Command = act(0x06, 0x3C, "Close Session");
/// Size of a FRU inventory.
pub const GET_FRU_INVENTORY_AREA_INFO: Command = read(0x0A, 0x10, "Get FRU Inventory Area Info");
/// A piece of a FRU inventory.
pub const READ_FRU_DATA: Command = read(0x0A, 0x11, "Read FRU Data");
/// Size and last change of the SDR repository.
pub const GET_SDR_REPOSITORY_INFO: Command = read(0x0A, 0x20, "Get SDR Repository Info");
/// The right to read records in pieces. A second one only makes the first void, so it may be repeated.
pub const RESERVE_SDR_REPOSITORY: Command = read(0x0A, 0x22, "Reserve SDR Repository");
/// A piece of a record.
pub const GET_SDR: Command = read(0x0A, 0x23, "Get SDR");
/// Size and last change of the event log.
pub const GET_SEL_INFO: Command = read(0x0A, 0x40, "Get SEL Info");
/// One entry of the event log.
pub const GET_SEL_ENTRY: Command = read(0x0A, 0x43, "Get SEL Entry");
/// Power of the whole node.
pub const DCMI_GET_POWER_READING: Command = read(0x2C, 0x02, "DCMI Get Power Reading");
/// The power limit and what exceeding it does.
pub const DCMI_GET_POWER_LIMIT: Command = read(0x2C, 0x03, "DCMI Get Power Limit");
/// Another power limit.
pub const DCMI_SET_POWER_LIMIT: Command = act(0x2C, 0x04, "DCMI Set Power Limit");
/// Puts the power limit in force, or out of it.
pub const DCMI_ACTIVATE_POWER_LIMIT: Command = act(0x2C, 0x05, "DCMI Activate/Deactivate Power Limit");

/// What a completion code means (IPMI 2.0 table 5-2).
pub(super) fn completion(code: u8) -> &'static str {
    match code {
        0x00 => "done",
        0xC0 => "node busy",
        0xC1 => "invalid command",
        0xC2 => "invalid command for this logical unit",
        0xC3 => "timeout inside the BMC",
        0xC4 => "out of space",
        0xC5 => "reservation cancelled or invalid",
        0xC6 => "request data cut off",
        0xC7 => "request data of a wrong length",
        0xC8 => "request data too long",
        0xC9 => "parameter out of range",
        0xCA => "cannot return that many bytes",
        0xCB => "no such sensor, data or record",
        0xCC => "invalid data field",
        0xCD => "command illegal for this sensor or record",
        0xCE => "no answer could be provided",
        0xCF => "duplicated request",
        0xD0 => "SDR repository in update",
        0xD1 => "device in firmware update",
        0xD2 => "BMC initialising",
        0xD3 => "destination unavailable",
        0xD4 => "insufficient privilege",
        0xD5 => "not possible in the present state",
        0xD6 => "disabled or unavailable sub-function",
        0xFF => "unspecified error",
        0x80..=0xBE => "specific to the command",
        0x01..=0x7E => "specific to the maker",
        0x7F | 0xBF | 0xD7..=0xFE => "reserved",
    }
}
