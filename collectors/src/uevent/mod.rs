//! Kernel uevents: what the kernel tells of devices that come, go and change (Documentation/ABI/testing/sysfs-uevent,
//! lib/kobject_uevent.c).

mod message;
mod socket;

pub use message::{LONGEST_MESSAGE, Uevent, UeventError, parse};
pub use socket::{Heard, UeventSocket};
