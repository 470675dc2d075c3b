//! What a BMC says of itself, for the fuzzer.

use super::{dcmi, device, event_log, formula, fru, repository, sdr, sensor, text};
use crate::ipmi::bytes::Bytes;

/// The data of any answer: the first byte chooses whose.
pub(crate) fn answer(data: &[u8]) {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    match which % 12 {
        0 => drop(dcmi::decode_power(data)),
        1 => drop(device::decode_device(data)),
        2 => drop(device::decode_chassis(data)),
        3 => drop(event_log::decode_info(data)),
        4 => drop(event_log::decode_entry(data)),
        5 => drop(fru::decode_info(data)),
        6 => drop(repository::decode_info(data)),
        7 => drop(sensor::decode(data)),
        8 => drop(sensor::decode_thresholds(data)),
        9 => drop(sensor::decode_factors(data)),
        10 => drop(formula::Factors::read(&mut Bytes::of("factors", data))),
        _ => drop(text::decode(*which, data)),
    }
}

/// A record of the sensor data repository, and every raw value through its formula.
pub(crate) fn sdr(data: &[u8]) {
    drop(sdr::parse(data));
}

/// The image of an inventory device.
pub(crate) fn fru(data: &[u8]) {
    drop(fru::parse(data));
}
