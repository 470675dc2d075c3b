//! Which Redfish message tells what: identifiers of the DMTF's Power and ResourceEvent registries.

use crate::world::Happening;

/// One message of an event: registry key, arguments, severity, text, path of its origin.
pub(super) struct Message {
    pub(super) id: &'static str,
    pub(super) args: Vec<String>,
    pub(super) severity: &'static str,
    pub(super) text: String,
    pub(super) origin: String,
}

/// What the shelf's BMC tells about something that happened.
pub(super) fn shelf_messages(shelf: &str, happening: &Happening) -> Vec<Message> {
    let subsystem = format!("/redfish/v1/Chassis/{shelf}/PowerSubsystem");
    if let Some((bay, id, severity, text)) = about_supply(happening) {
        let origin = format!("{subsystem}/PowerSupplies/{bay}");
        return vec![Message {
            id,
            args: vec![bay.to_owned()],
            severity,
            text,
            origin,
        }];
    }
    let whole = |id: &'static str, severity, state: &str| {
        let text = format!("Power supply group '{shelf}' is {state}.");
        vec![Message {
            id,
            args: vec![shelf.to_owned()],
            severity,
            text,
            origin: subsystem.clone(),
        }]
    };
    match happening {
        Happening::Dark { .. } => whole(
            "Power.1.0.PowerSupplyGroupCritical",
            "Critical",
            "in a critical state",
        ),
        Happening::Lit => whole("Power.1.0.PowerSupplyGroupNormal", "OK", "operating normally"),
        Happening::ShelfLight { .. } => vec![changed(format!("/redfish/v1/Chassis/{shelf}"))],
        Happening::BayLight { bay, .. } => vec![changed(format!("{subsystem}/PowerSupplies/{bay}"))],
        Happening::Pulled { .. }
        | Happening::Inserted { .. }
        | Happening::Started { .. }
        | Happening::Failed { .. }
        | Happening::Repaired { .. }
        | Happening::InputLost { .. }
        | Happening::InputRestored { .. }
        | Happening::Tripped { .. }
        | Happening::LimitSet { .. }
        | Happening::Power { .. }
        | Happening::NodeLight { .. }
        | Happening::Demand { .. }
        | Happening::Answers { .. }
        | Happening::DriveChanged { .. }
        | Happening::Rebooted { .. } => Vec::new(),
    }
}

/// Bay, message identifier, severity and text of what happened to one supply.
fn about_supply(happening: &Happening) -> Option<(&str, &'static str, &'static str, String)> {
    let (bay, id, severity, text) = match happening {
        Happening::Pulled { bay } => (
            bay,
            "Power.1.0.PowerSupplyRemoved",
            "OK",
            format!("Power supply '{bay}' was removed."),
        ),
        Happening::Inserted { bay, .. } => (
            bay,
            "Power.1.0.PowerSupplyInserted",
            "OK",
            format!("Power supply '{bay}' was inserted."),
        ),
        Happening::Failed { bay } | Happening::Tripped { bay, .. } => (
            bay,
            "Power.1.0.PowerSupplyFailed",
            "Warning",
            format!("Power supply '{bay}' has failed."),
        ),
        Happening::Repaired { bay } | Happening::Started { bay } => (
            bay,
            "Power.1.0.PowerSupplyRestored",
            "OK",
            format!("Power supply '{bay}' was restored."),
        ),
        Happening::InputLost { bay } => (
            bay,
            "Power.1.0.LossOfInputPower",
            "Warning",
            format!("Loss of input power at '{bay}'."),
        ),
        Happening::InputRestored { bay } => {
            let text = format!("Line input power at '{bay}' was restored.");
            (bay, "Power.1.0.LineInputPowerRestored", "OK", text)
        }
        Happening::Dark { .. }
        | Happening::Lit
        | Happening::ShelfLight { .. }
        | Happening::BayLight { .. }
        | Happening::NodeLight { .. }
        | Happening::LimitSet { .. }
        | Happening::Power { .. }
        | Happening::Demand { .. }
        | Happening::Answers { .. }
        | Happening::DriveChanged { .. }
        | Happening::Rebooted { .. } => return None,
    };
    Some((bay, id, severity, text))
}

fn changed(origin: String) -> Message {
    let text = "One or more resource properties have changed.".to_owned();
    Message {
        id: "ResourceEvent.1.3.ResourceChanged",
        args: Vec::new(),
        severity: "OK",
        text,
        origin,
    }
}

/// What a node's BMC tells about something that happened.
pub(super) fn node_messages(name: &str, happening: &Happening) -> Vec<Message> {
    match happening {
        Happening::LimitSet { node, .. } if node == name => {
            vec![changed("/redfish/v1/Chassis/node/EnvironmentMetrics".to_owned())]
        }
        Happening::NodeLight { node, .. } if node == name => {
            vec![changed("/redfish/v1/Chassis/node".to_owned())]
        }
        Happening::Power { node, on } if node == name => {
            let origin = "/redfish/v1/Systems/node".to_owned();
            let state = if *on { "On" } else { "Off" }.to_owned();
            let text = format!("The state of resource `{origin}` has changed to {state}.");
            let args = vec![origin.clone(), state];
            vec![Message {
                id: "ResourceEvent.1.3.ResourceStateChanged",
                args,
                severity: "OK",
                text,
                origin,
            }]
        }
        Happening::LimitSet { .. }
        | Happening::NodeLight { .. }
        | Happening::BayLight { .. }
        | Happening::ShelfLight { .. }
        | Happening::Power { .. }
        | Happening::Pulled { .. }
        | Happening::Inserted { .. }
        | Happening::Started { .. }
        | Happening::Failed { .. }
        | Happening::Repaired { .. }
        | Happening::InputLost { .. }
        | Happening::InputRestored { .. }
        | Happening::Tripped { .. }
        | Happening::Dark { .. }
        | Happening::Lit
        | Happening::Demand { .. }
        | Happening::Answers { .. }
        | Happening::DriveChanged { .. }
        | Happening::Rebooted { .. } => Vec::new(),
    }
}

/// What the BMC of an enclosure of drives tells about something that happened.
pub(super) fn jbof_messages(name: &str, happening: &Happening) -> Vec<Message> {
    if let Happening::DriveChanged { jbof, bay } = happening
        && jbof == name
    {
        return vec![changed(format!("/redfish/v1/Chassis/{jbof}/Drives/{bay}"))];
    }
    Vec::new()
}
