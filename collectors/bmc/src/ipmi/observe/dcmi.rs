//! Power of the whole node and its limit (DCMI 1.5 section 6.6).

use std::time::Duration;

use facts::Power;

use crate::ipmi::bytes::{Bytes, DecodeError};
use crate::ipmi::client::{Ipmi, Reply};
use crate::ipmi::command::{DCMI_GET_POWER_LIMIT, DCMI_GET_POWER_READING, Request};
use crate::ipmi::error::IpmiError;

/// First byte of every DCMI request and answer.
pub(in crate::ipmi) const GROUP: u8 = 0xDC;
/// Completion code of Get Power Limit: there is a limit, and it is not in force. No error.
const NOT_ACTIVE: u8 = 0x80;

/// The node's power as its BMC measures it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerReading {
    /// Now.
    pub current: Power,
    /// Least over the statistics' time.
    pub least: Power,
    /// Most over the statistics' time.
    pub most: Power,
    /// Mean over the statistics' time.
    pub mean: Power,
    /// The BMC's clock, in seconds since 1970. BMCs without a clock give small numbers.
    pub timestamp: u32,
    /// The statistics' time.
    pub period: Duration,
    /// Whether the BMC measures at all: some say no and give zeros.
    pub is_measuring: bool,
}

/// What the BMC does where the limit cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionAction {
    /// Nothing.
    NoAction,
    /// It switches the node off. Recorded BMCs have this as their default.
    HardPowerOff,
    /// It writes an entry into its event log.
    LogEventOnly,
    /// What the maker wants.
    Oem(u8),
}

impl ExceptionAction {
    /// Whether the node runs on.
    pub const fn is_harmless(self) -> bool {
        matches!(self, ExceptionAction::NoAction | ExceptionAction::LogEventOnly)
    }

    pub(in crate::ipmi) const fn number(self) -> u8 {
        match self {
            ExceptionAction::NoAction => 0x00,
            ExceptionAction::HardPowerOff => 0x01,
            ExceptionAction::LogEventOnly => 0x11,
            ExceptionAction::Oem(number) => number,
        }
    }
}

impl From<u8> for ExceptionAction {
    fn from(number: u8) -> ExceptionAction {
        match number {
            0x00 => ExceptionAction::NoAction,
            0x01 => ExceptionAction::HardPowerOff,
            0x11 => ExceptionAction::LogEventOnly,
            number => ExceptionAction::Oem(number),
        }
    }
}

/// The node's power limit as its BMC holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerLimit {
    /// Whether it is in force.
    pub is_active: bool,
    /// What happens where it cannot be held.
    pub exception: ExceptionAction,
    /// The limit, in whole watts.
    pub watts: u16,
    /// How long it may be exceeded before the exception.
    pub correction: Duration,
    /// Over how long power is averaged for it.
    pub sampling: Duration,
}

/// The node's power now: one packet.
///
/// # Errors
/// Where the BMC does not answer, has no DCMI, or answers with too little.
pub async fn power(ipmi: &Ipmi) -> Result<PowerReading, IpmiError> {
    let data = ipmi
        .ask(&Request::new(DCMI_GET_POWER_READING, [GROUP, 1, 0, 0]))
        .await?;
    decode_power(&data).map_err(|error| ipmi.malformed(DCMI_GET_POWER_READING, error))
}

/// The node's power limit, in force or not; `None` where the BMC has none set.
///
/// # Errors
/// Where the BMC does not answer, has no DCMI, or answers with too little.
pub async fn power_limit(ipmi: &Ipmi) -> Result<Option<PowerLimit>, IpmiError> {
    let reply = ipmi
        .call(&Request::new(DCMI_GET_POWER_LIMIT, [GROUP, 0, 0]))
        .await?;
    match reply.completion {
        0 | NOT_ACTIVE => decode_limit(&reply).map_err(|error| ipmi.malformed(DCMI_GET_POWER_LIMIT, error)),
        code => Err(ipmi.completion(DCMI_GET_POWER_LIMIT, code)),
    }
}

fn group<'a>(what: &'static str, data: &'a [u8]) -> Result<Bytes<'a>, DecodeError> {
    let mut bytes = Bytes::of(what, data);
    match bytes.u8()? {
        GROUP => Ok(bytes),
        other => Err(DecodeError::wrong(
            "the group of a DCMI answer",
            format!("{other:02x}h"),
            "DCh",
        )),
    }
}

pub(super) fn decode_power(data: &[u8]) -> Result<PowerReading, DecodeError> {
    let mut bytes = group("a power reading", data)?;
    let mut watts = || {
        bytes
            .u16()
            .map(|watts| Power::from_milliwatts(u64::from(watts) * 1000))
    };
    let (current, least, most, mean) = (watts()?, watts()?, watts()?, watts()?);
    Ok(PowerReading {
        current,
        least,
        most,
        mean,
        timestamp: bytes.u32()?,
        period: Duration::from_millis(bytes.u32()?.into()),
        is_measuring: bytes.u8()? & 0x40 != 0,
    })
}

pub(super) fn decode_limit(reply: &Reply) -> Result<Option<PowerLimit>, DecodeError> {
    let is_active = reply.completion == 0;
    // Without an active limit some BMCs send the limit that is set, some only the group, some nothing.
    if !is_active && reply.data.len() <= 1 {
        return Ok(None);
    }
    let mut bytes = group("a power limit", &reply.data)?;
    bytes.skip(2)?;
    let exception = ExceptionAction::from(bytes.u8()?);
    let watts = bytes.u16()?;
    let correction = Duration::from_millis(bytes.u32()?.into());
    bytes.skip(2)?;
    let sampling = Duration::from_secs(bytes.u16()?.into());
    let limit = PowerLimit {
        is_active,
        exception,
        watts,
        correction,
        sampling,
    };
    Ok((is_active || watts != 0).then_some(limit))
}
