//! Sets the power limit of the node behind a BMC, in whichever of three places the BMC keeps it. Never before exceeding it is harmless.

use facts::Power;
use serde_json::{Value, json};

use super::{node, read_back};
use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::observe::{LimitWay, PowerLimit};
use crate::redfish::schema::{Doubts, Fields};
use crate::redfish::walk::members;

/// Exceptions of a limit that leave the machine running (`PowerLimit.LimitException`).
const HARMLESS: [&str; 2] = ["NoAction", "LogEventOnly"];

/// Sets the node's power limit, puts it in force and reads it back: `EnvironmentMetrics.PowerLimitWatts`, a `Control` of its chassis, or
/// the legacy `PowerControl.PowerLimit`. Before that, each legacy exception action of the BMC is set to `NoAction` and read back: recorded
/// BMCs are born with `HardPowerOff`. The two newer places have no such property in their schemas.
///
/// # Errors
/// Where the BMC offers no limit, the watts are outside of what it allows, exceeding it would switch the machine off and
/// that cannot be changed or read back, or the limit does not stand afterwards.
pub async fn set_power_limit(bmc: &Bmc, watts: Power) -> Result<PowerLimit, BmcError> {
    let facts = node(bmc).await?;
    let refused = |why: String| BmcError::Refused {
        resource: bmc.name_of(&facts.resource),
        why,
    };
    let Some(limit) = facts.limit.clone() else {
        let none =
            "the BMC offers no PowerLimitWatts, no Control of type Power for the chassis and no PowerLimit";
        return Err(refused(none.to_owned()));
    };
    if limit.min_watts.is_some_and(|min| watts < min) || limit.max_watts.is_some_and(|max| watts > max) {
        let bound = |bound: Option<Power>| bound.map_or_else(|| "any".to_owned(), |watts| watts.to_string());
        return Err(refused(format!(
            "{watts} is outside of what the BMC allows ({} to {})",
            bound(limit.min_watts),
            bound(limit.max_watts)
        )));
    }
    make_harmless(bmc).await?;
    if let LimitWay::PowerControl(index) = limit.way {
        must_be_harmless(bmc, &limit.resource, index).await?;
    }
    bmc.patch(&limit.resource, &change(&limit, watts)).await?;
    let resource = limit.resource.clone();
    let seen = read_back(bmc, &resource, |value| {
        let now = in_force(value, &resource, limit.way);
        (now != Some(watts)).then(|| now.map_or_else(|| "nothing".to_owned(), |now| now.to_string()))
    });
    match seen.await? {
        None => Ok(PowerLimit {
            set_point_watts: Some(watts),
            ..limit
        }),
        Some(seen) => Err(BmcError::NotTaken {
            resource: bmc.name_of(&resource),
            wanted: watts.to_string(),
            seen,
        }),
    }
}

/// The PATCH that sets a limit. One whose mode is `Disabled` is switched on with it.
fn change(limit: &PowerLimit, watts: Power) -> Value {
    let number = serde_json::to_value(watts).unwrap_or(Value::Null);
    let mut control = json!({"SetPoint": number});
    if limit.control_mode.as_deref() == Some("Disabled") {
        control["ControlMode"] = json!("Automatic");
    }
    match limit.way {
        LimitWay::Environment => json!({"PowerLimitWatts": control}),
        LimitWay::Control => control,
        LimitWay::PowerControl(index) => of_control(index, &json!({"PowerLimit": {"LimitInWatts": number}})),
    }
}

/// In a list each member before the one meant stands as an empty object: unchanged (DSP0266, "PATCH on arrays").
fn of_control(index: usize, change: &Value) -> Value {
    let members = (0..=index).map(|each| if each == index { change.clone() } else { json!({}) });
    json!({"PowerControl": members.collect::<Vec<Value>>()})
}

/// The limit in force; `None` where none is.
fn in_force(value: &Value, resource: &str, way: LimitWay) -> Option<Power> {
    let doubts = Doubts::default();
    let fields = Fields::of(value, resource, &doubts);
    let set = |control: &Fields<'_>| {
        let is_off = control.text("ControlMode").as_deref() == Some("Disabled");
        control.watts("SetPoint").value().filter(|_| !is_off)
    };
    match way {
        LimitWay::Environment => set(&fields.object("PowerLimitWatts")?),
        LimitWay::Control => set(&fields),
        LimitWay::PowerControl(index) => {
            let controls = fields.objects("PowerControl");
            controls
                .get(index)?
                .object("PowerLimit")?
                .watts("LimitInWatts")
                .value()
        }
    }
}

/// Before a limit: every legacy exception action of this BMC must be harmless, or become so, and be read back as such.
async fn make_harmless(bmc: &Bmc) -> Result<(), BmcError> {
    let doubts = Doubts::default();
    for chassis in members(bmc, bmc.root().chassis(), &doubts).await? {
        let value = bmc.get(&chassis).await?;
        let Some(path) = Fields::of(&value, &chassis, &doubts).link("Power") else {
            continue;
        };
        let value = match bmc.get_fresh(&path).await {
            Ok(value) => value,
            Err(error) if error.is_missing() => continue,
            Err(error) => return Err(error),
        };
        // One after the other: what a BMC makes of a list of changes is its own.
        for index in harmful(&value, &path) {
            calm(bmc, &path, index).await?;
        }
    }
    Ok(())
}

fn not_harmless(bmc: &Bmc, path: &str, why: &str) -> BmcError {
    BmcError::Refused {
        resource: bmc.name_of(path),
        why: format!(
            "LimitException is not harmless and cannot be changed ({why}); a cap could switch the machine off"
        ),
    }
}

/// Sets one exception action to `NoAction`, and reads it back.
async fn calm(bmc: &Bmc, path: &str, index: usize) -> Result<(), BmcError> {
    let body = of_control(index, &json!({"PowerLimit": {"LimitException": "NoAction"}}));
    bmc.patch(path, &body)
        .await
        .map_err(|error| not_harmless(bmc, path, &error.whole()))?;
    let seen = read_back(bmc, path, |value| {
        let word = exception(value, path, index);
        let is_harmless = word.as_deref().is_some_and(|word| HARMLESS.contains(&word));
        (!is_harmless).then(|| word.unwrap_or_else(|| "untold".to_owned()))
    });
    match seen.await? {
        None => Ok(()),
        Some(seen) => Err(not_harmless(bmc, path, &format!("it stays {seen}"))),
    }
}

/// A limit that is kept in the legacy place has an exception action, and it is set even where the BMC does not tell it yet.
async fn must_be_harmless(bmc: &Bmc, path: &str, index: usize) -> Result<(), BmcError> {
    let value = bmc.get_fresh(path).await?;
    let told = exception(&value, path, index);
    if told.is_some_and(|word| HARMLESS.contains(&word.as_str())) {
        return Ok(());
    }
    calm(bmc, path, index).await
}

fn exception(value: &Value, path: &str, index: usize) -> Option<String> {
    let doubts = Doubts::default();
    let fields = Fields::of(value, path, &doubts);
    let controls = fields.objects("PowerControl");
    controls.get(index)?.object("PowerLimit")?.text("LimitException")
}

/// Each `PowerControl` whose limit would do harm.
fn harmful(value: &Value, path: &str) -> Vec<usize> {
    let doubts = Doubts::default();
    let fields = Fields::of(value, path, &doubts);
    let controls = 0..fields.objects("PowerControl").len();
    let harmful = controls.filter(|index| {
        let word = exception(value, path, *index);
        word.is_some_and(|word| !HARMLESS.contains(&word.as_str()))
    });
    harmful.collect()
}
