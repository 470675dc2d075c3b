//! How a host proves who it is: by a key that the rack gives to both, where both kernels can (DH-HMAC-CHAP).

use std::collections::BTreeMap;

use intent::{Actuator, DriveKey};
use isolators::fabric::keys::{self, HostKey};
use isolators::fabric::target::Standing;
use isolators::fabric::{Nqn, OURS};

use super::lending::Authentication;
use super::refusal::{Refusal, told};
use super::{Inner, Lending};

/// How it is called in NVM Express.
const PROVEN: &str = "DH-HMAC-CHAP";
const UNSUPPORTED: &str = "the kernel of this node has no NVME_TARGET_AUTH";

impl Inner {
    /// What a host must know to be let in; `None` where its name is enough.
    pub(super) fn key_for(&self, guest: &Nqn, key: Option<&DriveKey>) -> Result<Option<DriveKey>, Refusal> {
        let policy = self.lending()?.authentication;
        if policy == Authentication::Off {
            return Ok(None);
        }
        let why = match key {
            None => {
                "the order brings no key: the rack has none, or the kernel of that node cannot prove that it knows one \
                 (CONFIG_NVME_HOST_AUTH)"
            }
            Some(key) => match self.cannot_be_keyed(guest)? {
                None => return Ok(Some(key.clone())),
                Some(why) => why,
            },
        };
        if policy == Authentication::WherePossible {
            return Ok(None);
        }
        Err(Refusal::Conflict(format!(
            "{guest} is not let in: {why}; authentication = \"require\" stands in [pooled_drives] of this node"
        )))
    }

    /// Why this target cannot have a host prove who it is; `None` where it can. The kernel tells it of a host that it knows alone.
    fn cannot_be_keyed(&self, guest: &Nqn) -> Result<Option<&'static str>, Refusal> {
        let failed = |error: isolators::IsolateError| Refusal::Failed(told(&error));
        let before = keys::host_key(&self.host, guest.as_str()).map_err(failed)?;
        if before.is_none() {
            self.converge(Actuator::Drives, || Ok(keys::known(&self.host, guest)))?;
        }
        let now = keys::host_key(&self.host, guest.as_str()).map_err(failed)?;
        if now == Some(HostKey::Unsupported) {
            if before.is_none() {
                self.converge(Actuator::Drives, || Ok(keys::unknown(&self.host, guest)))?;
            }
            return Ok(Some(UNSUPPORTED));
        }
        if now == Some(HostKey::Unset) && keys::is_others(&self.host, guest).map_err(failed)? {
            let why = "somebody else's subsystem lets it in without a key, and a host has one key for all of a target";
            return Ok(Some(why));
        }
        Ok(None)
    }
}

/// How those who are let in to a drive prove who they are; `None` where nobody is let in.
pub(super) fn words(
    lending: Option<&Lending>,
    standing: &BTreeMap<String, Standing>,
    nqn: Option<&str>,
) -> Option<String> {
    let nqn = nqn?;
    let is = standing.get(nqn)?;
    let worst = is.keys.values().min().copied();
    if worst == Some(HostKey::Set) && !is.any_host {
        return Some(PROVEN.to_owned());
    }
    let is_off = lending.is_some_and(|lending| lending.authentication == Authentication::Off);
    let why = if !nqn.starts_with(OURS) {
        "somebody else offers it"
    } else if is_off {
        "authentication = \"off\" stands in [pooled_drives]"
    } else if worst == Some(HostKey::Unsupported) {
        UNSUPPORTED
    } else {
        "no key came with the order"
    };
    Some(format!("none: {why}"))
}
