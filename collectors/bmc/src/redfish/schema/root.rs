//! The service root: who speaks, and where things are.

use super::super::error::BmcError;
use super::{Doubts, Fields};
use crate::redfish::tree::SERVICE_ROOT;

/// Where chassis are where the service root does not say.
const CHASSIS: &str = "/redfish/v1/Chassis";
/// Where systems are where the service root does not say.
const SYSTEMS: &str = "/redfish/v1/Systems";
/// Where sessions are, below the session service.
const SESSIONS: &str = "/Sessions";

/// `ServiceRoot`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// Whether there was one to read.
    pub was_read: bool,
    /// `Vendor`; where it is missing, the first key of `Oem`.
    pub vendor: Option<String>,
    /// `Product`.
    pub product: Option<String>,
    /// `RedfishVersion`.
    pub version: Option<String>,
    /// `UUID` of the service.
    pub uuid: Option<String>,
    /// The sessions' collection; `None` where the root names no session service.
    pub sessions: Option<String>,
    /// `Chassis`.
    pub chassis: Option<String>,
    /// `Systems`.
    pub systems: Option<String>,
    /// `PowerEquipment`.
    pub power_equipment: Option<String>,
    /// `EventService`.
    pub event_service: Option<String>,
}

impl Root {
    /// Reads it.
    pub fn read(fields: &Fields<'_>) -> Root {
        let links = fields.object("Links");
        let sessions = links.and_then(|links| links.link("Sessions"));
        let service = fields.link("SessionService");
        Root {
            was_read: true,
            vendor: fields.text("Vendor").or_else(|| oem_vendor(fields)),
            product: fields.text("Product"),
            version: fields.text("RedfishVersion"),
            uuid: fields.text("UUID"),
            sessions: sessions
                .or_else(|| service.map(|path| path.trim_end_matches('/').to_owned() + SESSIONS)),
            chassis: fields.link("Chassis"),
            systems: fields.link("Systems"),
            power_equipment: fields.link("PowerEquipment"),
            event_service: fields.link("EventService"),
        }
    }

    /// For a service whose root cannot be read: the usual places are tried, and the doubt is told.
    pub fn unread(error: &BmcError, doubts: &Doubts) -> Root {
        doubts.add(
            "missing",
            SERVICE_ROOT,
            format!(
                "the service root cannot be read ({}); the usual places are tried",
                error.whole()
            ),
        );
        Root {
            sessions: Some(crate::redfish::session::SESSIONS.to_owned()),
            ..Root::default()
        }
    }

    /// Where chassis are.
    pub fn chassis(&self) -> &str {
        self.chassis.as_deref().unwrap_or(CHASSIS)
    }

    /// Where systems are.
    pub fn systems(&self) -> &str {
        self.systems.as_deref().unwrap_or(SYSTEMS)
    }
}

fn oem_vendor(fields: &Fields<'_>) -> Option<String> {
    const VENDORS: [&str; 8] = [
        "Dell",
        "Hpe",
        "Hp",
        "Lenovo",
        "Supermicro",
        "Ami",
        "Nvidia",
        "OpenBmc",
    ];
    let oem = fields.object("Oem")?;
    VENDORS
        .iter()
        .find(|vendor| oem.has(vendor))
        .map(|vendor| (*vendor).to_owned())
}
