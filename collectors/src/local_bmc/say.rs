//! What the BMC said, as facts of the house, and what of it cannot be true.

use bmc::ipmi::observe::{Device, Entry, Inventory, LogInfo, When};
use bmc::{NodeFacts, ipmi};
use facts::local_bmc::{ChassisState, EventLog, FruIdentity, LocalBmc, LocalSupply, RedfishSystem};
use facts::power::{HostMeter, HostPower};
use facts::supply::{Supplies, Supply};
use facts::{Bytes, Doubt, Identity, Moment, NoData, Power, Reading};

use super::{in_band, redfish, sensor};

/// The most doubts that are passed on of one turn; a broken BMC has hundreds, which say the same.
const MOST_DOUBTS: usize = 32;
/// What a doubt is about.
const ABOUT: &str = "bmc";
/// What a meter shows that has no value: DCMI has two bytes for watts.
const NO_WATTS: Power = Power::from_milliwatts(65_535_000);

/// Who the BMC is, its supplies, its log.
pub(super) fn of_in_band(device: &str, seen: &in_band::Seen) -> LocalBmc {
    let Device {
        firmware,
        ipmi,
        manufacturer,
        product,
        ..
    } = &seen.device;
    let identities = seen
        .inventories
        .iter()
        .map(|(id, inventory)| fru(*id, inventory, seen));
    LocalBmc {
        device: Some(device.to_owned()),
        firmware: Some(firmware.clone()),
        ipmi_version: Some(ipmi.clone()),
        manufacturer_id: Some(*manufacturer),
        product_id: Some(*product),
        guid: seen.guid.map(|bytes| guid(&bytes)),
        inventories: identities.collect(),
        supplies: supplies(seen),
        event_log: seen
            .refresh
            .log
            .value()
            .map(|log| event_log(log, seen.last.as_ref())),
        chassis: seen.refresh.chassis.value().map(chassis),
        redfish: None,
    }
}

fn chassis(seen: ipmi::observe::Chassis) -> ChassisState {
    ChassisState {
        overloaded: seen.overloaded,
        power_fault: seen.power_fault,
        drive_fault: seen.drive_fault,
        cooling_fault: seen.cooling_fault,
        intrusion: seen.intrusion,
        identify: seen.identify,
    }
}

/// 8-4-4-4-12, in the order of the bytes.
fn guid(bytes: &[u8; 16]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn fru(id: u8, inventory: &Inventory, seen: &in_band::Seen) -> FruIdentity {
    let locator = seen
        .refresh
        .repository
        .inventories
        .iter()
        .find(|locator| locator.id == id);
    let maker = |of: &ipmi::observe::Maker| Identity {
        maker: of.manufacturer.clone(),
        model: of.name.clone(),
        serial: of.serial.clone(),
    };
    FruIdentity {
        id,
        name: locator.and_then(|locator| locator.name.clone()),
        chassis_serial: inventory.chassis_serial.clone(),
        board: maker(&inventory.board),
        product: maker(&inventory.product),
        asset: inventory.asset.clone(),
        rated_watts: inventory.supply_capacity,
    }
}

fn supplies(seen: &in_band::Seen) -> Vec<LocalSupply> {
    let names = sensor::names(&seen.refresh.repository.sensors);
    let named = |number: u8, lun: u8| {
        let mut sensors = seen.refresh.repository.sensors.iter().zip(&names);
        let found = sensors.find(|(sensor, _)| (sensor.number, sensor.lun) == (number, lun));
        found.map(|(_, name)| name.clone()).unwrap_or_default()
    };
    let supply = |(record, state): (&ipmi::observe::Sensor, facts::supply::SupplyState)| {
        let watts = sensor::watts_of(&seen.refresh, record.entity, record.instance);
        let mut locators = seen.refresh.repository.inventories.iter();
        let own =
            locators.find(|locator| (locator.entity, locator.instance) == (record.entity, record.instance));
        let rated = own
            .and_then(|own| seen.inventories.iter().find(|(id, _)| *id == own.id))
            .and_then(|(_, inventory)| inventory.supply_capacity);
        LocalSupply {
            name: named(record.number, record.lun),
            state,
            input_watts: match watts {
                Reading::Value(watts) => Power::from_watts_f64(watts).ok_or(NoData::Garbled).into(),
                Reading::None { no_data } => Reading::none(no_data),
            },
            rated_watts: rated.ok_or(NoData::Unsupported).into(),
        }
    };
    seen.refresh.supplies().map(supply).collect()
}

fn event_log(log: LogInfo, last: Option<&Entry>) -> EventLog {
    EventLog {
        entries: log.entries.into(),
        free_bytes: Bytes::new(log.free_bytes.into()),
        overflowed: log.overflowed,
        last: match last.map(|entry| entry.when) {
            Some(When::Clock(seconds)) => Some(Moment::from_millis(u64::from(seconds) * 1_000)),
            _ => None,
        },
    }
}

/// The host's power by DCMI. A BMC that does not measure, and one that shows 0 W for a host that runs, have no value.
pub(super) fn dcmi(seen: &in_band::Seen) -> Option<HostPower> {
    let watts = match seen.refresh.power {
        Reading::Value(power) if !power.is_measuring => Reading::none(NoData::Off),
        Reading::Value(power) if power.current == Power::ZERO || power.current >= NO_WATTS => {
            Reading::none(NoData::Garbled)
        }
        Reading::Value(power) => Reading::Value(power.current),
        // No DCMI at all is no meter.
        Reading::None {
            no_data: NoData::Absent | NoData::Unsupported,
        } => return None,
        Reading::None { no_data } => Reading::none(no_data),
    };
    let source = HostMeter::Dcmi;
    Some(HostPower { source, watts })
}

/// What of the log and the records cannot be believed as it stands.
pub(super) fn doubts(seen: &in_band::Seen) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = Vec::new();
    let mut add = |code: &str, message: String| doubts.push(Doubt::new(code, ABOUT, message));
    if let Some(log) = seen.refresh.log.value() {
        if log.overflowed {
            add(
                "event_log",
                "events were lost because the event log is full".to_owned(),
            );
        } else if log.free_bytes == 0 {
            add(
                "event_log",
                format!(
                    "the event log is full ({} entries); the next event is lost",
                    log.entries
                ),
            );
        }
    }
    if let Some(When::SinceStart(seconds)) = seen.last.as_ref().map(|entry| entry.when) {
        let message = format!(
            "the last entry of the event log is {seconds} s after 1970 or after the BMC's start: its clock was not set"
        );
        add("clock", message);
    }
    for (id, inventory) in seen.inventories.iter() {
        for doubt in &inventory.doubts {
            add("inventory", format!("FRU inventory {id}: {doubt}"));
        }
    }
    for doubt in &seen.refresh.doubts {
        add("garbled", doubt.clone());
    }
    doubts.truncate(MOST_DOUBTS);
    doubts
}

/// What the BMC says of the node over Redfish.
pub(super) fn system(node: &NodeFacts) -> RedfishSystem {
    RedfishSystem {
        resource: node.resource.clone(),
        uuid: node.uuid.clone(),
        serial: node.serial.clone(),
        maker: node.maker.clone(),
        model: node.model.clone(),
        bios_version: node.bios_version.clone(),
        power_state: node.power_state.clone(),
        packages: node.packages,
        cores: node.cores,
        cpus: node.cpus,
        memory_bytes: node.memory_bytes,
    }
}

/// Supplies as Redfish names them, fillers left out.
pub(super) fn redfish_supplies(supplies: &Supplies) -> Vec<LocalSupply> {
    let all = supplies.domains.iter().flat_map(|domain| &domain.supplies);
    let all: Vec<&Supply> = all.filter(|supply| !supply.is_filler).collect();
    // Two chassis may print one label twice.
    let names = all
        .iter()
        .map(|supply| supply.label.clone().unwrap_or_else(|| supply.bay.clone()));
    all.iter()
        .zip(sensor::distinct(names))
        .map(|(supply, name)| LocalSupply {
            name,
            state: supply.state,
            input_watts: supply.input_watts,
            rated_watts: supply.rated_watts,
        })
        .collect()
}

/// The host's power by Redfish, where it has such a meter.
pub(super) fn redfish_power(seen: &redfish::Seen) -> Option<HostPower> {
    let watts = match seen.node.drawn_watts {
        Reading::Value(watts) if watts == Power::ZERO || watts >= NO_WATTS => Reading::none(NoData::Garbled),
        Reading::None {
            no_data: NoData::Absent | NoData::Unsupported,
        } => return None,
        watts @ (Reading::Value(_) | Reading::None { .. }) => watts,
    };
    let source = HostMeter::Redfish;
    Some(HostPower { source, watts })
}

/// Doubts of the Redfish client in the house's own words.
pub(super) fn redfish_doubts(seen: &redfish::Seen) -> Vec<Doubt> {
    let all = seen.node.doubts.iter().chain(&seen.supplies.doubts);
    let all = all.chain(&seen.sensors.doubts);
    all.take(MOST_DOUBTS)
        .map(|doubt| {
            Doubt::new(
                doubt.kind.as_str(),
                doubt.resource.as_str(),
                doubt.message.as_str(),
            )
        })
        .collect()
}
