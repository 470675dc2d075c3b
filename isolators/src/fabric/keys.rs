//! Keys of hosts at the kernel's target (DH-HMAC-CHAP, NVM Express Base 2.0, 8.13): a host that has one proves that it knows it before it
//! is let in anywhere (drivers/nvme/target/auth.c, Linux 5.20 with CONFIG_NVME_TARGET_AUTH). A host has one key for all of a target.

use std::path::{Path, PathBuf};

use intent::DriveKey;
use serde::{Deserialize, Serialize};

use super::configfs::{HOSTS, nvmet, text};
use super::initiator;
use super::name::{Nqn, OURS};
use super::step::FabricStep;
use super::target::standing;
use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::step::Step;

/// A host's key at the target.
const KEY: &str = "dhchap_key";
/// The module that knows how a key is proved (drivers/nvme/common), as it is called since Linux 6.7 and before.
const AUTH: [&str; 2] = ["nvme_auth", "nvme_common"];
/// The initiator's core, where it uses that module.
const USER: &str = "holders/nvme_core";

/// How a host stands at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKey {
    /// This kernel's target knows no keys.
    Unsupported,
    /// It has none: its name is enough.
    Unset,
    /// It has one, and must prove that it knows it.
    Set,
}

fn dir(guest: &str) -> PathBuf {
    nvmet().join(HOSTS).join(guest)
}

pub(super) fn file(guest: &str) -> PathBuf {
    dir(guest).join(KEY)
}

/// How a host stands at the target; `None` where the target does not know the host, and so nobody can say.
///
/// # Errors
/// When configfs cannot be read.
pub fn host_key(host: &Host, guest: &str) -> Result<Option<HostKey>, IsolateError> {
    if !host.has(&dir(guest)) {
        return Ok(None);
    }
    Ok(Some(match text(host, &file(guest))?.as_deref() {
        None => HostKey::Unsupported,
        Some("") => HostKey::Unset,
        Some(_) => HostKey::Set,
    }))
}

/// The steps until the target knows a host, which is let in nowhere by that.
pub fn known(host: &Host, guest: &Nqn) -> Vec<(Phase, Step)> {
    let dir = dir(guest.as_str());
    if host.has(&dir) {
        return Vec::new();
    }
    vec![(Phase::Shape, Step::Fabric(FabricStep::Make { dir }))]
}

/// The steps until the target does not know a host that is let in nowhere.
pub fn unknown(host: &Host, guest: &Nqn) -> Vec<(Phase, Step)> {
    let dir = dir(guest.as_str());
    if !host.has(&dir) {
        return Vec::new();
    }
    vec![(Phase::Release, Step::Fabric(FabricStep::Remove { dir }))]
}

/// Whether somebody else's subsystem lets a host in: a key would shut it out there.
///
/// # Errors
/// When configfs cannot be read.
pub fn is_others(host: &Host, guest: &Nqn) -> Result<bool, IsolateError> {
    let all = standing(host)?;
    let mut others = all.iter().filter(|(nqn, _)| !nqn.starts_with(OURS));
    Ok(others.any(|(_, is)| is.hosts.contains(guest.as_str())))
}

/// Whether this kernel's initiator can prove that it knows a key (CONFIG_NVME_HOST_AUTH): its core then uses the module that knows how.
/// That it takes the option says nothing, 6.1 does and then proves nothing. A kernel that has both built in does not tell, and counts as
/// one that cannot.
pub fn can_prove(host: &Host) -> bool {
    let mut used = AUTH
        .iter()
        .map(|module| Path::new("/sys/module").join(module).join(USER));
    initiator::is_there(host) && used.any(|user| host.has(&user))
}

pub(super) fn step(guest: &Nqn, key: &DriveKey) -> Step {
    Step::Fabric(FabricStep::Key {
        file: file(guest.as_str()),
        key: key.clone(),
    })
}
