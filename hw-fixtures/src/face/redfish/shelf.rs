//! The shelf as resources: chassis, power subsystem, supplies and their metrics.

use axum::http::Method;
use serde_json::{Value, json};

use super::sensors::{Gauge, excerpt};
use super::service::{collection, link, resource_with};
use super::{Bmc, Page, ROOT, types};
use crate::quantity::watts_json;
use crate::world::{Phase, Supply, World};

impl Bmc {
    pub(super) fn shelf_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        let chassis = self.chassis_path();
        let id = self.chassis_id();
        let below = match segments {
            ["Chassis"] => {
                return Some(Page::new(collection(
                    &path,
                    types::CHASSIS_COLLECTION,
                    "Chassis",
                    &[id],
                )));
            }
            ["Chassis", found, below @ ..] if *found == id => below,
            [..] => return None,
        };
        let world = self.live.world();
        let bays: Vec<&str> = world.supplies().iter().map(Supply::bay).collect();
        let patchable = |body| Page::new(body).with(&[Method::PATCH]);
        Some(match below {
            [] => patchable(shelf_chassis(&world, &path)),
            ["PowerSubsystem"] => Page::new(subsystem(&world, &path)),
            ["PowerSubsystem", "PowerSupplies"] => Page::new(collection(
                &path,
                types::SUPPLY_COLLECTION,
                "Power Supplies",
                &bays,
            )),
            ["PowerSubsystem", "PowerSupplies", bay] => {
                let index = bays.iter().position(|known| known == bay)?;
                patchable(supply_body(&world.supplies()[index], index, &path, &chassis))
            }
            ["PowerSubsystem", "PowerSupplies", bay, "Metrics"] => {
                Page::new(metrics(&world, world.supply(bay)?, &path, &chassis))
            }
            ["Sensors"] => {
                let ids: Vec<String> = Gauge::of_shelf(&world).iter().map(|gauge| gauge.id()).collect();
                Page::new(collection(&path, types::SENSOR_COLLECTION, "Sensors", &ids))
            }
            ["Sensors", id] => {
                let gauges = Gauge::of_shelf(&world);
                Page::new(gauges.iter().find(|gauge| gauge.id() == *id)?.body(&world, &path))
            }
            ["EnvironmentMetrics"] => Page::new(environment(&world, &path, &chassis)),
            [..] => return None,
        })
    }
}

fn shelf_chassis(world: &World, path: &str) -> Value {
    let shelf = &world.plan().shelf;
    let name = shelf.name.get_ref();
    resource_with(
        path,
        types::CHASSIS,
        name,
        name,
        json!({
            "ChassisType": "Shelf",
            "Manufacturer": shelf.maker,
            "Model": shelf.model,
            "SerialNumber": shelf.serial,
            "PowerState": "On",
            "LocationIndicatorActive": world.shelf_locate(),
            "Status": shelf_status(world),
            "PowerSubsystem": link(&format!("{path}/PowerSubsystem")),
            "EnvironmentMetrics": link(&format!("{path}/EnvironmentMetrics")),
            "Sensors": link(&format!("{path}/Sensors")),
            "Links": {
                "ManagedBy": [link("/redfish/v1/Managers/bmc")],
                "ManagedBy@odata.count": 1,
            },
        }),
    )
}

/// Warning as soon as one bay does not deliver, critical in the dark.
fn shelf_status(world: &World) -> Value {
    let whole = world
        .supplies()
        .iter()
        .all(|supply| supply.phase() == Phase::Running);
    let health = if world.is_dark() {
        "Critical"
    } else if whole {
        "OK"
    } else {
        "Warning"
    };
    json!({ "State": "Enabled", "Health": health, "HealthRollup": health })
}

fn subsystem(world: &World, path: &str) -> Value {
    let supplies = world.supplies();
    let capacity: u64 = supplies.iter().map(Supply::rated).sum();
    let members: Vec<Value> = supplies
        .iter()
        .map(|supply| link(&format!("{path}/PowerSupplies/{}", supply.bay())))
        .collect();
    let mut status = shelf_status(world);
    if let Value::Object(status) = &mut status {
        status.remove("HealthRollup");
    }
    resource_with(
        path,
        types::POWER_SUBSYSTEM,
        "PowerSubsystem",
        "Power Subsystem",
        json!({
            "CapacityWatts": watts_json(capacity),
            "Allocation": {
                "AllocatedWatts": watts_json(world.draw()),
                "RequestedWatts": watts_json(world.draw()),
            },
            "PowerSupplies": link(&format!("{path}/PowerSupplies")),
            "PowerSupplyRedundancy": [{
                "RedundancyType": "NPlusM",
                "MinNeededInGroup": supplies.len().saturating_sub(1),
                "MaxSupportedInGroup": supplies.len(),
                "RedundancyGroup": members,
                "RedundancyGroup@odata.count": members.len(),
                "Status": status,
            }],
            "Status": status,
        }),
    )
}

/// `Status` of a bay; an empty bay has no health.
fn supply_status(phase: Phase) -> Value {
    let (state, health) = match phase {
        Phase::Absent => return json!({ "State": "Absent" }),
        Phase::Starting => ("Starting", "OK"),
        Phase::Running => ("Enabled", "OK"),
        Phase::HoldUp => ("Enabled", "Critical"),
        Phase::NoInput | Phase::Failed | Phase::Tripped => ("UnavailableOffline", "Critical"),
    };
    json!({ "State": state, "Health": health })
}

fn supply_body(supply: &Supply, index: usize, path: &str, chassis: &str) -> Value {
    let bay = supply.bay();
    let mut body = resource_with(
        path,
        types::SUPPLY,
        bay,
        &format!("Power Supply Bay {}", index + 1),
        json!({
            "Status": supply_status(supply.phase()),
            "HotPluggable": true,
            "Replaceable": true,
            "LocationIndicatorActive": supply.locate(),
            "Location": {
                "PartLocation": {
                    "ServiceLabel": format!("PSU {}", index + 1),
                    "LocationType": "Bay",
                    "LocationOrdinalValue": index,
                },
            },
            "ElectricalSourceNames": [supply.feed()],
            "Links": { "PoweringChassis": [link(chassis)], "PoweringChassis@odata.count": 1 },
        }),
    );
    if let Some(part) = supply.part() {
        let line = if supply.input() { "Normal" } else { "LossOfInput" };
        let known = json!({
            "PowerSupplyType": "AC",
            "Manufacturer": part.maker,
            "Model": part.model,
            "SerialNumber": part.serial,
            "PartNumber": part.part_number,
            "FirmwareVersion": part.firmware,
            "PowerCapacityWatts": watts_json(part.rated_milliwatts),
            "InputNominalVoltageType": "AC240V",
            "LineInputStatus": line,
            "Metrics": link(&format!("{path}/Metrics")),
        });
        if let (Value::Object(body), Value::Object(known)) = (&mut body, known) {
            body.extend(known);
        }
    }
    body
}

fn metrics(world: &World, supply: &Supply, path: &str, chassis: &str) -> Value {
    let gauge = |gauge: Gauge| excerpt(world, &gauge, chassis);
    let bay = supply.bay().to_owned();
    resource_with(
        path,
        types::SUPPLY_METRICS,
        "Metrics",
        &format!("Metrics of {bay}"),
        json!({
            "Status": supply_status(supply.phase()),
            "InputVoltage": gauge(Gauge::InputVoltage(bay.clone())),
            "InputPowerWatts": gauge(Gauge::InputPower(bay.clone())),
            "OutputPowerWatts": gauge(Gauge::OutputPower(bay)),
        }),
    )
}

fn environment(world: &World, path: &str, chassis: &str) -> Value {
    resource_with(
        path,
        types::ENVIRONMENT_METRICS,
        "EnvironmentMetrics",
        "Environment Metrics",
        json!({ "PowerWatts": excerpt(world, &Gauge::ShelfInput, chassis) }),
    )
}
