//! Bays of supplies from sensors: each power supply sensor is a bay; what shares its entity belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use bmc::ipmi::observe::{Inventory, Refresh, Sensor, Unit};
use facts::supply::{Doubt, Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, NoData, Power, Reading};

/// What sensors are called behind the bay's own name; in lower case.
const ENDINGS: [&str; 4] = ["status", "state", "presence", "stat"];
/// Entities of the whole node (IPMI 2.0 table 43-13): system board, power unit, chassis.
const WHOLE: [u8; 3] = [0x07, 0x13, 0x17];
/// The resource under which a supply's light is known: the chassis' own.
const CHASSIS: &str = "chassis";

/// The bay's name: `psu-3 Status` is `psu-3`.
fn bay(sensor: &Sensor) -> String {
    let name = sensor.name.as_deref().unwrap_or_default().trim();
    let low = name.to_ascii_lowercase();
    let cut = ENDINGS.iter().find_map(|ending| low.strip_suffix(ending));
    let kept = cut.and_then(|cut| name.get(..cut.len())).unwrap_or(name);
    let kept = kept.trim_end_matches([' ', '_', '-', '.', '/']);
    match kept {
        "" => format!("sensor-{}", sensor.number),
        kept => kept.to_owned(),
    }
}

/// The inventory of the same entity.
pub(super) fn inventory_of(refresh: &Refresh, sensor: &Sensor) -> Option<u8> {
    let same = |entity: u8, instance: u8| (entity, instance) == (sensor.entity, sensor.instance);
    let inventories = &refresh.repository.inventories;
    inventories
        .iter()
        .find(|inventory| same(inventory.entity, inventory.instance))
        .map(|inventory| inventory.id)
}

fn watts(value: &Reading<f64>) -> Reading<Power> {
    match value {
        Reading::Value(watts) => {
            Power::from_watts_f64(*watts).map_or(Reading::none(NoData::Garbled), Reading::Value)
        }
        none => Reading::none(none.reason().unwrap_or(NoData::Unsupported)),
    }
}

/// The sensor in watts of this supply whose name says so.
fn power(refresh: &Refresh, of: &Sensor, word: &str) -> Reading<Power> {
    let mut all = refresh.sensors().filter(|(sensor, _)| {
        let name = sensor.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        (sensor.entity, sensor.instance) == (of.entity, of.instance)
            && sensor.unit.is_plain(Unit::WATTS)
            && name.contains(word)
    });
    match (all.next(), all.next()) {
        (Some((_, reading)), None) => watts(&reading.value),
        _ => Reading::none(NoData::Unsupported),
    }
}

/// The one sensor in watts of the node as a whole; `None` where there is none or more than one.
pub(super) fn of_the_board(refresh: &Refresh) -> Option<Power> {
    let mut all = refresh
        .sensors()
        .filter(|(sensor, _)| WHOLE.contains(&sensor.entity) && sensor.unit.is_plain(Unit::WATTS));
    match (all.next(), all.next()) {
        (Some((_, reading)), None) => watts(&reading.value).value(),
        _ => None,
    }
}

fn supply(
    refresh: &Refresh,
    (sensor, state): (&Sensor, SupplyState),
    inventories: &BTreeMap<u8, Inventory>,
    lit: &BTreeSet<String>,
) -> Supply {
    let bay = bay(sensor);
    let there = state != SupplyState::Absent;
    let inventory = inventory_of(refresh, sensor)
        .and_then(|id| inventories.get(&id))
        .filter(|_| there);
    let rated = inventory.and_then(|inventory| inventory.supply_capacity);
    let identity = inventory.map_or_else(Identity::default, |inventory| Identity {
        maker: inventory.product.manufacturer.clone(),
        model: inventory.product.name.clone(),
        serial: inventory.product.serial.clone(),
    });
    let chassis = refresh.chassis.as_ref().and_then(|chassis| chassis.identify);
    Supply {
        led: chassis.map(|is_lit| is_lit && lit.contains(&bay)),
        bay,
        resource: CHASSIS.to_owned(),
        label: None,
        identity,
        state,
        is_filler: false,
        rated_watts: rated.map_or(Reading::none(NoData::Unsupported), Reading::Value),
        output_watts: power(refresh, sensor, "out"),
        // After the output, so that a sensor that names both counts once.
        input_watts: power(refresh, sensor, "input"),
        hot_pluggable: None,
    }
}

/// All supplies as one domain; none where the BMC has no sensor of one.
pub(crate) fn of(
    refresh: &Refresh,
    inventories: &BTreeMap<u8, Inventory>,
    lit: &BTreeSet<String>,
) -> Supplies {
    let supplies: Vec<Supply> = refresh
        .supplies()
        .map(|seen| supply(refresh, seen, inventories, lit))
        .collect();
    let mut doubts: Vec<Doubt> = refresh
        .doubts
        .iter()
        .map(|doubt| said("garbled", doubt))
        .collect();
    let mut names = BTreeSet::new();
    for supply in &supplies {
        if !names.insert(&supply.bay) {
            doubts.push(said(
                "duplicate",
                &format!("two sensors of supplies are named {}", supply.bay),
            ));
        }
    }
    if supplies.is_empty() {
        return Supplies {
            domains: Vec::new(),
            doubts,
        };
    }
    let delivering = supplies.iter().filter(|supply| supply.state == SupplyState::Ok);
    let drawn: Option<Power> = delivering.map(|supply| supply.output_watts.value()).sum();
    Supplies {
        domains: vec![SupplyDomain {
            name: CHASSIS.to_owned(),
            supplies,
            drawn_watts: drawn.map_or(Reading::none(NoData::Unsupported), Reading::Value),
            ..SupplyDomain::default()
        }],
        doubts,
    }
}

fn said(kind: &str, message: &str) -> Doubt {
    Doubt {
        kind: kind.to_owned(),
        message: message.to_owned(),
        resource: "SDR".to_owned(),
    }
}
