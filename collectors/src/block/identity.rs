//! Who a drive is and how it is attached, in the words of its own bus.

use facts::Identity;

use crate::attribute;
use crate::root::Root;

/// Vital product data page 0x80, the unit serial number (SPC-4, 7.8.15): four bytes of header, then text.
const VPD_SERIAL: &str = "vpd_pg80";
const VPD_HEADER: usize = 4;
/// What libata writes as the vendor of every SATA drive: no maker.
const NO_MAKER: &str = "ATA";

/// Maker, model, serial number, and firmware revision.
pub(super) fn of(root: &Root, name: &str, device: &str) -> (Identity, Option<String>) {
    let read = |file: &str| attribute::name_if_any(root, &format!("{device}/{file}"));
    if name.starts_with("nvme") {
        let identity = Identity {
            maker: None,
            model: read("device/model"),
            serial: read("device/serial"),
        };
        return (identity, read("device/firmware_rev"));
    }
    let identity = Identity {
        maker: read("device/vendor").filter(|vendor| vendor != NO_MAKER && !vendor.starts_with("0x")),
        // eMMC calls its model `name`.
        model: read("device/model").or_else(|| read("device/name")),
        // virtio gives the drive itself a `serial`, eMMC gives it to its device.
        serial: read("serial")
            .or_else(|| vpd_serial(root, device))
            .or_else(|| read("device/serial")),
    };
    (identity, read("device/rev").or_else(|| read("device/fwrev")))
}

fn vpd_serial(root: &Root, device: &str) -> Option<String> {
    let page = root.read_bytes(&format!("{device}/device/{VPD_SERIAL}")).ok()?;
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let end = VPD_HEADER.checked_add(length)?.min(page.len());
    attribute::cleaned(page.get(VPD_HEADER..end)?)
}

/// Whether a SCSI disk is a SATA drive behind a translation.
pub(super) fn is_ata(root: &Root, device: &str) -> bool {
    attribute::name_if_any(root, &format!("{device}/device/vendor")).as_deref() == Some(NO_MAKER)
}

/// The kernel's own name of it for ever.
pub(super) fn wwid(root: &Root, device: &str) -> Option<String> {
    ["wwid", "device/wwid"]
        .iter()
        .find_map(|file| attribute::name_if_any(root, &format!("{device}/{file}")))
}

/// How an NVMe controller is attached: `pcie`, or `tcp`, `rdma`, `fc` for NVMe over Fabrics.
pub(super) fn nvme_transport(root: &Root, controller: &str) -> Option<String> {
    let fabric = root.read(&format!("{controller}/transport")).ok();
    Some(match fabric.as_deref() {
        None | Some("pcie") => "nvme".to_owned(),
        Some(fabric) => format!("nvme-{}", attribute::cleaned(fabric.as_bytes())?),
    })
}

/// `nvme`, `sata`, `sas`, `usb`, `virtio`, `mmc` …
pub(super) fn transport(root: &Root, name: &str, device: &str) -> Option<String> {
    if name.starts_with("nvme") {
        return nvme_transport(root, &format!("{device}/device"));
    }
    let target = root.target(&format!("{device}/device")).ok()?;
    let parts: Vec<&str> = target.iter().filter_map(|part| part.to_str()).collect();
    let passes = |start: &str| {
        parts.iter().any(|part| {
            part.strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    // The way from the PCI function down to the drive names each bus that it passes; the one nearest to the drive counts.
    let transport = if passes("usb") {
        "usb"
    } else if passes("ata") {
        "sata"
    } else if passes("end_device-") || passes("port-") {
        // A SATA drive behind a SAS controller keeps its own protocol.
        if is_ata(root, device) { "sata" } else { "sas" }
    } else if passes("rport-") {
        "fc"
    } else if passes("session") {
        "iscsi"
    } else if passes("mmc") {
        "mmc"
    } else if passes("virtio") {
        "virtio"
    } else if passes("vbd-") {
        "xen"
    } else if passes("ndbus") || passes("region") {
        "nvdimm"
    } else {
        return None;
    };
    Some(transport.to_owned())
}
