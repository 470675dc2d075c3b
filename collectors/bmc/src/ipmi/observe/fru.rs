//! FRU inventories: who made the chassis, the board, the product, and what a supply delivers (FRU storage definition 1.3).

use facts::Power;

use super::text;
use crate::ipmi::bytes::{Bytes, DecodeError, checksum};
use crate::ipmi::client::Ipmi;
use crate::ipmi::command::{GET_FRU_INVENTORY_AREA_INFO, READ_FRU_DATA, Request};
use crate::ipmi::error::IpmiError;

/// How much of an inventory is read. Recorded ones have 256 bytes to 4 KiB; the rest of a larger chip is empty.
const MAX_BYTES: usize = 8192;
/// How much is asked for at once, and how little at least.
const MOST_AT_ONCE: u8 = 64;
const LEAST_AT_ONCE: u8 = 8;
/// Completion codes that mean *less at once*.
const TOO_MUCH: [u8; 4] = [0xCA, 0xC7, 0xC8, 0xFF];
/// Version 1 of every area; the high bits are reserved.
const VERSION: u8 = 0x01;
/// Areas are counted in units of this many bytes.
const UNIT: usize = 8;
/// A field with this type and length ends an area.
const END_OF_FIELDS: u8 = 0xC1;
/// Most fields in one area: an area has at most 255 · 8 bytes, and a maker's own fields are few.
const MAX_FIELDS: usize = 64;
/// Most records in the multi-record area; recorded inventories have up to a dozen.
const MAX_RECORDS: usize = 64;
/// Multi-record type of power supplies.
const POWER_SUPPLY_RECORD: u8 = 0x00;

/// One inventory. Empty fields are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Part number of the chassis.
    pub chassis_part: Option<String>,
    /// Serial number of the chassis.
    pub chassis_serial: Option<String>,
    /// The board: maker, product, serial, part number.
    pub board: Maker,
    /// The product: maker, name, serial, part number.
    pub product: Maker,
    /// The product's version.
    pub version: Option<String>,
    /// The owner's own number.
    pub asset: Option<String>,
    /// What a power supply can deliver, where this is one.
    pub supply_capacity: Option<Power>,
    /// Areas that are not what they should be: a wrong checksum, a cut.
    pub doubts: Vec<String>,
}

/// Who made a part and which it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maker {
    /// Maker.
    pub manufacturer: Option<String>,
    /// Product name.
    pub name: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Part or model number.
    pub part: Option<String>,
}

/// Reads a FRU inventory and what it says.
///
/// # Errors
/// Where the BMC does not answer, has no such inventory, or its head is not one. Damaged areas become doubts.
pub async fn inventory(ipmi: &Ipmi, id: u8) -> Result<Inventory, IpmiError> {
    let info = ipmi.ask(&Request::new(GET_FRU_INVENTORY_AREA_INFO, [id])).await?;
    let (size, by_words) =
        decode_info(&info).map_err(|error| ipmi.malformed(GET_FRU_INVENTORY_AREA_INFO, error))?;
    let size = usize::from(size).min(MAX_BYTES);
    // Where the chip is read by words, offsets and counts are in words.
    let unit = if by_words { 2 } else { 1 };
    let mut image = Vec::with_capacity(size);
    let mut at_once = MOST_AT_ONCE;
    while image.len() < size {
        let left = u8::try_from(size - image.len()).unwrap_or(u8::MAX);
        let count = (left.min(at_once) / unit).max(1);
        let offset = u16::try_from(image.len() / usize::from(unit)).unwrap_or(u16::MAX);
        let [low, high] = offset.to_le_bytes();
        let reply = ipmi
            .call(&Request::new(READ_FRU_DATA, [id, low, high, count]))
            .await?;
        match reply.completion {
            0 => {
                let mut bytes = Bytes::of("a piece of an inventory", &reply.data);
                let malformed = |error| ipmi.malformed(READ_FRU_DATA, error);
                let came = usize::from(bytes.u8().map_err(malformed)?) * usize::from(unit);
                let piece = bytes.take(came.min(bytes.left())).map_err(malformed)?;
                if piece.is_empty() {
                    break;
                }
                image.extend_from_slice(piece);
            }
            code if TOO_MUCH.contains(&code) && at_once > LEAST_AT_ONCE => at_once /= 2,
            code => return Err(ipmi.completion(READ_FRU_DATA, code)),
        }
    }
    parse(&image).map_err(|error| ipmi.malformed(READ_FRU_DATA, error))
}

pub(super) fn decode_info(data: &[u8]) -> Result<(u16, bool), DecodeError> {
    let mut bytes = Bytes::of("the inventory's size", data);
    Ok((bytes.u16()?, bytes.u8()? & 1 == 1))
}

/// Reads an inventory's bytes.
///
/// # Errors
/// Where the common header is missing, of another version, or has a wrong checksum.
pub fn parse(image: &[u8]) -> Result<Inventory, DecodeError> {
    let header: [u8; 8] = Bytes::of("an inventory", image).array()?;
    if header[0] & 0x0F != VERSION || checksum(&header) != 0 {
        let got = format!("version {} with checksum {:02x}h", header[0], header[7]);
        return Err(DecodeError::wrong(
            "the head of an inventory",
            got,
            "version 1 with the right checksum",
        ));
    }
    let [_, _, chassis, board, product, records, ..] = header;
    let mut found = Inventory::default();
    let mut fields = |what: &'static str, start: u8, skip: usize| match area(what, image, start, skip) {
        Ok(fields) => fields,
        Err(error) => {
            found.doubts.push(error.to_string());
            Vec::new()
        }
    };
    // Before the fields: version, length, then the chassis' type, the board's language and date, the product's language.
    let mut chassis = fields("the chassis area", chassis, 3).into_iter();
    let mut board = fields("the board area", board, 6).into_iter();
    let mut product = fields("the product area", product, 3).into_iter();
    (found.chassis_part, found.chassis_serial) = (next(&mut chassis), next(&mut chassis));
    (found.board.manufacturer, found.board.name) = (next(&mut board), next(&mut board));
    (found.board.serial, found.board.part) = (next(&mut board), next(&mut board));
    (found.product.manufacturer, found.product.name) = (next(&mut product), next(&mut product));
    (found.product.part, found.version) = (next(&mut product), next(&mut product));
    (found.product.serial, found.asset) = (next(&mut product), next(&mut product));
    match supply_capacity(image, records) {
        Ok(capacity) => found.supply_capacity = capacity,
        Err(error) => found.doubts.push(error.to_string()),
    }
    Ok(found)
}

/// The next field; an area that has no more is as one whose next field is empty.
fn next(fields: &mut std::vec::IntoIter<Option<String>>) -> Option<String> {
    fields.next().flatten()
}

/// The fields of one area; none where it does not exist.
fn area(
    what: &'static str,
    image: &[u8],
    start: u8,
    skip: usize,
) -> Result<Vec<Option<String>>, DecodeError> {
    if start == 0 {
        return Ok(Vec::new());
    }
    let mut bytes = Bytes::of(what, image);
    bytes.skip(usize::from(start) * UNIT)?;
    let mut head = bytes.clone();
    head.skip(1)?;
    let length = usize::from(head.u8()?) * UNIT;
    let whole = bytes.take(length)?;
    if length == 0 || checksum(whole) != 0 {
        return Err(DecodeError::wrong(
            what,
            format!("{length} bytes long with a wrong checksum"),
            "the right checksum",
        ));
    }
    let mut bytes = Bytes::of(what, whole);
    bytes.skip(skip)?;
    let mut fields = Vec::new();
    while fields.len() < MAX_FIELDS {
        let head = bytes.u8()?;
        if head == END_OF_FIELDS {
            break;
        }
        fields.push(text::decode(head, bytes.take(usize::from(head & 0x3F))?));
    }
    Ok(fields)
}

/// The overall capacity in the first power supply record.
fn supply_capacity(image: &[u8], start: u8) -> Result<Option<Power>, DecodeError> {
    const WHAT: &str = "the multi-record area";
    if start == 0 {
        return Ok(None);
    }
    let mut bytes = Bytes::of(WHAT, image);
    bytes.skip(usize::from(start) * UNIT)?;
    for _ in 0..MAX_RECORDS {
        let head: [u8; 5] = bytes.array()?;
        let [kind, flags, length, sum, _] = head;
        let body = bytes.take(usize::from(length))?;
        if checksum(&head) != 0 || checksum(body) != sum {
            return Err(DecodeError::wrong(
                WHAT,
                format!("a record of type {kind:02x}h with a wrong checksum"),
                "the right checksum",
            ));
        }
        if kind == POWER_SUPPLY_RECORD {
            let watts = Bytes::of("a power supply record", body).u16()? & 0x0FFF;
            return Ok(Power::from_watts(watts.into()).filter(|_| watts != 0));
        }
        if flags & 0x80 != 0 {
            break;
        }
    }
    Ok(None)
}
