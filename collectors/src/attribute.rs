//! Attributes: files that hold one value, as sysfs has them.

use std::str::FromStr;

use facts::{NumaNodeId, PciAddress, Reading};

use crate::collector::CollectError;
use crate::root::Root;

/// Longest name that is kept; SMBIOS strings and SCSI or NVMe identities are far shorter.
const LONGEST_NAME: usize = 256;

/// A number in a file. Any type that reads from text will do.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub(crate) fn number<T: FromStr>(root: &Root, relative: &str) -> Result<T, CollectError> {
    let text = root.read(relative)?;
    text.parse()
        .map_err(|_| CollectError::garbled(&root.shown(relative), "a number", &text))
}

/// A number in a file, as a reading.
pub(crate) fn reading<T: FromStr>(root: &Root, relative: &str) -> Reading<T> {
    number(root, relative).map_err(|error| error.reason).into()
}

/// A hexadecimal number as PCI attributes have them: `0x10de`.
pub(crate) fn hexadecimal(root: &Root, relative: &str) -> Option<u32> {
    let text = root.read(relative).ok()?;
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(&text), 16).ok()
}

/// A flag: `0` or `1`.
pub(crate) fn flag(root: &Root, relative: &str) -> Option<bool> {
    match root.read(relative).ok()?.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// What a maker wrote. Bytes that are no text are replaced, control characters dropped; `None` where nothing is left.
pub(crate) fn name(root: &Root, relative: &str) -> Result<Option<String>, CollectError> {
    Ok(cleaned(&root.read_bytes(relative)?))
}

/// What a maker wrote, `None` too where the file cannot be read.
pub(crate) fn name_if_any(root: &Root, relative: &str) -> Option<String> {
    name(root, relative).ok().flatten()
}

/// What the kernel prints for a pointer that shows nothing (Documentation/core-api/printk-formats.rst): of an NVMe controller that
/// has not said yet who it is, for example.
const NO_POINTER: [&str; 3] = ["(null)", "(efault)", "(einval)"];

/// Text that a person may see: no control characters, no surrounding white space, of bounded length.
pub(crate) fn cleaned(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect();
    let text = text.trim();
    (!text.is_empty() && !NO_POINTER.contains(&text)).then(|| text.to_owned())
}

/// `numa_node` of a device; the kernel writes -1 where it does not know.
pub(crate) fn numa_node(root: &Root, device: &str) -> Option<NumaNodeId> {
    let text = root.read(&format!("{device}/numa_node")).ok()?;
    text.parse().ok().map(NumaNodeId)
}

/// The PCI function that a class device hangs from: the last PCI address on the way to its `device`.
pub(crate) fn pci_function(root: &Root, device: &str) -> Option<PciAddress> {
    let target = root.target(device).ok()?;
    target
        .components()
        .rev()
        .find_map(|part| part.as_os_str().to_str()?.parse().ok())
}

/// The last part of where a link ends: the name of a driver or subsystem.
pub(crate) fn link_name(root: &Root, link: &str) -> Option<String> {
    let target = root.target(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// Vendor and device id of a PCI function, as in `10de:2330`.
pub(crate) fn pci_id(root: &Root, function: &str) -> Option<String> {
    let vendor = hexadecimal(root, &format!("{function}/vendor"))?;
    let device = hexadecimal(root, &format!("{function}/device"))?;
    Some(format!("{vendor:04x}:{device:04x}"))
}
