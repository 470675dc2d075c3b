//! Switches the node behind a BMC (`ComputerSystem.Reset`, DSP0268): looked at first, asked once, read back.

use std::time::Duration;

use serde_json::{Value, json};

use super::{READ_BACK_PAUSE, node};
use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::schema::{Doubts, Fields};
use crate::system_power::SystemPower;

/// How long a node may take until its BMC tells its new state.
const SWITCHES_WITHIN: Duration = Duration::from_secs(10);

/// Words of `ResetType` that bring a node there, the best first.
const fn words(to: SystemPower) -> &'static [&'static str] {
    match to {
        SystemPower::ShutDown => &["GracefulShutdown"],
        SystemPower::Off => &["ForceOff"],
        SystemPower::On => &["On", "ForceOn"],
    }
}

fn is_so(state: Option<&str>, to: SystemPower) -> bool {
    match to {
        SystemPower::ShutDown | SystemPower::Off => state == Some("Off"),
        SystemPower::On => state == Some("On"),
    }
}

/// Switches the node, unless it is so already, and reads its `PowerState` back; a shutdown is only asked for. The request is sent once:
/// whoever tries again calls this again, and then its state is read first. `is_it` is asked with the UUID that the BMC tells.
///
/// # Errors
/// Where the BMC belongs to another machine or tells no UUID where `is_it` wants one, does not take the word, or the state does not
/// become so.
pub async fn switch(bmc: &Bmc, to: SystemPower, is_it: impl Fn(&str) -> bool) -> Result<(), BmcError> {
    let facts = node(bmc).await?;
    let name = bmc.name_of(&facts.resource);
    let refused = |why: String| BmcError::Refused {
        resource: name.clone(),
        why,
    };
    let uuid = facts.uuid.as_deref().unwrap_or_default();
    if !is_it(uuid) {
        return Err(refused(format!(
            "it belongs to the machine \"{uuid}\" (SMBIOS UUID), and another one is to be switched; nothing was asked of it"
        )));
    }
    let value = bmc.get_fresh(&facts.resource).await?;
    let doubts = Doubts::default();
    let fields = Fields::of(&value, &name, &doubts);
    if is_so(fields.text("PowerState").as_deref(), to) {
        return Ok(());
    }
    let reset = value
        .get("Actions")
        .and_then(|actions| actions.get("#ComputerSystem.Reset"));
    let target = reset
        .and_then(|reset| reset.get("target"))
        .and_then(Value::as_str);
    let Some(target) = target else {
        return Err(refused("it offers no ComputerSystem.Reset".to_owned()));
    };
    let allowed = reset.and_then(|reset| reset.get("ResetType@Redfish.AllowableValues")?.as_array());
    let word = words(to).iter().copied().find(|word| {
        // A BMC that lists nothing (it may stand in an ActionInfo) is asked with the best word.
        allowed.is_none_or(|allowed| allowed.iter().any(|value| value.as_str() == Some(word)))
    });
    let Some(word) = word else {
        return Err(refused(format!(
            "its ResetType allows {}; expected {}",
            allowed.map_or_else(String::new, |allowed| Value::from(allowed.clone()).to_string()),
            words(to).join(" or ")
        )));
    };
    bmc.post(target, &json!({"ResetType": word})).await?;
    if to == SystemPower::ShutDown {
        return Ok(());
    }
    read_back(bmc, &facts.resource, to).await
}

async fn read_back(bmc: &Bmc, resource: &str, to: SystemPower) -> Result<(), BmcError> {
    let began = tokio::time::Instant::now();
    loop {
        let value = bmc.get_fresh(resource).await?;
        let state = value.get("PowerState").and_then(Value::as_str);
        if is_so(state, to) {
            return Ok(());
        }
        if began.elapsed() >= SWITCHES_WITHIN {
            return Err(BmcError::NotTaken {
                resource: bmc.name_of(resource),
                wanted: if to == SystemPower::On { "On" } else { "Off" }.to_owned(),
                seen: state.unwrap_or("no PowerState").to_owned(),
            });
        }
        tokio::time::sleep(READ_BACK_PAUSE).await;
    }
}
