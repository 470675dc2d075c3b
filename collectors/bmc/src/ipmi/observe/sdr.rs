//! Sensor data records: which sensors there are, what their numbers mean, where their thresholds lie (IPMI 2.0 chapter 43).

use facts::Reading;

use super::formula::{Factors, Format, Formula, Linearisation};
use super::text;
use super::unit::Unit;
use crate::ipmi::bytes::{Bytes, DecodeError};
use crate::ipmi::message::BMC_ADDRESS;

/// Every record begins with id, version, type and the length of what follows.
pub(super) const HEADER: usize = 5;
/// Record types.
const FULL_SENSOR: u8 = 0x01;
const COMPACT_SENSOR: u8 = 0x02;
const EVENT_ONLY: u8 = 0x03;
const FRU_LOCATOR: u8 = 0x11;
/// A reading compared with thresholds; every other event type is a set of states.
const THRESHOLD: u8 = 0x01;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A sensor; a compact record that stands for several gives one each.
    Sensors(Vec<Sensor>),
    /// A FRU inventory.
    Fru(FruLocator),
    /// A sensor that only sends events and cannot be read.
    EventOnly {
        /// Its number.
        number: u8,
    },
    /// A record of another type.
    Other {
        /// The type.
        kind: u8,
    },
}

/// A sensor as its record describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// Id of the record: two sensors may have one name.
    pub record: u16,
    /// Slave address of whoever has it; 20h is the BMC itself.
    pub owner: u8,
    /// Logical unit there.
    pub lun: u8,
    /// Its number there.
    pub number: u8,
    /// Its name; `None` for a sensor without one.
    pub name: Option<String>,
    /// What it belongs to (table 43-13): 03h processor, 07h board, 0Ah power supply, 1Dh fan …
    pub entity: u8,
    /// Which of them.
    pub instance: u8,
    /// What it measures (table 42-3): 01h temperature, 02h voltage, 04h fan, 08h power supply …
    pub kind: u8,
    /// Event/reading type (table 42-1): 01h threshold, 6Fh states of the sensor's own kind.
    pub event: u8,
    /// Unit of the reading.
    pub unit: Unit,
    /// From raw byte to value; `None` where the sensor has states only.
    pub formula: Option<Formula>,
    /// Which states can come (discrete sensors).
    pub states: u16,
    /// Which thresholds can be read and which can be set.
    pub readable: Mask,
    /// Which thresholds can be set.
    pub settable: Mask,
    /// The thresholds as the record gives them; those in force are asked for with Get Sensor Thresholds.
    pub thresholds: Thresholds,
}

impl Sensor {
    /// Whether its reading is compared with thresholds.
    pub fn has_thresholds(&self) -> bool {
        self.event == THRESHOLD
    }

    /// Whether the BMC itself can be asked for it.
    pub fn is_local(&self) -> bool {
        self.owner == BMC_ADDRESS
    }
}

/// Six bits: lower non-critical, lower critical, lower non-recoverable, then the three upper ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask(pub u8);

/// Thresholds in the sensor's unit; `None` where there is no such threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Lower non-critical.
    pub lower_noncritical: Option<f64>,
    /// Lower critical.
    pub lower_critical: Option<f64>,
    /// Lower non-recoverable.
    pub lower_nonrecoverable: Option<f64>,
    /// Upper non-critical.
    pub upper_noncritical: Option<f64>,
    /// Upper critical.
    pub upper_critical: Option<f64>,
    /// Upper non-recoverable.
    pub upper_nonrecoverable: Option<f64>,
}

impl Thresholds {
    /// From raw bytes in the order of Get Sensor Thresholds, where the mask says that they mean something.
    pub(super) fn of(mask: Mask, raw: [u8; 6], formula: Option<&Formula>) -> Thresholds {
        let value = |bit: usize| {
            let known = mask.0 >> bit & 1 == 1;
            let raw = raw.get(bit).copied().filter(|_| known)?;
            formula.map(|formula| formula.value(raw)).and_then(Reading::value)
        };
        Thresholds {
            lower_noncritical: value(0),
            lower_critical: value(1),
            lower_nonrecoverable: value(2),
            upper_noncritical: value(3),
            upper_critical: value(4),
            upper_nonrecoverable: value(5),
        }
    }
}

/// Where a FRU inventory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FruLocator {
    /// Its id, for Read FRU Data.
    pub id: u8,
    /// Its name.
    pub name: Option<String>,
    /// What it belongs to.
    pub entity: u8,
    /// Which of them.
    pub instance: u8,
    /// Whether the BMC itself gives it (a logical device), and not a chip behind a bus.
    pub is_logical: bool,
}

/// Reads one whole record.
///
/// # Errors
/// Where it is cut short.
pub fn parse(record: &[u8]) -> Result<Record, DecodeError> {
    let mut bytes = Bytes::of("a sensor data record", record);
    let id = bytes.u16()?;
    bytes.skip(1)?;
    let kind = bytes.u8()?;
    let length = bytes.u8()?;
    let mut body = Bytes::of(
        "the body of a sensor data record",
        bytes.take(usize::from(length))?,
    );
    match kind {
        FULL_SENSOR => Ok(Record::Sensors(vec![full(id, &mut body)?])),
        COMPACT_SENSOR => compact(id, &mut body).map(Record::Sensors),
        EVENT_ONLY => {
            body.skip(2)?;
            Ok(Record::EventOnly { number: body.u8()? })
        }
        FRU_LOCATOR => fru(&mut body).map(Record::Fru),
        kind => Ok(Record::Other { kind }),
    }
}

/// What full and compact records share: everything before the fourth byte of the units.
fn shared(record: u16, body: &mut Bytes<'_>) -> Result<Sensor, DecodeError> {
    let owner = body.u8()?;
    let lun = body.u8()? & 3;
    let number = body.u8()?;
    let (entity, instance) = (body.u8()?, body.u8()?);
    body.skip(2)?;
    let (kind, event) = (body.u8()?, body.u8()?);
    body.skip(4)?;
    // Thresholds: what can be read, what can be set. States: which can be read.
    let [low, high] = body.array()?;
    let flags = body.u8()?;
    let (number_of_unit, modifier) = (body.u8()?, body.u8()?);
    let (states, readable, settable) = match event {
        THRESHOLD => (0, Mask(low & 0x3F), Mask(high & 0x3F)),
        _ => (u16::from_le_bytes([low, high]) & 0x7FFF, Mask(0), Mask(0)),
    };
    Ok(Sensor {
        record,
        owner,
        lun,
        number,
        name: None,
        entity,
        instance,
        kind,
        event,
        unit: Unit {
            number: number_of_unit,
            modifier,
            flags,
        },
        formula: None,
        states,
        readable,
        settable,
        thresholds: Thresholds::default(),
    })
}

fn full(id: u16, body: &mut Bytes<'_>) -> Result<Sensor, DecodeError> {
    let mut sensor = shared(id, body)?;
    let linearisation = Linearisation::from(body.u8()?);
    let factors = Factors::read(body)?;
    let format = Format::from(sensor.unit.flags);
    // Analogue characteristics, nominal and normal readings, the sensor's ends.
    body.skip(6)?;
    let [unr, uc, unc, lnr, lc, lnc] = body.array()?;
    // Hysteresis, reserved, the maker's byte.
    body.skip(5)?;
    sensor.name = text::name(body)?;
    sensor.formula = (format != Format::None).then_some(Formula {
        format,
        linearisation,
        factors,
    });
    let raw = [lnc, lc, lnr, unc, uc, unr];
    // The factors of a non-linear sensor hold for one reading only, not for its thresholds.
    let formula = sensor
        .formula
        .as_ref()
        .filter(|formula| formula.linearisation != Linearisation::NonLinear);
    sensor.thresholds = Thresholds::of(sensor.readable, raw, formula);
    Ok(sensor)
}

/// A compact record stands for as many sensors as its share count says, with consecutive numbers (section 43.2).
fn compact(id: u16, body: &mut Bytes<'_>) -> Result<Vec<Sensor>, DecodeError> {
    let sensor = shared(id, body)?;
    let (sharing, instances) = (body.u8()?, body.u8()?);
    // Hysteresis, reserved, the maker's byte.
    body.skip(6)?;
    let name = text::name(body)?;
    let count = (sharing & 0x0F).max(1);
    let first = instances & 0x7F;
    let each = |at: u8| {
        let suffix = match (count, (sharing >> 4) & 3) {
            (1, _) => String::new(),
            // Letters: A to Z, then AA …; a share count has four bits, so one letter or two are enough.
            (_, 1) => letters(u16::from(first) + u16::from(at)),
            (_, _) => (u16::from(first) + u16::from(at)).to_string(),
        };
        Sensor {
            number: sensor.number.wrapping_add(at),
            instance: match instances & 0x80 {
                0 => sensor.instance,
                _ => sensor.instance.wrapping_add(at),
            },
            name: name.as_ref().map(|name| format!("{name}{suffix}")),
            ..sensor.clone()
        }
    };
    Ok((0..count).map(each).collect())
}

fn letters(number: u16) -> String {
    let letter = |at: u16| u8::try_from(at % 26).map_or('?', |at| char::from(b'A' + at));
    match number / 26 {
        0 => letter(number).to_string(),
        more => [letter(more - 1), letter(number)].iter().collect(),
    }
}

fn fru(body: &mut Bytes<'_>) -> Result<FruLocator, DecodeError> {
    body.skip(1)?;
    let id = body.u8()?;
    let is_logical = body.u8()? & 0x80 != 0;
    // Channel, reserved, device type and its modifier.
    body.skip(4)?;
    let (entity, instance) = (body.u8()?, body.u8()?);
    body.skip(1)?;
    Ok(FruLocator {
        id,
        is_logical,
        entity,
        instance,
        name: text::name(body)?,
    })
}
