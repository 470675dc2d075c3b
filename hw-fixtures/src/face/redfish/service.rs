//! What every BMC shows: the service root, itself as a manager, the registries its messages come from.

use serde_json::{Value, json};

use super::{Bmc, Kind, Page, ROOT, SESSIONS, types};

/// The version of DSP0266 that this service follows.
const REDFISH_VERSION: &str = "1.20.0";
/// The firmware that every simulated BMC claims to run.
const FIRMWARE: &str = concat!("hw-fixtures ", env!("CARGO_PKG_VERSION"));

/// Message registries in use: Id, version as the file name carries it.
const REGISTRIES: [(&str, &str); 3] = [("Base", "1.18.1"), ("Power", "1.0.1"), ("ResourceEvent", "1.3.0")];

/// A resource with the properties that all have.
pub(super) fn resource(path: &str, kind: &str, id: &str, name: &str) -> Value {
    json!({ "@odata.id": path, "@odata.type": kind, "Id": id, "Name": name })
}

/// A resource with more properties; those of `more` win.
pub(super) fn resource_with(path: &str, kind: &str, id: &str, name: &str, more: Value) -> Value {
    let mut body = resource(path, kind, id, name);
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

/// A collection of the resources of these Ids, right below its path.
pub(super) fn collection<S: AsRef<str>>(path: &str, kind: &str, name: &str, ids: &[S]) -> Value {
    let members: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "@odata.id": format!("{path}/{}", id.as_ref()) }))
        .collect();
    json!({
        "@odata.id": path,
        "@odata.type": kind,
        "Name": name,
        "Members@odata.count": members.len(),
        "Members": members,
    })
}

/// A link to a resource.
pub(super) fn link(path: &str) -> Value {
    json!({ "@odata.id": path })
}

/// Enabled and in good health.
pub(super) fn fine() -> Value {
    json!({ "State": "Enabled", "Health": "OK" })
}

impl Bmc {
    /// Id of the one chassis: the shelf's name, or `node`.
    pub(super) fn chassis_id(&self) -> &str {
        match self.kind {
            Kind::Shelf | Kind::Jbof => &self.name,
            Kind::Node => "node",
        }
    }

    /// Path of the one chassis.
    pub(super) fn chassis_path(&self) -> String {
        format!("{ROOT}/Chassis/{}", self.chassis_id())
    }

    /// Maker and product as the plan names them.
    fn make(&self) -> (String, String, String) {
        let world = self.live.world();
        let plan = world.plan();
        let jbof = plan.jbofs.iter().find(|jbof| *jbof.name.get_ref() == self.name);
        if let (Kind::Jbof, Some(jbof)) = (self.kind, jbof) {
            return (jbof.maker.clone(), jbof.model.clone(), jbof.serial.clone());
        }
        match plan
            .nodes
            .iter()
            .find(|node| self.kind == Kind::Node && *node.name.get_ref() == self.name)
        {
            Some(node) => (node.maker.clone(), node.model.clone(), node.serial.clone()),
            None => (
                plan.shelf.maker.clone(),
                plan.shelf.model.clone(),
                plan.shelf.serial.clone(),
            ),
        }
    }

    pub(super) fn service_root(&self) -> Value {
        let (vendor, product, _) = self.make();
        let mut root = resource_with(
            ROOT,
            types::SERVICE_ROOT,
            "RootService",
            "Root Service",
            json!({
                "@odata.id": "/redfish/v1/",
                "RedfishVersion": REDFISH_VERSION,
                "UUID": self.uuid,
                "Vendor": vendor,
                "Product": product,
                "ProtocolFeaturesSupported": {
                    "ExpandQuery": {
                        "ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true,
                        "MaxLevels": super::expand::MAX_LEVELS,
                    },
                    "SelectQuery": false,
                    "FilterQuery": false,
                    "OnlyMemberQuery": true,
                    "ExcerptQuery": false,
                },
                "SessionService": link("/redfish/v1/SessionService"),
                "AccountService": link("/redfish/v1/AccountService"),
                "EventService": link("/redfish/v1/EventService"),
                "Managers": link("/redfish/v1/Managers"),
                "Registries": link("/redfish/v1/Registries"),
                "Chassis": link("/redfish/v1/Chassis"),
                "Links": { "Sessions": link(SESSIONS) },
            }),
        );
        if self.kind == Kind::Jbof {
            root["Tasks"] = link(super::jbof::TASKS);
        }
        if self.kind == Kind::Node {
            root["Systems"] = link("/redfish/v1/Systems");
        }
        root
    }

    pub(super) fn service_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        let body = match segments {
            ["Managers"] => collection(&path, types::MANAGER_COLLECTION, "Managers", &["bmc"]),
            ["Managers", "bmc"] => self.itself(&path),
            ["Registries"] => {
                let ids = REGISTRIES.map(|(id, _)| id);
                collection(&path, types::REGISTRY_COLLECTION, "Message Registries", &ids)
            }
            ["Registries", id] => {
                let (id, version) = REGISTRIES.iter().find(|(known, _)| known == id)?;
                registry(&path, id, version)
            }
            [..] => return None,
        };
        Some(Page::new(body))
    }

    fn itself(&self, path: &str) -> Value {
        let (maker, model, serial) = self.make();
        let chassis = self.chassis_path();
        let mut links = json!({
            "ManagerForChassis": [link(&chassis)],
            "ManagerForChassis@odata.count": 1,
            "ManagerInChassis": link(&chassis),
        });
        if self.kind == Kind::Node {
            links["ManagerForServers"] = json!([link("/redfish/v1/Systems/node")]);
            links["ManagerForServers@odata.count"] = json!(1);
        }
        resource_with(
            path,
            types::MANAGER,
            "bmc",
            "BMC",
            json!({
                "ManagerType": "BMC",
                "Manufacturer": maker,
                "Model": format!("{model} BMC"),
                "SerialNumber": format!("{serial}-B"),
                "FirmwareVersion": FIRMWARE,
                "UUID": self.uuid,
                "ServiceEntryPointUUID": self.uuid,
                "DateTime": self.live.now(),
                "DateTimeLocalOffset": "+00:00",
                "PowerState": "On",
                "Status": fine(),
                "Links": links,
            }),
        )
    }
}

fn registry(path: &str, id: &str, version: &str) -> Value {
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    resource_with(
        path,
        types::REGISTRY_FILE,
        id,
        &format!("{id} Message Registry File"),
        json!({
            "Registry": format!("{id}.{minor}"),
            "Languages": ["en"],
            "Location": [{
                "Language": "en",
                "PublicationUri": format!("https://redfish.dmtf.org/registries/{id}.{version}.json"),
            }],
        }),
    )
}
