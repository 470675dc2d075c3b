//! Drives: block devices that hold data by themselves (Documentation/ABI/stable/sysfs-block).

mod identity;
mod names;

use std::time::Duration;

use facts::drive::Drive;
use facts::observation::Observation;
use facts::{Bytes, Identity, NumaNodeId, PciAddress};

use crate::attribute;
use crate::classes;
use crate::collector::{CollectError, Collector};
use crate::root::{ReadError, Root};

const BLOCK: &str = "sys/class/block";
const NVME: &str = "sys/class/nvme";
/// States of an NVMe controller (drivers/nvme/host/sysfs.c): it answers, it never will, it goes; the others are on the way.
const NVME_STATE: &str = "state";
const NVME_LIVE: &str = "live";
const NVME_DEAD: &str = "dead";
const NVME_DELETING: &str = "deleting";
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
        let controllers = self.controllers(name, &device);
        let pci = self.pci_function(&device, &controllers);
        let (identity, firmware) = identity::of(root, name, &device);
        let wwid = identity::wwid(root, &device);
        let block_bytes = |file: &str| {
            let bytes = attribute::number(root, &format!("{device}/queue/{file}")).ok();
            bytes.filter(|bytes: &u32| bytes.is_power_of_two())
        };
        Drive {
            identity,
            firmware,
            names: names::of(root, name, &device, wwid.as_deref()),
            wwid,
            pci,
            numa_node: self.numa_node(pci),
            device: name.to_owned(),
            controllers,
            transport: identity::transport(root, name, &device),
            logical_block_bytes: block_bytes("logical_block_size"),
            physical_block_bytes: block_bytes("physical_block_size"),
            size_bytes: Bytes::new(sectors.saturating_mul(SECTOR_BYTES)),
            rotational: class
                .and_then(|class| class.queue_rotational().ok())
                .map(|turns| turns != 0),
            removable: class
                .and_then(|class| class.removable().ok())
                .is_some_and(|flag| flag != 0),
            health: None,
        }
    }

    /// An NVMe controller to which no namespace is attached is a drive that can hold data and offers none.
    fn bare_controller(&self, name: &str) -> Drive {
        let root = &self.root;
        let controller = format!("{NVME}/{name}");
        let read = |file: &str| attribute::name_if_any(root, &format!("{controller}/{file}"));
        let pci = attribute::pci_function(root, &format!("{controller}/device"));
        Drive {
            identity: Identity {
                maker: None,
                model: read("model"),
                serial: read("serial"),
            },
            pci,
            numa_node: self.numa_node(pci),
            device: name.to_owned(),
            controllers: vec![name.to_owned()],
            transport: identity::nvme_transport(root, &controller),
            firmware: read("firmware_rev"),
            ..Drive::default()
        }
    }

    fn numa_node(&self, pci: Option<PciAddress>) -> Option<NumaNodeId> {
        pci.and_then(|pci| attribute::numa_node(&self.root, &format!("{PCI_DEVICES}/{pci}")))
    }

    /// The controllers that lead to an NVMe drive. With multipath it stands below its subsystem, which names them.
    fn controllers(&self, name: &str, device: &str) -> Vec<String> {
        if !name.starts_with("nvme") {
            return Vec::new();
        }
        let parent = format!("{device}/device");
        if let Some(own) = attribute::link_name(&self.root, &parent).filter(|own| is_controller(own)) {
            return vec![own];
        }
        let mut names = self.root.list(&parent).unwrap_or_default();
        names.retain(|name| is_controller(name));
        names
    }

    fn drives(&self) -> Result<Vec<Drive>, ReadError> {
        let names = self.root.list(BLOCK)?;
        let mut drives: Vec<Drive> = names
            .iter()
            .filter(|name| self.is_drive(name))
            .map(|name| self.drive(name))
            .collect();
        let bare = self.bare_controllers(&drives);
        drives.extend(bare);
        Ok(drives)
    }

    fn pci_function(&self, device: &str, controllers: &[String]) -> Option<PciAddress> {
        let parent = format!("{device}/device");
        attribute::pci_function(&self.root, &parent).or_else(|| {
            controllers
                .iter()
                .find_map(|name| attribute::pci_function(&self.root, &format!("{parent}/{name}")))
        })
    }

    /// Whether a controller is neither on its way out nor still being asked who it is: its namespaces are gone, or not there yet.
    fn is_settled(&self, name: &str) -> bool {
        let controller = format!("{NVME}/{name}");
        let state = self.root.read(&format!("{controller}/{NVME_STATE}"));
        match state.as_deref() {
            Ok(leaving) if leaving.starts_with(NVME_DELETING) => false,
            Ok(NVME_LIVE | NVME_DEAD) | Err(_) => true,
            Ok(_) => attribute::name_if_any(&self.root, &format!("{controller}/serial")).is_some(),
        }
    }

    /// NVMe controllers that no drive of the block layer hangs from.
    fn bare_controllers(&self, drives: &[Drive]) -> Vec<Drive> {
        let names = self.root.list(NVME).unwrap_or_default();
        let is_bare = |name: &&String| {
            is_controller(name)
                && !drives.iter().any(|drive| drive.controllers.contains(name))
                && self.is_settled(name)
        };
        let bare = names.iter().filter(is_bare);
        bare.map(|name| self.bare_controller(name)).collect()
    }
}

/// Every drive of this root, as the block layer shows it now.
pub(crate) fn drives(root: &Root) -> Result<Vec<Drive>, ReadError> {
    BlockCollector::new(root.clone()).drives()
}

/// Whether the block device below this sysfs folder speaks ATA, behind libata or a SAS controller.
pub(crate) fn is_ata(root: &Root, device: &str) -> bool {
    identity::is_ata(root, device)
}

/// `nvme0`, and neither `nvme0n1` nor `nvme-subsys0`.
fn is_controller(name: &str) -> bool {
    name.strip_prefix("nvme")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Collector for BlockCollector {
    fn name(&self) -> &'static str {
        "block"
    }

    fn beat(&self) -> Duration {
        // Uevents tell at once; this is the net below them.
        Duration::from_secs(10)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["block", "nvme"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let drives = self.drives()?;
        Ok(Observation {
            doubts: names::doubts(&drives),
            drives: Some(drives),
            ..Observation::default()
        })
    }
}
