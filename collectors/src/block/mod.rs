//! Drives: block devices that hold data by themselves (Documentation/ABI/stable/sysfs-block).

mod identity;

use std::time::Duration;

use facts::drive::Drive;
use facts::observation::Observation;
use facts::{Bytes, PciAddress};

use crate::attribute;
use crate::classes;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const BLOCK: &str = "sys/class/block";
const PCI_DEVICES: &str = "sys/bus/pci/devices";
/// `size` counts these, whatever the drive's own sectors are.
const SECTOR_BYTES: u64 = 512;
/// SCSI peripheral device type of CD and DVD readers, which hold a disc and no data of their own (SPC-4, table 140).
const SCSI_TYPE_CD: &str = "5";

/// Reads `/sys/class/block`.
pub struct BlockCollector {
    root: Root,
}

impl BlockCollector {
    /// Of this root.
    pub fn new(root: Root) -> BlockCollector {
        BlockCollector { root }
    }

    /// Loop, ram, zram, device-mapper and md devices have no `device`; partitions and hidden paths of NVMe multipath are parts of a drive.
    fn is_drive(&self, name: &str) -> bool {
        let device = format!("{BLOCK}/{name}");
        let has = |file: &str| self.root.has(&format!("{device}/{file}"));
        let is_part_of_mmc = name.starts_with("mmcblk") && (name.contains("boot") || name.ends_with("rpmb"));
        let is_disc = || {
            self.root
                .read(&format!("{device}/device/type"))
                .is_ok_and(|kind| kind == SCSI_TYPE_CD)
        };
        let is_hidden = || attribute::flag(&self.root, &format!("{device}/hidden")) == Some(true);
        has("device")
            && !has("partition")
            && !is_part_of_mmc
            && !name.starts_with("fd")
            && !is_disc()
            && !is_hidden()
    }

    fn drive(&self, name: &str) -> Drive {
        let root = &self.root;
        let device = format!("{BLOCK}/{name}");
        let class = classes::block(root, &device);
        let class = class.as_ref();
        let sectors = class.and_then(|class| class.size().ok()).unwrap_or(0);
        let pci = self.pci_function(&device);
        let (identity, firmware) = identity::of(root, name, &device);
        Drive {
            identity,
            firmware,
            wwid: identity::wwid(root, &device),
            pci,
            numa_node: pci.and_then(|pci| attribute::numa_node(root, &format!("{PCI_DEVICES}/{pci}"))),
            device: name.to_owned(),
            transport: identity::transport(root, name, &device),
            size_bytes: Bytes::new(sectors.saturating_mul(SECTOR_BYTES)),
            rotational: class
                .and_then(|class| class.queue_rotational().ok())
                .map(|turns| turns != 0),
            removable: class
                .and_then(|class| class.removable().ok())
                .is_some_and(|flag| flag != 0),
        }
    }

    /// With NVMe multipath the drive stands below its subsystem, which names its controllers.
    fn pci_function(&self, device: &str) -> Option<PciAddress> {
        let parent = format!("{device}/device");
        attribute::pci_function(&self.root, &parent).or_else(|| {
            let names = self.root.list(&parent).ok()?;
            names
                .iter()
                .filter(|name| name.starts_with("nvme"))
                .find_map(|name| attribute::pci_function(&self.root, &format!("{parent}/{name}")))
        })
    }
}

impl Collector for BlockCollector {
    fn name(&self) -> &'static str {
        "block"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let names = self.root.list(BLOCK)?;
        let drives = names
            .iter()
            .filter(|name| self.is_drive(name))
            .map(|name| self.drive(name))
            .collect();
        Ok(Observation {
            drives: Some(drives),
            ..Observation::default()
        })
    }
}
