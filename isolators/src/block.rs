//! Block devices by the name that the OS gives them today: their numbers, and the disk of a partition.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::isolator::IsolateError;

pub(crate) use crate::drive_holder::claimed;
pub use crate::drive_holder::{holder, in_use, uses};

/// Where the kernel lists block devices, partitions among them.
pub(crate) const CLASS_BLOCK: &str = "/sys/class/block";
/// `259:0`.
const DEV: &str = "dev";
/// There for partitions only.
pub(crate) const PARTITION: &str = "partition";
/// The kernel's names are shorter (`DISK_NAME_LEN`); what is longer is shown no further.
const LONGEST_NAME: usize = 32;

/// Major and minor number of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// The driver's.
    pub major: u32,
    /// The device's.
    pub minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl DeviceNumber {
    /// From `259:0`.
    pub(crate) fn parse(text: &str) -> Option<DeviceNumber> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(DeviceNumber {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

/// The number of a whole block device, `nvme0n1`.
///
/// # Errors
/// When there is no such device, or it is a partition: the kernel limits whole devices only.
pub(crate) fn number_of(host: &Host, name: &str) -> Result<DeviceNumber, IsolateError> {
    let refused = |why: String| IsolateError::NoDevice {
        device: name.chars().take(LONGEST_NAME).collect(),
        why,
    };
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || name.contains('/') {
        return Err(refused(format!("that is no name in {CLASS_BLOCK}")));
    }
    let dir = Path::new(CLASS_BLOCK).join(name);
    let file = dir.join(DEV);
    let text = host.read(&file).map_err(|cause| IsolateError::Unreadable {
        path: file.clone(),
        cause,
    })?;
    let text = text.ok_or_else(|| refused(format!("there is no {}", file.display())))?;
    if host.has(&dir.join(PARTITION)) {
        return Err(refused("it is a partition; name its whole device".to_owned()));
    }
    DeviceNumber::parse(&text).ok_or(IsolateError::Strange {
        path: file,
        text,
        expected: "two numbers, as in 259:0",
    })
}

/// The numbers of a whole block device and of its partitions.
///
/// # Errors
/// When its directory cannot be listed.
pub(crate) fn disk_and_partitions(host: &Host, name: &str) -> Result<Vec<DeviceNumber>, IsolateError> {
    let dir = Path::new(CLASS_BLOCK).join(name);
    let below = host.directories(&dir).map_err(|cause| IsolateError::Unreadable {
        path: dir.clone(),
        cause,
    })?;
    let parts = below.iter().map(|part| dir.join(part));
    let parts = parts.filter(|part| host.has(&part.join(PARTITION)));
    let all = [dir.clone()].into_iter().chain(parts);
    let number = |dir: std::path::PathBuf| {
        let text = host.read(&dir.join(DEV)).ok().flatten()?;
        DeviceNumber::parse(&text)
    };
    Ok(all.filter_map(number).collect())
}
