//! Which drives there are to ask, and what must hold before one is asked.

use facts::NoData;
use facts::drive::Drive;

use crate::attribute;
use crate::block;
use crate::collector::CollectError;
use crate::root::Root;

use super::page::RECORDED;

const NVME: &str = "sys/class/nvme";
const BLOCK: &str = "sys/class/block";
/// `state` of an NVMe controller that answers (drivers/nvme/host/sysfs.c).
const LIVE: &str = "live";
/// `power/runtime_status` of a device that the kernel has put to sleep; opening it would wake it
/// (Documentation/ABI/testing/sysfs-devices-power).
const SUSPENDED: &str = "suspended";
/// Ways to a SCSI disk on which its own log is asked for. A USB bridge may hang or reset on such a command, and a volume of an
/// array or a hypervisor has no log. `None` is a host adapter that names no transport.
const ASKED: [Option<&str>; 3] = [Some("sata"), Some("sas"), None];

/// What a drive speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tongue {
    Nvme,
    Ata,
    Scsi,
}

/// One drive to ask. Two are the same only where all of this is: a new drive under an old name is another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// `nvme0`, `sda`.
    pub(super) name: String,
    /// What metrics call it: `nvme0n1`, `sda`; an NVMe controller without a namespace is its own.
    pub(super) device: String,
    pub(super) tongue: Tongue,
    /// Whether it turns; `true` where the kernel does not say.
    pub(super) turns: bool,
    /// Its device number in sysfs, `259:0`.
    pub(super) number: Option<String>,
    /// Its serial number in sysfs.
    pub(super) serial: Option<String>,
}

/// The drives that keep a log of their own.
pub(super) fn all(root: &Root) -> Result<Vec<Target>, CollectError> {
    let drives = block::drives(root)?;
    let mut targets: Vec<Target> = Vec::new();
    for drive in &drives {
        for target in of(root, drive) {
            // Several namespaces of one controller have one log: the first of them stands for all.
            if !targets.iter().any(|known| known.name == target.name) {
                targets.push(target);
            }
        }
    }
    if !root.is_host() {
        targets.retain(|target| root.has(&format!("{RECORDED}/{}", target.name)));
    }
    Ok(targets)
}

fn of(root: &Root, drive: &Drive) -> Vec<Target> {
    let target = |name: &str, folder: &str, tongue| Target {
        name: name.to_owned(),
        device: drive.device.clone(),
        tongue,
        turns: drive.rotational != Some(false),
        number: root.read(&format!("{folder}/{name}/dev")).ok(),
        serial: drive.identity.serial.clone(),
    };
    if !drive.controllers.is_empty() {
        let controllers = drive.controllers.iter();
        return controllers.map(|name| target(name, NVME, Tongue::Nvme)).collect();
    }
    if !drive.device.starts_with("sd") || !ASKED.contains(&drive.transport.as_deref()) {
        return Vec::new();
    }
    let tongue = if block::is_ata(root, &format!("{BLOCK}/{}", drive.device)) {
        Tongue::Ata
    } else {
        Tongue::Scsi
    };
    vec![target(&drive.device, BLOCK, tongue)]
}

/// Whether the kernel itself says that the drive sleeps.
pub(super) fn is_suspended(root: &Root, target: &Target) -> bool {
    let folder = match target.tongue {
        Tongue::Nvme => NVME,
        Tongue::Ata | Tongue::Scsi => BLOCK,
    };
    let status = format!("{folder}/{}/device/power/runtime_status", target.name);
    attribute::name_if_any(root, &status).as_deref() == Some(SUSPENDED)
}

/// A controller that is being reset holds whoever asks it for a minute; the kernel says so beforehand.
pub(super) fn must_be_live(root: &Root, target: &Target) -> Result<(), CollectError> {
    if target.tongue != Tongue::Nvme {
        return Ok(());
    }
    let name = &target.name;
    match attribute::name_if_any(root, &format!("{NVME}/{name}/state")).as_deref() {
        None | Some(LIVE) => Ok(()),
        Some(dead @ ("dead" | "deleting" | "deleting (no IO)")) => {
            Err(CollectError::new(NoData::Absent, format!("{name} is {dead}")))
        }
        Some(other) => Err(CollectError::new(
            NoData::Timeout,
            format!("{name} is {other} and would not answer"),
        )),
    }
}
