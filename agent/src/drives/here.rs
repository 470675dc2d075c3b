//! The drives of this node that it lends, as the kernel shows them now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use collectors::block::BlockCollector;
use collectors::{Collector, Root};
use facts::drive::Drive;
use facts::{Bytes, Identity};
use isolators::Host;
use isolators::fabric::{DriveIdentity, NotAName};

use super::boot::boot_drives;
use super::lending::{Lending, Pick};

const CLASS_BLOCK: &str = "/sys/class/block";
/// Each disk of a boot has its own (Documentation/ABI/stable/sysfs-block, Linux 5.15).
const DISKSEQ: &str = "diskseq";
/// Slots as the firmware or the hotplug driver names them; `address` is that of their functions without the last digit.
const PCI_SLOTS: &str = "/sys/bus/pci/slots";
const ADDRESS: &str = "address";
/// How a SCSI device names its place in an enclosure (drivers/misc/enclosure.c).
const ENCLOSURE_DEVICE: &str = "enclosure_device:";
/// Controllers, and how each is reached.
const NVME: &str = "/sys/class/nvme";
const TRANSPORT: &str = "transport";
/// In this machine.
const PCIE: &str = "pcie";
/// What reaches drives of other machines begins so: `nvme-tcp`.
const FABRIC: &str = "nvme-";

/// A drive of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Here {
    pub identity: Identity,
    pub nguid: Option<String>,
    pub device: String,
    pub slot: String,
    pub size: Bytes,
    /// What the kernel of this boot gave to this insertion and to no other one.
    pub disk: u64,
    /// NVMe controllers that lead to it.
    pub controllers: Vec<String>,
}

impl Here {
    /// Who it is on a fabric.
    pub(super) fn drive(&self) -> Result<DriveIdentity, NotAName> {
        let serial = self.identity.serial.as_deref().unwrap_or_default();
        DriveIdentity::new(serial, self.identity.model.as_deref(), self.nguid.as_deref())
    }
}

/// Whether two speak of the same drive: its model and its serial number, without white space around them.
pub(super) fn is_same(one: &Identity, other: &Identity) -> bool {
    let plain = |text: &Option<String>| {
        let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    plain(&one.serial).is_some()
        && plain(&one.serial) == plain(&other.serial)
        && plain(&one.model) == plain(&other.model)
}

/// Every drive that is lent, as the kernel shows it now. Reads sysfs and asks no drive.
pub(super) fn lent(root: &Root, host: &Host, lending: &Lending) -> Result<Vec<Here>, String> {
    let seen = BlockCollector::new(root.clone())
        .collect()
        .map_err(|error| format!("the drives of this node cannot be listed: {error}"))?;
    let drives = seen.drives.unwrap_or_default();
    let slots = pci_slots(host);
    let boot = if lending.picks.contains(&Pick::AllButBoot) {
        boot_drives(host, drives.iter().map(|drive| drive.device.as_str()))
    } else {
        BTreeSet::new()
    };
    let here = drives.iter().filter_map(|drive| {
        let place = Path::new(CLASS_BLOCK).join(&drive.device);
        // A controller without a namespace can hold nothing, and a drive of another machine is not ours to lend.
        if !host.has(&place) || is_far(host, drive) {
            return None;
        }
        let slot = slot_of(host, drive, &place, &slots);
        let is_lent = lending
            .picks
            .iter()
            .any(|pick| picks(pick, drive, &slot, boot.contains(&drive.device)));
        is_lent.then(|| Here {
            identity: drive.identity.clone(),
            nguid: drive.names.nguid.map(|nguid| nguid.to_string()),
            device: drive.device.clone(),
            slot,
            size: drive.size_bytes,
            disk: disk_of(host, &place),
            controllers: drive.controllers.clone(),
        })
    });
    let mut here: Vec<Here> = here.collect();
    here.sort_by(|one, other| (&one.slot, &one.device).cmp(&(&other.slot, &other.device)));
    Ok(here)
}

/// Whether a drive stands in another machine. One with several paths stands below its subsystem, which has no transport: its controllers have.
fn is_far(host: &Host, drive: &Drive) -> bool {
    let says = |controller: &String| host.read(&Path::new(NVME).join(controller).join(TRANSPORT));
    let mut transports = drive.controllers.iter().map(says);
    let is_fabric = drive
        .transport
        .as_deref()
        .is_some_and(|transport| transport.starts_with(FABRIC));
    is_fabric || transports.any(|says| says.is_ok_and(|says| says.is_some_and(|it| it != PCIE)))
}

fn picks(pick: &Pick, drive: &Drive, slot: &str, is_boot: bool) -> bool {
    match pick {
        Pick::AllButBoot => !is_boot && !drive.removable,
        Pick::Slot(name) => name == slot,
        Pick::Pci(address) => drive.pci == Some(*address),
        Pick::Serial(serial) => drive.identity.serial.as_deref().map(str::trim) == Some(serial),
    }
}

/// By the beginning of the addresses of what sits there: `0000:01:00`.
fn pci_slots(host: &Host) -> BTreeMap<String, String> {
    let names = host.entries(Path::new(PCI_SLOTS)).unwrap_or_default();
    let address = |name: &String| host.read(&Path::new(PCI_SLOTS).join(name).join(ADDRESS));
    names
        .into_iter()
        .filter_map(|name| Some((address(&name).ok()??, name)))
        .collect()
}

/// The PCI slot, the enclosure's slot, or else the PCI address; at last what the kernel calls it.
fn slot_of(host: &Host, drive: &Drive, place: &Path, slots: &BTreeMap<String, String>) -> String {
    let address = drive.pci.map(|pci| pci.to_string());
    let slot = address
        .as_deref()
        .and_then(|address| address.rsplit_once('.'))
        .and_then(|(device, _)| slots.get(device).cloned());
    let of_enclosure = || {
        let below = host.entries(&place.join("device")).unwrap_or_default();
        let mut names = below
            .iter()
            .filter_map(|name| name.strip_prefix(ENCLOSURE_DEVICE));
        names.next().map(|name| name.trim().to_owned())
    };
    slot.or_else(of_enclosure)
        .or(address)
        .unwrap_or_else(|| drive.device.clone())
}

/// A kernel without such numbers has others: that of the disk's directory, which it makes anew with each disk.
fn disk_of(host: &Host, place: &Path) -> u64 {
    let told = host.read(&place.join(DISKSEQ)).ok().flatten();
    let of_directory = || fs::metadata(host.real(place)).map_or(0, |about| about.ino());
    told.and_then(|text| text.parse().ok())
        .unwrap_or_else(of_directory)
}
