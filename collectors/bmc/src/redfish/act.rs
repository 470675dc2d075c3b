//! What is asked of a BMC: light a locate LED, set a power limit, switch its node, erase a drive. Each is read back; none is repeated blindly.

mod erase;
mod limit;
mod switch;

use std::time::Duration;

use serde_json::{Value, json};

pub use erase::{EraseStands, SecureErase, secure_erase};
pub use limit::set_power_limit;
pub use switch::switch;

use super::bmc::Bmc;
use super::error::BmcError;
use super::observe::node;
use super::schema::{Doubts, Fields};

/// How often a write is looked for before it counts as not taken. BMCs answer a PATCH before it stands in the resource.
const READ_BACK_TRIES: u32 = 10;
/// Between two looks.
const READ_BACK_PAUSE: Duration = Duration::from_millis(200);
/// DMTF, since 2020.
const LOCATION_INDICATOR_ACTIVE: &str = "LocationIndicatorActive";
/// DMTF, before.
const INDICATOR_LED: &str = "IndicatorLED";

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
