//! The kernel's NVMe initiator: drives of other nodes, connected through `/dev/nvme-fabrics` and known by what they say of themselves.
//! Planned from `/sys/class/nvme` and `/sys/class/nvme-subsystem` (drivers/nvme/host).

use std::collections::BTreeSet;
use std::path::Path;

use intent::DriveKey;
use serde::{Deserialize, Serialize};

use super::name::{DriveIdentity, Nqn, OURS};
use super::step::{Connect, FABRICS, FabricStep, NVME, Peer, SUBSYSNQN};
use crate::block::in_use;
use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::step::Step;

/// Subsystems as the initiator knows them; the head of a drive with several paths stands there.
const NVME_SUBSYSTEM: &str = "/sys/class/nvme-subsystem";
const GIVES: &str = "modprobe nvme-tcp";
const CONTROLLER: &str = "nvme-fabrics";
/// A controller that answers.
const LIVE: &str = "live";

/// A drive of another node that this node uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its subsystem.
    pub nqn: Nqn,
    /// Where it is offered, and as whom this node asks.
    pub peer: Peer,
    /// Who it must be.
    pub drive: DriveIdentity,
    /// What this host proves to know; for a kernel that can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DriveKey>,
}

/// A connection as it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The kernel's name of the controller: `nvme3`.
    pub controller: String,
    /// Its subsystem.
    pub nqn: String,
    /// `live`, `connecting`, `resetting`, `deleting`, `dead` …
    pub state: String,
    /// What the drive says of itself.
    pub serial: Option<String>,
    /// The same.
    pub model: Option<String>,
    /// The block device to use: the head `nvme3n1`, never a path `nvme3c3n1`. `None` while it has none.
    pub device: Option<String>,
}

/// Every connection to a subsystem of ours.
///
/// # Errors
/// When sysfs cannot be read.
pub fn attached(host: &Host) -> Result<Vec<Attached>, IsolateError> {
    let mut found = Vec::new();
    for controller in list(host, Path::new(NVME))? {
        let dir = Path::new(NVME).join(&controller);
        let says = |name: &str| host.read(&dir.join(name)).ok().flatten();
        let Some(nqn) = says(SUBSYSNQN).filter(|nqn| nqn.starts_with(OURS)) else {
            continue;
        };
        found.push(Attached {
            state: says("state").unwrap_or_default(),
            serial: says("serial"),
            model: says("model"),
            device: device_of(host, &controller, &nqn)?,
            controller,
            nqn,
        });
    }
    Ok(found)
}

/// The drive's own block device: below the subsystem where the kernel knows several paths, else below the controller.
pub(crate) fn device_of(host: &Host, controller: &str, nqn: &str) -> Result<Option<String>, IsolateError> {
    for subsystem in list(host, Path::new(NVME_SUBSYSTEM))? {
        let dir = Path::new(NVME_SUBSYSTEM).join(subsystem);
        let is_it = host.read(&dir.join(SUBSYSNQN)).ok().flatten().as_deref() == Some(nqn);
        if is_it && let Some(head) = list(host, &dir)?.into_iter().find(|name| is_namespace(name)) {
            return Ok(Some(head));
        }
    }
    let below = list(host, &Path::new(NVME).join(controller))?;
    Ok(below.into_iter().find(|name| is_namespace(name)))
}

/// `nvme3n1`: numbers only, so that a path `nvme3c3n1`, which has no device file, is none.
fn is_namespace(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("nvme")
        .and_then(|rest| rest.split_once('n'))
        .is_some_and(|(instance, namespace)| is_number(instance) && is_number(namespace))
}

/// Whether this kernel can use drives of other nodes.
pub fn is_there(host: &Host) -> bool {
    host.has(Path::new(FABRICS))
}

/// The steps that are missing until this node uses these drives of other nodes, and no others of ours. A connection that answers and
/// whose drive is in use is not ended: whoever uses it ends first.
///
/// # Errors
/// When the kernel has no initiator for this, a drive is wanted twice, or one that shall go is in use.
pub fn steps(host: &Host, wanted: &[Attachment]) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = wanted.iter().find(|one| !names.insert(&one.nqn)) {
        return Err(IsolateError::NoDevice {
            device: twice.nqn.to_string(),
            why: "it is wanted twice".to_owned(),
        });
    }
    missing(host, &attached(host)?, wanted)
}

/// The same for one subsystem alone, which is wanted or not: other connections stay as they are, so that one that hangs holds nobody up
/// but itself.
///
/// # Errors
/// As [`steps`].
pub fn steps_of(
    host: &Host,
    nqn: &Nqn,
    wanted: Option<&Attachment>,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let mut now = attached(host)?;
    now.retain(|is| is.nqn == nqn.as_str());
    missing(host, &now, wanted.map(std::slice::from_ref).unwrap_or_default())
}

fn missing(host: &Host, now: &[Attached], wanted: &[Attachment]) -> Result<Vec<(Phase, Step)>, IsolateError> {
    if !wanted.is_empty() && !is_there(host) {
        return Err(IsolateError::Lacks {
            what: "a drive of another node".to_owned(),
            controller: CONTROLLER,
            file: FABRICS.into(),
            gives: GIVES,
        });
    }
    let mut steps = Vec::new();
    for is in now {
        let shall = wanted.iter().find(|one| one.nqn.as_str() == is.nqn);
        if shall.is_some_and(|one| fits(is, one)) {
            continue;
        }
        // A connection that broke comes back by itself, or is given up by the kernel after its time.
        if is.state != LIVE && shall.is_some() {
            continue;
        }
        steps.push((Phase::Release, ended(host, is)?));
    }
    for one in wanted {
        let is_there = now
            .iter()
            .any(|is| is.nqn == one.nqn.as_str() && (fits(is, one) || is.state != LIVE));
        if !is_there {
            let connect = Connect {
                nqn: one.nqn.clone(),
                peer: one.peer.clone(),
                drive: one.drive.clone(),
                key: one.key.clone(),
            };
            steps.push((Phase::Grant, Step::Fabric(FabricStep::Connect(Box::new(connect)))));
        }
    }
    Ok(steps)
}

/// The end of a connection; one that answers is not ended under whoever uses it.
fn ended(host: &Host, is: &Attached) -> Result<Step, IsolateError> {
    if let Some(device) = is.device.as_deref().filter(|_| is.state == LIVE)
        && let Some(why) = in_use(host, device)?
    {
        return Err(IsolateError::NoDevice {
            device: device.to_owned(),
            why,
        });
    }
    let nqn = is.nqn.parse().map_err(|_| IsolateError::Strange {
        path: Path::new(NVME).join(&is.controller).join(SUBSYSNQN),
        text: is.nqn.clone(),
        expected: "an NVMe qualified name",
    })?;
    let controller = is.controller.clone();
    Ok(Step::Fabric(FabricStep::Disconnect { controller, nqn }))
}

/// Whether a connection leads to the drive that is meant.
fn fits(is: &Attached, wanted: &Attachment) -> bool {
    let model = wanted.drive.model();
    is.state == LIVE
        && is.serial.as_deref() == Some(wanted.drive.serial())
        && model.is_none_or(|model| is.model.as_deref() == Some(model))
}

fn list(host: &Host, dir: &Path) -> Result<Vec<String>, IsolateError> {
    host.entries(dir).map_err(|cause| IsolateError::Unreadable {
        path: dir.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests;
