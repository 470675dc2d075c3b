//! Who uses a whole block device already: another machine, a mount, swap, an array, a partition table, a file system.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{EBUSY, O_EXCL, O_NONBLOCK};

use crate::block::{CLASS_BLOCK, DeviceNumber, PARTITION, disk_and_partitions, number_of};
use crate::fabric::{OURS, SUBSYSNQN};
use crate::host::Host;
use crate::isolator::IsolateError;

/// How an NVMe controller is reached, below its own directory.
const TRANSPORT: &str = "transport";
/// The transport of a drive in this machine.
const PCIE: &str = "pcie";
/// Devices that are made of this one: of device mapper, of an array.
const HOLDERS: &str = "holders";
/// Mounts as the first process sees them, and as we do: a service may have a mount namespace of its own.
const MOUNTS: [&str; 2] = ["/proc/1/mountinfo", "/proc/self/mountinfo"];
const SWAPS: &str = "/proc/swaps";
/// What udev found on a device, by its number: `b259:0`.
const UDEV: &str = "/run/udev/data";
/// Lines of it: a partition table, a file system or a member of something.
const ID_PART_TABLE_TYPE: &str = "E:ID_PART_TABLE_TYPE=";
const ID_FS_TYPE: &str = "E:ID_FS_TYPE=";

/// Who has this whole block device, and what would free it; `None` where nobody does. Reads the host, and writes nothing.
///
/// # Errors
/// When there is no such device, or it is a partition.
pub fn holder(host: &Host, name: &str) -> Result<Option<String>, IsolateError> {
    number_of(host, name)?;
    let numbers = disk_and_partitions(host, name)?;
    let dir = Path::new(CLASS_BLOCK).join(name);
    // What lies on a drive that the rack lent to this node is its tenant's own.
    if is_lent_to_us(host, &dir) {
        return in_use(host, name);
    }
    let found = of_another_machine(host, &dir)
        .or_else(|| mounted(host, name, &numbers))
        .or_else(|| swap(host, name))
        .or_else(|| part_of(host, &dir))
        .or_else(|| partitioned(host, &dir))
        .or_else(|| on_it(host, name, &numbers))
        .or_else(|| claimed(host, name));
    Ok(found)
}

/// Who uses this whole block device at this moment, whatever lies on it; `None` where nobody does. For drives of a pool, whose tenants'
/// partitions and file systems the kernel shows here too. Reads the host, and writes nothing.
///
/// # Errors
/// When there is no such device, or it is a partition.
pub fn in_use(host: &Host, name: &str) -> Result<Option<String>, IsolateError> {
    let found = uses(host, name)?.into_iter().next();
    Ok(found.or_else(|| claimed(host, name)))
}

/// Who uses it at this moment, as lists of the host say: a sentence each. The device is not opened, so that nobody who wants it alone is
/// disturbed.
///
/// # Errors
/// When there is no such device, or it is a partition.
pub fn uses(host: &Host, name: &str) -> Result<Vec<String>, IsolateError> {
    number_of(host, name)?;
    let numbers = disk_and_partitions(host, name)?;
    let all = [
        mounted(host, name, &numbers),
        swap(host, name),
        part_of(host, &Path::new(CLASS_BLOCK).join(name)),
    ];
    Ok(all.into_iter().flatten().collect())
}

/// A namespace of several controllers stands below its subsystem, whose directory has theirs.
pub(crate) fn of_another_machine(host: &Host, dir: &Path) -> Option<String> {
    let transport = said(host, dir, TRANSPORT)?;
    (transport != PCIE).then(|| {
        format!("it is reached over {transport} and stands in another machine; only drives of this one are lent here")
    })
}

/// Whether it is a drive that the rack lent to this node over a fabric.
fn is_lent_to_us(host: &Host, dir: &Path) -> bool {
    let is_far = said(host, dir, TRANSPORT).is_some_and(|transport| transport != PCIE);
    is_far && said(host, dir, SUBSYSNQN).is_some_and(|nqn| nqn.starts_with(OURS))
}

/// What the controller of a namespace says, or the first one that leads to it.
fn said(host: &Host, dir: &Path, file: &str) -> Option<String> {
    let device = dir.join("device");
    let below = host.entries(&device).unwrap_or_default();
    let controllers = below
        .iter()
        .filter(|name| name.starts_with("nvme"))
        .map(|name| device.join(name));
    let mut places = [device.clone()].into_iter().chain(controllers);
    places.find_map(|place| host.read(&place.join(file)).ok().flatten())
}

fn mounted(host: &Host, name: &str, numbers: &[DeviceNumber]) -> Option<String> {
    MOUNTS.iter().find_map(|list| {
        let text = host.read(Path::new(list)).ok().flatten()?;
        let place = text.lines().find_map(|line| {
            let mut words = line.split(' ');
            let number = DeviceNumber::parse(words.nth(2)?)?;
            let place = words.nth(1)?;
            // A file system of several devices has a number of its own, and names one of them.
            let source = line.split(" - ").nth(1)?.split(' ').nth(1)?;
            (numbers.contains(&number) || is_on(source, name)).then_some(place)
        })?;
        Some(format!("it is mounted at {place}; umount it first"))
    })
}

/// Whether `/dev/nvme0n1p2` is `nvme0n1` or a partition of it.
fn is_on(source: &str, name: &str) -> bool {
    let rest = source
        .strip_prefix("/dev/")
        .and_then(|rest| rest.strip_prefix(name));
    let ends_in_digit = name.ends_with(|last: char| last.is_ascii_digit());
    rest.is_some_and(|rest| {
        let number = rest.strip_prefix('p').or((!ends_in_digit).then_some(rest));
        rest.is_empty()
            || number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn swap(host: &Host, name: &str) -> Option<String> {
    let text = host.read(Path::new(SWAPS)).ok().flatten()?;
    let mut places = text.lines().filter_map(|line| line.split_whitespace().next());
    let place = places.find(|place| is_on(place, name))?;
    Some(format!("the kernel swaps to {place}; swapoff it first"))
}

fn part_of(host: &Host, dir: &Path) -> Option<String> {
    let holders = host.entries(&dir.join(HOLDERS)).unwrap_or_default();
    let first = holders.first()?;
    let dm = Path::new(CLASS_BLOCK).join(first).join("dm/name");
    let name = host.read(&dm).ok().flatten();
    let name = name.map_or_else(|| first.clone(), |name| format!("{first} ({name})"));
    Some(format!("it is a part of {name}; take it out of there first"))
}

pub(crate) fn partitioned(host: &Host, dir: &Path) -> Option<String> {
    let below = host.directories(dir).unwrap_or_default();
    let first = below
        .iter()
        .find(|part| host.has(&dir.join(part).join(PARTITION)))?;
    Some(format!("it has partitions ({first}); whoever made them owns it"))
}

fn on_it(host: &Host, name: &str, numbers: &[DeviceNumber]) -> Option<String> {
    let number = numbers.first()?;
    let file = Path::new(UDEV).join(format!("b{number}"));
    let text = host.read(&file).ok().flatten()?;
    let after = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let what = match (after(ID_PART_TABLE_TYPE), after(ID_FS_TYPE)) {
        (Some(table), _) => format!("a partition table ({table})"),
        (None, Some(kind)) => format!("somebody's data ({kind})"),
        (None, None) => return None,
    };
    Some(format!(
        "udev found {what} on it; if that may be lost: wipefs -a /dev/{name}"
    ))
}

/// The kernel itself is asked last, as it also knows what stands in other mount namespaces: whoever uses a device holds it alone.
pub(crate) fn claimed(host: &Host, name: &str) -> Option<String> {
    if !host.is_this_machine() {
        return None;
    }
    let device = Path::new("/dev").join(name);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(O_EXCL | O_NONBLOCK)
        .open(device);
    let is_busy = opened.is_err_and(|error| error.raw_os_error() == Some(EBUSY));
    is_busy.then(|| {
        "the kernel says that it is in use (mounted in another namespace, or a part of something); lsblk -f says more".to_owned()
    })
}
