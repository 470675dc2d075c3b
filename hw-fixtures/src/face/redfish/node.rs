//! A node as resources: chassis, system, and the power limit that can be set.

use axum::http::Method;
use serde_json::{Value, json};

use super::sensors::{Gauge, excerpt};
use super::service::{collection, fine, link, resource_with};
use super::{Bmc, Page, ROOT, types};
use crate::plan::NodePlan;
use crate::quantity::watts_json;
use crate::world::{Node, World};

/// Ways to reset a system that the world knows.
pub const RESET_TYPES: [&str; 4] = ["On", "ForceOff", "GracefulShutdown", "ForceOn"];

impl Bmc {
    pub(super) fn node_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        let chassis = self.chassis_path();
        let world = self.live.world();
        let node = world.node(&self.name)?;
        let plan = world
            .plan()
            .nodes
            .iter()
            .find(|plan| *plan.name.get_ref() == self.name)?;
        let gauge = Gauge::NodePower(self.name.clone());
        let patchable = |body| Page::new(body).with(&[Method::PATCH]);
        Some(match segments {
            ["Chassis"] => Page::new(collection(&path, types::CHASSIS_COLLECTION, "Chassis", &["node"])),
            ["Systems"] => Page::new(collection(&path, types::SYSTEM_COLLECTION, "Systems", &["node"])),
            ["Chassis", "node"] => patchable(chassis_body(node, plan, &path)),
            ["Systems", "node"] => patchable(system_body(node, plan, &path, &chassis)),
            ["Chassis", "node", "EnvironmentMetrics"] => {
                patchable(environment(&world, node, &gauge, &path, &chassis))
            }
            ["Chassis", "node", "Sensors"] => Page::new(collection(
                &path,
                types::SENSOR_COLLECTION,
                "Sensors",
                &[gauge.id()],
            )),
            ["Chassis", "node", "Sensors", id] if *id == gauge.id() => Page::new(gauge.body(&world, &path)),
            [..] => return None,
        })
    }
}

fn power_state(node: &Node) -> &'static str {
    if node.is_on() { "On" } else { "Off" }
}

fn chassis_body(node: &Node, plan: &NodePlan, path: &str) -> Value {
    resource_with(
        path,
        types::CHASSIS,
        "node",
        node.name(),
        json!({
            "ChassisType": "Sled",
            "Manufacturer": plan.maker,
            "Model": plan.model,
            "SerialNumber": plan.serial,
            "PowerState": power_state(node),
            "LocationIndicatorActive": node.locate(),
            "MinPowerWatts": watts_json(node.idle()),
            "MaxPowerWatts": watts_json(node.max_draw()),
            "Status": fine(),
            "EnvironmentMetrics": link(&format!("{path}/EnvironmentMetrics")),
            "Sensors": link(&format!("{path}/Sensors")),
            "Links": {
                "ComputerSystems": [link("/redfish/v1/Systems/node")],
                "ComputerSystems@odata.count": 1,
                "ManagedBy": [link("/redfish/v1/Managers/bmc")],
                "ManagedBy@odata.count": 1,
            },
        }),
    )
}

fn system_body(node: &Node, plan: &NodePlan, path: &str, chassis: &str) -> Value {
    let cores = plan.packages.saturating_mul(plan.cores_per_package);
    let state = if node.is_on() { "Enabled" } else { "StandbyOffline" };
    let mut body = resource_with(
        path,
        types::SYSTEM,
        "node",
        node.name(),
        json!({
            "SystemType": "Physical",
            "Manufacturer": plan.maker,
            "Model": plan.model,
            "SerialNumber": plan.serial,
            "UUID": node.uuid(),
            "HostName": node.name(),
            "PowerState": power_state(node),
            "LocationIndicatorActive": node.locate(),
            "ProcessorSummary": {
                "Count": plan.packages,
                "CoreCount": cores,
                "LogicalProcessorCount": cores.saturating_mul(plan.threads_per_core),
                "ThreadingEnabled": plan.threads_per_core > 1,
                "Model": "Simulated CPU",
            },
            "MemorySummary": { "TotalSystemMemoryGiB": plan.memory.0 },
            "Status": { "State": state, "Health": "OK" },
            "Links": {
                "Chassis": [link(chassis)],
                "Chassis@odata.count": 1,
                "ManagedBy": [link("/redfish/v1/Managers/bmc")],
                "ManagedBy@odata.count": 1,
            },
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": format!("{path}/Actions/ComputerSystem.Reset"),
                    "ResetType@Redfish.AllowableValues": RESET_TYPES,
                },
            },
        }),
    );
    if let Some(restore) = plan.restore {
        body["PowerRestorePolicy"] = json!(restore.word());
    }
    body
}

fn environment(world: &World, node: &Node, gauge: &Gauge, path: &str, chassis: &str) -> Value {
    let limit = node.limit();
    resource_with(
        path,
        types::ENVIRONMENT_METRICS,
        "EnvironmentMetrics",
        "Environment Metrics",
        json!({
            "PowerWatts": excerpt(world, gauge, chassis),
            "PowerLimitWatts": {
                "SetPoint": limit.map_or(Value::Null, watts_json),
                "AllowableMin": watts_json(node.idle()),
                "AllowableMax": watts_json(node.max_draw()),
                "ControlMode": if limit.is_some() { "Automatic" } else { "Disabled" },
                "Reading": gauge.reading(world),
            },
        }),
    )
}
