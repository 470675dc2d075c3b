//! What the BMC counts, as rows.

use facts::local_bmc::{LocalBmc, LocalSupply};
use facts::power::{HostPower, Sensor};
use facts::sheet::Writing;
use facts::supply::SupplyState;
use facts::{NoData, Pad, Power, Reading, Sheet};

use super::families as f;
use crate::hwmon;

/// The sheet of one turn.
pub(super) fn write(
    pad: &mut Pad,
    bmc: &LocalBmc,
    sensors: &[Sensor],
    host_power: &[HostPower],
    requests: Option<u64>,
) -> Sheet {
    let mut sheet = pad.begin();
    if bmc.device.is_some() {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let labels = [
            word(&bmc.device),
            word(&bmc.firmware),
            word(&bmc.ipmi_version),
            number(bmc.manufacturer_id),
            number(bmc.product_id.map(u32::from)),
        ];
        sheet.add(&f::BMC_INFO, &labels.each_ref().map(String::as_str), Some(1_u32));
    }
    if requests.is_some() {
        sheet.add(&f::BMC_REQUESTS, &[], requests);
    }
    for power in host_power {
        watts(&mut sheet, &f::HOST_POWER, power.source.word(), power.watts);
    }
    supplies(&mut sheet, &bmc.supplies);
    if let Some(chassis) = &bmc.chassis {
        for (fault, is_there) in chassis.faults() {
            sheet.add(&f::CHASSIS_FAULT, &[fault], Some(is_there));
        }
    }
    if let Some(log) = &bmc.event_log {
        sheet.add(&f::SEL_ENTRIES, &[], Some(log.entries));
        sheet.add(&f::SEL_FREE, &[], Some(log.free_bytes));
        let last = log.last.map(|last| last.millis() / 1_000);
        sheet.add(&f::SEL_LAST, &[], last);
    }
    hwmon::rows::write(&mut sheet, sensors);
    sheet.finish()
}

fn supplies(sheet: &mut Writing<'_>, supplies: &[LocalSupply]) {
    for supply in supplies {
        let is_present =
            (supply.state != SupplyState::Unknown).then_some(supply.state != SupplyState::Absent);
        sheet.add(&f::SUPPLY_PRESENT, &[&supply.name], is_present);
    }
    for supply in supplies {
        let health = match supply.state {
            SupplyState::Ok => Some(0_u32),
            SupplyState::InputLost | SupplyState::Off => Some(1),
            SupplyState::Faulted => Some(2),
            SupplyState::Absent | SupplyState::Unknown => None,
        };
        sheet.add(&f::SUPPLY_HEALTH, &[&supply.name], health);
    }
    for supply in supplies {
        watts(sheet, &f::SUPPLY_INPUT, &supply.name, supply.input_watts);
    }
    for supply in supplies {
        watts(sheet, &f::SUPPLY_CAPACITY, &supply.name, supply.rated_watts);
    }
}

fn watts(sheet: &mut Writing<'_>, family: &'static facts::Family, label: &str, reading: Reading<Power>) {
    sheet.add(family, &[label], reading.value());
    if reading.reason() == Some(NoData::Garbled) {
        sheet.invalid();
    }
}
