//! The power limit of a node, in the three places where Redfish keeps one.

use super::node::{LimitWay, PowerLimit};
use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::schema::{Doubts, Fields};
use crate::redfish::walk::{members, or_doubt, read_all};

/// `EnvironmentMetrics.PowerLimitWatts`.
pub(crate) const POWER_LIMIT: &str = "PowerLimitWatts";
/// Controls of one chassis that are looked into: the largest recorded chassis has 8.
const MOST_CONTROLS: usize = 16;

/// `PowerLimitWatts` of an `EnvironmentMetrics`, or a `Control`, whose properties are the same.
pub(crate) fn read_limit(limit: &Fields<'_>, path: &str, way: LimitWay) -> PowerLimit {
    PowerLimit {
        resource: path.to_owned(),
        set_point_watts: limit.watts("SetPoint").value(),
        min_watts: limit.watts("AllowableMin").value(),
        max_watts: limit.watts("AllowableMax").value(),
        control_mode: limit.text("ControlMode"),
        way,
    }
}

/// The `Control` that limits a whole chassis. Those of a processor or of GPUs limit a part, as recorded ones do.
pub(super) async fn in_controls(
    bmc: &Bmc,
    collection: &str,
    doubts: &Doubts,
) -> Result<Option<PowerLimit>, BmcError> {
    let found = members(bmc, collection, doubts).await;
    let Some(mut links) = or_doubt(bmc, collection, doubts, found)? else {
        return Ok(None);
    };
    links.truncate(MOST_CONTROLS);
    for (path, got) in read_all(bmc, links, true).await? {
        let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let control = Fields::of(&value, &name, doubts);
        let is_power = control.text("ControlType").as_deref() == Some("Power") && control.has("SetPoint");
        let context = control.text("PhysicalContext");
        if is_power && context.is_none_or(|context| context == "Chassis") {
            return Ok(Some(read_limit(&control, &path, LimitWay::Control)));
        }
    }
    Ok(None)
}

/// The legacy limit of a chassis: of its first `PowerControl` that has one. 0 W, and null, are none.
pub(super) fn in_power(power: &Fields<'_>, path: &str) -> Option<PowerLimit> {
    let controls = power.objects("PowerControl");
    let (index, limit) = controls
        .iter()
        .enumerate()
        .find_map(|(index, control)| Some((index, control.object("PowerLimit")?)))?;
    let set_point = limit.watts("LimitInWatts").value();
    Some(PowerLimit {
        resource: path.to_owned(),
        set_point_watts: set_point.filter(|watts| !watts.is_zero()),
        way: LimitWay::PowerControl(index),
        ..PowerLimit::default()
    })
}
