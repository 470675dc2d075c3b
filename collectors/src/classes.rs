//! Class objects of `sysfs-class` for what they read right, made from paths below our `Root`.
#![allow(unsafe_code)] // `SysClass::from_path_unchecked` is the only way to an object outside of /sys.

use sysfs_class::{Block, Net, SysClass};

use crate::root::Root;

/// The attributes of `Block` that are read through it. Not `stat`, whose columns it takes for bytes.
const BLOCK_ATTRIBUTES: [&str; 4] = ["size", "removable", "hidden", "queue/rotational"];
/// The attributes of `Net` that are read through it. Not `speed`, which is -1 for a link that is down.
const NET_ATTRIBUTES: [&str; 2] = ["address", "operstate"];

/// A block device at `device`; `None` where one of the attributes may not be read whole.
pub(crate) fn block(root: &Root, device: &str) -> Option<Block> {
    object(root, device, &BLOCK_ATTRIBUTES)
}

/// A network interface at `device`; `None` where one of the attributes may not be read whole.
pub(crate) fn net(root: &Root, device: &str) -> Option<Net> {
    object(root, device, &NET_ATTRIBUTES)
}

/// `sysfs-class` reads files whole and follows every link: a recorded tree may hold a FIFO, gigabytes, or a link to this machine.
fn object<T: SysClass>(root: &Root, device: &str, attributes: &[&str]) -> Option<T> {
    let harmless = attributes
        .iter()
        .all(|attribute| root.is_harmless(&format!("{device}/{attribute}")));
    // SAFETY: the path is only joined with attribute names and opened for reading; nothing in the class relies on its validity.
    harmless.then(|| unsafe { T::from_path_unchecked(root.path(device)) })
}
