//! FRU inventories of a shelf, its supplies and a node (Platform Management FRU Information Storage Definition 1.3).

use super::Kind;
use super::gauge::{SUPPLY, SYSTEM_BOARD};
use super::records::Inventory;
use crate::plan::Plan;
use crate::world::World;

/// Version 1 of every area.
const VERSION: u8 = 1;
/// English.
const LANGUAGE: u8 = 25;
/// Ends the fields of an area.
const NO_MORE: u8 = 0xC1;
/// A text in 8-bit ASCII; one has at most 63 characters.
const ASCII: u8 = 0xC0;
const LONGEST: usize = 63;
/// The multi-record of power supplies, as the last one, in format 2.
const POWER_SUPPLY: u8 = 0x00;
const LAST_FORMAT_2: u8 = 0x82;

/// The inventories of one BMC: 0 is what it sits in, the others are its bays.
#[must_use]
pub fn inventories(plan: &Plan, kind: Kind) -> Vec<Inventory> {
    let mut all = vec![Inventory {
        id: 0,
        name: "Builtin FRU".to_owned(),
        entity: (SYSTEM_BOARD, 1),
    }];
    if kind == Kind::Shelf {
        for (id, bay) in (1_u8..).zip(&plan.shelf.supplies) {
            all.push(Inventory {
                id,
                name: bay.bay.get_ref().clone(),
                entity: (SUPPLY, id),
            });
        }
    }
    all
}

fn zero_sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

fn text(area: &mut Vec<u8>, text: &str) {
    let bytes: Vec<u8> = text.bytes().filter(u8::is_ascii).take(LONGEST).collect();
    // One character alone would read as the end of the fields.
    let bytes = if bytes.len() == 1 {
        vec![bytes[0], b' ']
    } else {
        bytes
    };
    area.push(ASCII | u8::try_from(bytes.len()).unwrap_or_default());
    area.extend_from_slice(&bytes);
}

fn close(mut area: Vec<u8>) -> Vec<u8> {
    area.push(NO_MORE);
    while !(area.len() + 1).is_multiple_of(8) {
        area.push(0);
    }
    area[1] = u8::try_from((area.len() + 1) / 8).unwrap_or(u8::MAX);
    area.push(zero_sum(&area));
    area
}

struct Maker<'a> {
    maker: &'a str,
    model: &'a str,
    part: &'a str,
    version: &'a str,
    serial: &'a str,
}

fn board(of: &Maker<'_>) -> Vec<u8> {
    // The date of making is not told.
    let mut area = vec![VERSION, 0, LANGUAGE, 0, 0, 0];
    for field in [of.maker, of.model, of.serial, of.part, ""] {
        text(&mut area, field);
    }
    close(area)
}

fn product(of: &Maker<'_>) -> Vec<u8> {
    let mut area = vec![VERSION, 0, LANGUAGE];
    for field in [of.maker, of.model, of.part, of.version, of.serial, "", ""] {
        text(&mut area, field);
    }
    close(area)
}

/// What a supply delivers: its capacity, and nothing of what the world does not know.
fn supply_record(rated_milliwatts: u64) -> Vec<u8> {
    let watts = u16::try_from(rated_milliwatts / 1_000)
        .unwrap_or(u16::MAX)
        .min(0x0FFF);
    let mut data = watts.to_le_bytes().to_vec();
    // Peak unknown, inrush unspecified; 180 to 264 V, 47 to 63 Hz; hot-swappable.
    data.extend_from_slice(&[
        0xFF, 0xFF, 0xFF, 0, 0x50, 0x46, 0x20, 0x67, 0, 0, 0, 0, 47, 63, 20, 0x08,
    ]);
    data.extend_from_slice(&[0; 6]);
    let mut record = vec![
        POWER_SUPPLY,
        LAST_FORMAT_2,
        u8::try_from(data.len()).unwrap_or_default(),
        zero_sum(&data),
    ];
    record.push(zero_sum(&record));
    record.extend_from_slice(&data);
    record
}

fn whole(of: &Maker<'_>, has_board: bool, record: &[u8]) -> Vec<u8> {
    let board = if has_board { board(of) } else { Vec::new() };
    let product = product(of);
    let at = |bytes: usize| u8::try_from(bytes / 8).unwrap_or(u8::MAX);
    let board_at = if has_board { at(8) } else { 0 };
    let product_at = at(8 + board.len());
    let record_at = if record.is_empty() {
        0
    } else {
        at(8 + board.len() + product.len())
    };
    let mut bytes = vec![VERSION, 0, 0, board_at, product_at, record_at, 0];
    bytes.push(zero_sum(&bytes));
    for area in [&board, &product] {
        bytes.extend_from_slice(area);
    }
    bytes.extend_from_slice(record);
    bytes
}

/// The bytes of one inventory now; `None` where there is none, an empty bay's among them.
#[must_use]
pub fn bytes(world: &World, kind: Kind, name: &str, id: u8) -> Option<Vec<u8>> {
    let plan = world.plan();
    match (kind, id.checked_sub(1)) {
        (Kind::Shelf, None) => {
            let shelf = &plan.shelf;
            let of = Maker {
                maker: &shelf.maker,
                model: &shelf.model,
                part: "",
                version: "",
                serial: &shelf.serial,
            };
            Some(whole(&of, true, &[]))
        }
        (Kind::Shelf, Some(bay)) => {
            let part = world.supplies().get(usize::from(bay))?.part()?;
            let of = Maker {
                maker: &part.maker,
                model: &part.model,
                part: &part.part_number,
                version: &part.firmware,
                serial: &part.serial,
            };
            Some(whole(&of, false, &supply_record(part.rated_milliwatts)))
        }
        (Kind::Node, None) => {
            let node = plan.nodes.iter().find(|node| *node.name.get_ref() == name)?;
            let of = Maker {
                maker: &node.maker,
                model: &node.model,
                part: "",
                version: "",
                serial: &node.serial,
            };
            Some(whole(&of, true, &[]))
        }
        (Kind::Node, Some(_)) => None,
    }
}
