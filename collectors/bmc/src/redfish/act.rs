//! The two things that are asked of a BMC: light a locate LED, set a power limit. Each is read back; none is repeated.

use std::time::Duration;

use facts::Power;
use serde_json::{Value, json};

use super::bmc::Bmc;
use super::error::BmcError;
use super::observe::{PowerLimit, node};
use super::schema::{Doubts, Fields};

/// How often a write is looked for before it counts as not taken. BMCs answer a PATCH before it stands in the resource.
const READ_BACK_TRIES: u32 = 10;
/// Between two looks.
const READ_BACK_PAUSE: Duration = Duration::from_millis(200);
/// DMTF, since 2020.
const LOCATION_INDICATOR_ACTIVE: &str = "LocationIndicatorActive";
/// DMTF, before.
const INDICATOR_LED: &str = "IndicatorLED";
/// Exceptions of a limit that leave the machine running (`PowerLimit.LimitException`).
const HARMLESS: [&str; 2] = ["NoAction", "LogEventOnly"];

/// Lights or darkens the locate LED of a resource, an empty bay's too, and reads it back.
///
/// # Errors
/// Where there is no LED, the BMC refuses, or it stays as it was.
pub async fn set_led(bmc: &Bmc, resource: &str, lit: bool) -> Result<(), BmcError> {
    let (path, member) = split(resource);
    let value = bmc.get_fresh(path).await?;
    let doubts = Doubts::default();
    let name = bmc.name_of(resource);
    let refused = |why: &str| BmcError::Refused {
        resource: name.clone(),
        why: why.to_owned(),
    };
    let (index, count) = match member {
        None => (None, 0),
        Some(list) => {
            let found = position(&value, list, resource).ok_or_else(|| refused("no such member"))?;
            (Some((list, found.0)), found.1)
        }
    };
    let here = at(&value, index).ok_or_else(|| refused("no such member"))?;
    let fields = Fields::of(here, &name, &doubts);
    let change = if fields.has(LOCATION_INDICATOR_ACTIVE) {
        json!({LOCATION_INDICATOR_ACTIVE: lit})
    } else if fields.text(INDICATOR_LED).is_some() {
        json!({INDICATOR_LED: if lit { "Lit" } else { "Off" }})
    } else {
        return Err(refused("it has neither LocationIndicatorActive nor IndicatorLED"));
    };
    // In a list each member before the one meant stands as an empty object: unchanged (DSP0266, "PATCH on arrays").
    let body = match index {
        None => change,
        Some((list, index)) => {
            let members = (0..count).map(|each| if each == index { change.clone() } else { json!({}) });
            json!({list: members.collect::<Vec<Value>>()})
        }
    };
    bmc.patch(path, &body).await?;
    let wanted = if lit { "lit" } else { "dark" };
    let seen = read_back(bmc, path, |value| {
        let here = at(value, index)?;
        let fields = Fields::of(here, &name, &doubts);
        let now = fields
            .flag(LOCATION_INDICATOR_ACTIVE)
            .or_else(|| Some(fields.text(INDICATOR_LED)? != "Off"));
        (now != Some(lit)).then(|| format!("{now:?}"))
    });
    match seen.await? {
        None => Ok(()),
        Some(seen) => Err(BmcError::NotTaken {
            resource: name,
            wanted: wanted.to_owned(),
            seen,
        }),
    }
}

/// Sets the node's power limit (`EnvironmentMetrics.PowerLimitWatts.SetPoint`) and reads it back.
///
/// # Errors
/// Where the BMC offers no limit, the watts are outside of what it allows, exceeding it would switch the machine off and
/// that cannot be changed, or the limit does not stand afterwards.
pub async fn set_power_limit(bmc: &Bmc, watts: Power) -> Result<PowerLimit, BmcError> {
    let facts = node(bmc).await?;
    let refused = |why: String| BmcError::Refused {
        resource: bmc.name_of(&facts.resource),
        why,
    };
    let Some(limit) = facts.limit.clone() else {
        return Err(refused("the BMC offers no PowerLimitWatts".to_owned()));
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
    let number = serde_json::to_value(watts).unwrap_or(Value::Null);
    bmc.patch(&limit.resource, &json!({"PowerLimitWatts": {"SetPoint": number}}))
        .await?;
    let doubts = Doubts::default();
    let resource = limit.resource.clone();
    let seen = read_back(bmc, &limit.resource, |value| {
        let fields = Fields::of(value, &resource, &doubts);
        let now = fields
            .object("PowerLimitWatts")
            .and_then(|limit| limit.watts("SetPoint").value());
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

/// Before a limit: every legacy exception action of this BMC must be harmless, or become so, and be read back as such.
async fn make_harmless(bmc: &Bmc) -> Result<(), BmcError> {
    let doubts = Doubts::default();
    for chassis in super::walk::members(bmc, bmc.root().chassis(), &doubts).await? {
        let value = bmc.get(&chassis).await?;
        let Some(path) = Fields::of(&value, &chassis, &doubts).link("Power") else {
            continue;
        };
        let value = match bmc.get_fresh(&path).await {
            Ok(value) => value,
            Err(error) if error.is_missing() => continue,
            Err(error) => return Err(error),
        };
        let harmful = harmful(&value, &path);
        let Some(index) = harmful else { continue };
        let controls = (0..=index).map(|each| match each == index {
            true => json!({"PowerLimit": {"LimitException": "NoAction"}}),
            false => json!({}),
        });
        let refused = |why: String| BmcError::Refused {
            resource: bmc.name_of(&path),
            why: format!(
                "LimitException is not harmless and cannot be changed ({why}); a cap could switch the machine off"
            ),
        };
        let body = json!({"PowerControl": controls.collect::<Vec<Value>>()});
        bmc.patch(&path, &body)
            .await
            .map_err(|error| refused(error.whole()))?;
        let seen = read_back(bmc, &path, |value| harmful_word(value, &path)).await?;
        if let Some(seen) = seen {
            return Err(refused(format!("it stays {seen}")));
        }
    }
    Ok(())
}

/// The first `PowerControl` whose limit would do harm.
fn harmful(value: &Value, path: &str) -> Option<usize> {
    let doubts = Doubts::default();
    let fields = Fields::of(value, path, &doubts);
    fields.objects("PowerControl").iter().position(|control| {
        control
            .object("PowerLimit")
            .and_then(|limit| limit.text("LimitException"))
            .is_some_and(|word| !HARMLESS.contains(&word.as_str()))
    })
}

fn harmful_word(value: &Value, path: &str) -> Option<String> {
    harmful(value, path).map(|index| format!("harmful in PowerControl {index}"))
}

/// Looks until nothing differs; `None` then, else what was seen last.
async fn read_back(
    bmc: &Bmc,
    path: &str,
    differs: impl Fn(&Value) -> Option<String>,
) -> Result<Option<String>, BmcError> {
    let mut seen = None;
    for attempt in 0..READ_BACK_TRIES {
        if attempt > 0 {
            tokio::time::sleep(READ_BACK_PAUSE).await;
        }
        seen = differs(bmc.get_fresh(path).await?.as_ref());
        if seen.is_none() {
            return Ok(None);
        }
    }
    Ok(seen)
}

/// A resource, or a member of a list in it: `/…/Power#/PowerSupplies/3` is `/…/Power` and `PowerSupplies`.
fn split(resource: &str) -> (&str, Option<&str>) {
    match resource.split_once('#') {
        None => (resource, None),
        Some((path, fragment)) => (path, fragment.trim_start_matches('/').split('/').next()),
    }
}

/// Where in the list the member with this id stands, and how many there are: recorded ids are neither ordered nor without gaps.
fn position(value: &Value, list: &str, resource: &str) -> Option<(usize, usize)> {
    let members = value.get(list)?.as_array()?;
    let by_id = members
        .iter()
        .position(|member| member.get("@odata.id").and_then(Value::as_str) == Some(resource));
    let by_number = || {
        let number: usize = resource.rsplit('/').next()?.parse().ok()?;
        let nameless = members.get(number)?.get("@odata.id").is_none();
        nameless.then_some(number)
    };
    by_id.or_else(by_number).map(|index| (index, members.len()))
}

fn at<'a>(value: &'a Value, index: Option<(&str, usize)>) -> Option<&'a Value> {
    match index {
        None => Some(value),
        Some((list, index)) => value.get(list)?.get(index),
    }
}
