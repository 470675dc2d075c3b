//! Switches a node over IPMI (Chassis Control, IPMI 2.0 section 28.3): looked at first, asked once, read back.

use std::time::Duration;

use super::client::Ipmi;
use super::command::{CHASSIS_CONTROL, Request};
use super::error::IpmiError;
use super::observe::{chassis, system_guid};
use crate::system_power::SystemPower;

/// How long a node may take until its BMC tells its new state. At least one second passes on common BMCs.
const SWITCHES_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// The number of the deed.
const fn deed(to: SystemPower) -> u8 {
    match to {
        SystemPower::Off => 0,
        SystemPower::On => 1,
        SystemPower::ShutDown => 5,
    }
}

/// Switches the node, unless it is so already, and reads that back; a shutdown is only asked for. Sent once. `is_it` is asked with the
/// GUID of the system, all zero where the BMC does not know it. Answers whether anything was sent.
///
/// # Errors
/// Where the BMC belongs to another machine, does not answer (it may have done it), says no, or the state does not become so.
pub async fn switch(
    ipmi: &Ipmi,
    to: SystemPower,
    is_it: impl Fn([u8; 16]) -> bool,
) -> Result<bool, IpmiError> {
    let guid = match system_guid(ipmi).await {
        Ok(guid) => guid,
        Err(error) if error.is_unreachable() => return Err(error),
        Err(_) => [0; 16],
    };
    if !is_it(guid) {
        return Err(ipmi.refused(
            "its system GUID is another one than that of the machine that is to be switched; nothing was asked of it".to_owned(),
        ));
    }
    let wanted = to == SystemPower::On;
    if chassis(ipmi).await?.is_on == wanted {
        return Ok(false);
    }
    ipmi.ask(&Request::new(CHASSIS_CONTROL, [deed(to)])).await?;
    if to == SystemPower::ShutDown {
        return Ok(true);
    }
    let began = tokio::time::Instant::now();
    while chassis(ipmi).await?.is_on != wanted {
        if began.elapsed() >= SWITCHES_WITHIN {
            return Err(IpmiError::NotTaken {
                command: CHASSIS_CONTROL,
                address: ipmi.address().to_owned(),
                wanted: if wanted { "on" } else { "off" }.to_owned(),
                seen: if wanted { "off" } else { "on" }.to_owned(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}
