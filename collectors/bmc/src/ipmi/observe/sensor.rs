//! One sensor now: its value or its states, or the reason why there is none.

use facts::supply::SupplyState;
use facts::{NoData, Reading};

use super::formula::{Factors, Formula, Linearisation};
use super::sdr::{Mask, Sensor, Thresholds};
use crate::ipmi::bytes::{Bytes, DecodeError};
use crate::ipmi::client::Ipmi;
use crate::ipmi::command::{
    Command, GET_SENSOR_READING, GET_SENSOR_READING_FACTORS, GET_SENSOR_THRESHOLDS, Request,
};
use crate::ipmi::error::IpmiError;

/// Sensor type of power supplies.
pub const POWER_SUPPLY: u8 = 0x08;
/// Event type of states that belong to the sensor's own type.
const SENSOR_SPECIFIC: u8 = 0x6F;

/// What Get Sensor Reading answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The raw byte.
    pub reading: u8,
    /// Whether the BMC watches the sensor at all.
    pub scanning: bool,
    /// Whether the BMC itself says that the reading means nothing.
    pub unavailable: bool,
    /// Thresholds passed (six bits), or states asserted (fifteen).
    pub states: u16,
}

/// One sensor as it was just read.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorReading {
    /// The value in the sensor's unit; unsupported for a sensor that has states only.
    pub value: Reading<f64>,
    /// Thresholds that are passed (`Mask` order), or states that are asserted.
    pub states: Reading<u16>,
}

impl SensorReading {
    /// Both missing for one reason.
    pub fn none(no_data: NoData) -> SensorReading {
        SensorReading {
            value: Reading::none(no_data),
            states: Reading::none(no_data),
        }
    }
}

/// Reads the answer's data. Old BMCs leave out the states.
pub(super) fn decode(data: &[u8]) -> Result<Raw, DecodeError> {
    let mut bytes = Bytes::of("a sensor reading", data);
    let (reading, flags) = (bytes.u8()?, bytes.u8()?);
    let low = bytes.u8().unwrap_or_default();
    let high = bytes.u8().unwrap_or_default();
    Ok(Raw {
        reading,
        scanning: flags & 0x40 != 0,
        unavailable: flags & 0x20 != 0,
        states: u16::from_le_bytes([low, high]),
    })
}

/// What a raw reading means for a sensor.
pub(super) fn meaning(sensor: &Sensor, formula: Option<&Formula>, raw: Raw) -> SensorReading {
    if raw.unavailable {
        return SensorReading::none(NoData::Absent);
    }
    if !raw.scanning {
        return SensorReading::none(NoData::Off);
    }
    // Of a threshold sensor only six bits mean something, of the others fifteen.
    let known = if sensor.has_thresholds() { 0x3F } else { 0x7FFF };
    SensorReading {
        value: formula.map_or(Reading::none(NoData::Unsupported), |formula| {
            formula.value(raw.reading)
        }),
        states: Reading::Value(raw.states & known),
    }
}

/// Reads one sensor: one packet, and a second one for its factors where they depend on the reading.
///
/// # Errors
/// Where the BMC does not answer, or answers with an error or too little.
pub async fn reading(ipmi: &Ipmi, sensor: &Sensor) -> Result<SensorReading, IpmiError> {
    if !sensor.is_local() {
        // Behind another controller; we do not bridge.
        return Ok(SensorReading::none(NoData::Unsupported));
    }
    let data = ask(ipmi, sensor, GET_SENSOR_READING, vec![sensor.number]).await?;
    let raw = decode(&data).map_err(|error| ipmi.malformed(GET_SENSOR_READING, error))?;
    let usable = raw.scanning && !raw.unavailable;
    let formula = match sensor.formula {
        Some(formula) if formula.linearisation == Linearisation::NonLinear && usable => {
            let request = vec![sensor.number, raw.reading];
            let data = ask(ipmi, sensor, GET_SENSOR_READING_FACTORS, request).await?;
            let factors =
                decode_factors(&data).map_err(|error| ipmi.malformed(GET_SENSOR_READING_FACTORS, error))?;
            Some(Formula { factors, ..formula })
        }
        formula => formula,
    };
    Ok(meaning(sensor, formula.as_ref(), raw))
}

/// The thresholds in force, which may differ from those in the record.
///
/// # Errors
/// Where the BMC does not answer, or answers with an error or too little.
pub async fn thresholds(ipmi: &Ipmi, sensor: &Sensor) -> Result<Thresholds, IpmiError> {
    let data = ask(ipmi, sensor, GET_SENSOR_THRESHOLDS, vec![sensor.number]).await?;
    let (mask, raw) =
        decode_thresholds(&data).map_err(|error| ipmi.malformed(GET_SENSOR_THRESHOLDS, error))?;
    Ok(Thresholds::of(mask, raw, sensor.formula.as_ref()))
}

pub(super) fn decode_thresholds(data: &[u8]) -> Result<(Mask, [u8; 6]), DecodeError> {
    let mut bytes = Bytes::of("the thresholds", data);
    Ok((Mask(bytes.u8()? & 0x3F), bytes.array()?))
}

/// The first byte is the next reading that has other factors.
pub(super) fn decode_factors(data: &[u8]) -> Result<Factors, DecodeError> {
    let mut bytes = Bytes::of("the reading factors", data);
    bytes.skip(1)?;
    Factors::read(&mut bytes)
}

async fn ask(ipmi: &Ipmi, sensor: &Sensor, command: Command, data: Vec<u8>) -> Result<Vec<u8>, IpmiError> {
    let lun = sensor.lun;
    ipmi.ask(&Request { command, lun, data }).await
}

/// How a power supply is, from the states of its sensor (IPMI 2.0 table 42-3, type 08h); `None` for another sensor.
pub fn supply_state(sensor: &Sensor, reading: &SensorReading) -> Option<SupplyState> {
    const PRESENT: u16 = 1 << 0;
    const FAILED: u16 = 1 << 1;
    const INPUT_LOST: u16 = 1 << 3;
    const INPUT_LOST_OR_OUT_OF_RANGE: u16 = 1 << 4;
    const INPUT_OUT_OF_RANGE: u16 = 1 << 5;
    const MISMATCHED: u16 = 1 << 6;
    const INACTIVE: u16 = 1 << 7;
    if (sensor.kind, sensor.event) != (POWER_SUPPLY, SENSOR_SPECIFIC) {
        return None;
    }
    let Some(states) = reading.states.value() else {
        return Some(SupplyState::Unknown);
    };
    let any = |bits: u16| states & bits != 0;
    // A BMC that cannot tell presence says nothing by leaving the bit out.
    let tells_presence = sensor.states & PRESENT != 0;
    Some(match () {
        () if tells_presence && !any(PRESENT) => SupplyState::Absent,
        // Before failure: a recorded BMC asserts both when only the feed is gone.
        () if any(INPUT_LOST | INPUT_LOST_OR_OUT_OF_RANGE | INPUT_OUT_OF_RANGE) => SupplyState::InputLost,
        () if any(FAILED | MISMATCHED) => SupplyState::Faulted,
        () if any(INACTIVE) => SupplyState::Off,
        () if tells_presence => SupplyState::Ok,
        () => SupplyState::Unknown,
    })
}
