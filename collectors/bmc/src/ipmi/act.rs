//! What is asked of a BMC over IPMI beside switching its node: light the locate LED, limit the power. Sent once each, never repeated.

use std::time::Duration;

use super::client::Ipmi;
use super::command::{CHASSIS_IDENTIFY, DCMI_ACTIVATE_POWER_LIMIT, DCMI_SET_POWER_LIMIT, Request};
use super::error::IpmiError;
use super::observe::{DCMI_GROUP, ExceptionAction, PowerLimit, power_limit};

/// A power limit to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLimit {
    /// The limit in whole watts; not 0.
    pub watts: u16,
    /// What happens where it cannot be held: nothing, or an entry in the log. The others are refused.
    pub exception: ExceptionAction,
    /// How long it may be exceeded before that.
    pub correction: Duration,
    /// Over how long power is averaged for it, in whole seconds.
    pub sampling: Duration,
}

/// How the locate LED shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identify {
    /// Dark.
    Off,
    /// Lit for some seconds (at most 255), then dark by itself.
    For(u8),
    /// Lit until it is switched off. Some old BMCs do not know this and answer with an error.
    On,
}

/// Lights or darkens the node's locate LED.
///
/// # Errors
/// Where the BMC does not answer (it may have done it) or says no.
pub async fn identify(ipmi: &Ipmi, how: Identify) -> Result<(), IpmiError> {
    let data = match how {
        Identify::Off => vec![0],
        Identify::For(seconds) => vec![seconds],
        Identify::On => vec![0, 1],
    };
    ipmi.ask(&Request::new(CHASSIS_IDENTIFY, data)).await.map(|_| ())
}

/// Sets the power limit and reads it back. Whether it is in force does not change: `activate` does that.
///
/// # Errors
/// Where exceeding it would switch the node off, the limit is 0, the BMC does not answer (the limit may stand) or says no,
/// or something else is read back.
pub async fn set_limit(ipmi: &Ipmi, new: NewLimit) -> Result<PowerLimit, IpmiError> {
    if !new.exception.is_harmless() {
        return Err(ipmi.refused(format!(
            "a limit of {} W whose exception action is {:?} could switch the node off; expected NoAction or LogEventOnly",
            new.watts, new.exception
        )));
    }
    if new.watts == 0 {
        return Err(ipmi.refused("a limit of 0 W limits nothing; expected at least 1 W".to_owned()));
    }
    let range = |what: &str| ipmi.refused(format!("{what} of the limit does not fit into the command"));
    let correction = u32::try_from(new.correction.as_millis()).map_err(|_| range("the correction time"))?;
    let sampling = u16::try_from(new.sampling.as_secs()).map_err(|_| range("the sampling time"))?;
    let mut data = vec![DCMI_GROUP, 0, 0, 0, new.exception.number()];
    data.extend_from_slice(&new.watts.to_le_bytes());
    data.extend_from_slice(&correction.to_le_bytes());
    data.extend_from_slice(&[0, 0]);
    data.extend_from_slice(&sampling.to_le_bytes());
    ipmi.ask(&Request::new(DCMI_SET_POWER_LIMIT, data)).await?;
    let seen = power_limit(ipmi).await?;
    match seen {
        Some(limit) if (limit.watts, limit.exception) == (new.watts, new.exception) => Ok(limit),
        seen => Err(not_taken(
            ipmi,
            format!("{} W with {:?}", new.watts, new.exception),
            seen,
        )),
    }
}

/// Puts the power limit in force, or out of it, and reads it back. A limit is put in force only where its exception action is
/// read as harmless right before.
///
/// # Errors
/// Where there is no limit, exceeding it would switch the node off, the BMC does not answer (it may have done it) or says no,
/// or the limit is then not as was asked.
pub async fn activate(ipmi: &Ipmi, active: bool) -> Result<(), IpmiError> {
    if active {
        let Some(limit) = power_limit(ipmi).await? else {
            return Err(
                ipmi.refused("there is no power limit to put in force; expected one to be set".to_owned())
            );
        };
        if !limit.exception.is_harmless() {
            return Err(ipmi.refused(format!(
                "the limit of {} W would do {:?} where it cannot be held; expected NoAction or LogEventOnly to be set first",
                limit.watts, limit.exception
            )));
        }
    }
    let data = [DCMI_GROUP, u8::from(active), 0, 0];
    ipmi.ask(&Request::new(DCMI_ACTIVATE_POWER_LIMIT, data)).await?;
    let seen = power_limit(ipmi).await?;
    if seen.is_some_and(|limit| limit.is_active) == active {
        return Ok(());
    }
    let wanted = if active {
        "a limit in force"
    } else {
        "no limit in force"
    };
    Err(IpmiError::NotTaken {
        command: DCMI_ACTIVATE_POWER_LIMIT,
        address: ipmi.address().to_owned(),
        wanted: wanted.to_owned(),
        seen: format!("{seen:?}"),
    })
}

fn not_taken(ipmi: &Ipmi, wanted: String, seen: Option<PowerLimit>) -> IpmiError {
    IpmiError::NotTaken {
        address: ipmi.address().to_owned(),
        command: DCMI_SET_POWER_LIMIT,
        wanted,
        seen: format!("{seen:?}"),
    }
}
