//! Names of drives that are one of a kind, each apart and in one spelling.

use facts::Doubt;
use facts::drive::{Drive, DriveNames};

use crate::attribute;
use crate::root::Root;

/// What an NVMe namespace shows of Identify Namespace; the kernel writes NGUID like a UUID and EUI-64 with spaces.
const NGUID: &str = "nguid";
const EUI64: &str = "eui";
/// How the kernel's `wwid` begins where it is a world-wide name, and where it is an EUI-64 or NGUID.
const NAA: &str = "naa.";
const EUI: &str = "eui.";
/// Devices that are several ways to one drive share its names: behind a SAS expander, a fabric, a hypervisor.
const SINGLE_PORTED: [&str; 2] = ["nvme", "sata"];

/// Names of one drive. NVMe shows NGUID and EUI-64 in files of their own, others their world-wide name in `wwid`.
pub(super) fn of(root: &Root, name: &str, device: &str, wwid: Option<&str>) -> DriveNames {
    let read = |file: &str| attribute::name_if_any(root, &format!("{device}/{file}"));
    let wwid = wwid.unwrap_or_default();
    if name.starts_with("nvme") {
        return DriveNames {
            wwn: None,
            nguid: read(NGUID)
                .and_then(|text| text.parse().ok())
                .or_else(|| wwid.strip_prefix(EUI)?.parse().ok()),
            eui64: read(EUI64)
                .and_then(|text| text.parse().ok())
                .or_else(|| wwid.strip_prefix(EUI)?.parse().ok()),
        };
    }
    DriveNames {
        wwn: wwid.strip_prefix(NAA).and_then(|text| text.parse().ok()),
        nguid: None,
        eui64: wwid.strip_prefix(EUI).and_then(|text| text.parse().ok()),
    }
}

/// Names that two drives have: one of them was copied, or the maker gave it twice.
pub(super) fn doubts(drives: &[Drive]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for (at, drive) in drives.iter().enumerate() {
        let is_single = |drive: &Drive| {
            drive
                .transport
                .as_deref()
                .is_some_and(|transport| SINGLE_PORTED.contains(&transport))
        };
        let earlier = drives.get(..at).unwrap_or_default();
        let twin = earlier
            .iter()
            .filter(|other| is_single(other) && is_single(drive))
            .find_map(|other| Some((other, shared(&other.names, &drive.names)?)));
        if let Some((other, name)) = twin {
            doubts.push(Doubt::new(
                "drive_name",
                &drive.device,
                format!("{} and {} both say that their {name}", other.device, drive.device),
            ));
        }
    }
    doubts
}

/// A name that both have, in words.
fn shared(one: &DriveNames, other: &DriveNames) -> Option<String> {
    let nguid = one.nguid.filter(|_| one.nguid == other.nguid);
    let eui64 = one.eui64.filter(|_| one.eui64 == other.eui64);
    let wwn = one.wwn.filter(|_| one.wwn == other.wwn);
    nguid
        .map(|name| format!("NGUID is {name}"))
        .or_else(|| eui64.map(|name| format!("EUI-64 is {name}")))
        .or_else(|| wwn.map(|name| format!("world-wide name is {name}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn drive(device: &str, transport: &str, wwn: &str) -> Drive {
        Drive {
            device: device.to_owned(),
            transport: Some(transport.to_owned()),
            names: DriveNames {
                wwn: wwn.parse().ok(),
                ..DriveNames::default()
            },
            ..Drive::default()
        }
    }

    #[test]
    fn two_drives_with_one_name_are_a_doubt_and_two_ways_to_one_are_none() {
        let twins = [
            drive("sda", "sata", "5000c500a1b2c3d4"),
            drive("sdb", "sata", "5000c500a1b2c3d4"),
            drive("sdc", "sata", "5000c500a1b2c3d5"),
        ];
        let doubts = doubts(&twins);
        assert_eq!(doubts.len(), 1);
        assert!(doubts.first().unwrap().message.contains("sda and sdb"));
        let paths = [
            drive("sda", "sas", "5000c500a1b2c3d4"),
            drive("sdb", "sas", "5000c500a1b2c3d4"),
        ];
        assert!(super::doubts(&paths).is_empty());
    }
}
