//! What hangs from PCI, and what an exported topology says of the machine and its devices.

use facts::drive::Drive;
use facts::gpu::Gpu;
use facts::inventory::Machine;
use facts::nic::Nic;
use facts::topology::PciPlace;
use facts::{Bytes, Identity, NumaNodeId, PciAddress};
use hwlocality::Topology as Tree;
use hwlocality::object::TopologyObject;
use hwlocality::object::attributes::{ObjectAttributes, PCIDeviceAttributes};
use hwlocality::object::types::{OSDeviceType, ObjectType};

use crate::gpu::is_accelerator;

use super::parts::{cpus_of, info, numa_nodes_of};

/// hwloc tells sizes of drives in units of 1024 bytes.
const KIBIBYTE: u64 = 1024;

/// PCI functions that are devices, and what is near them.
pub(super) fn pci_places(tree: &Tree) -> Vec<PciPlace> {
    let place = |object: &TopologyObject| {
        let attributes = pci_attributes(object)?;
        let near = object.first_non_io_ancestor()?;
        Some(PciPlace {
            address: address(attributes),
            class: attributes.class_id(),
            id: pci_id(attributes),
            cpus: cpus_of(near),
            numa_nodes: numa_nodes_of(near),
        })
    };
    tree.objects_with_type(ObjectType::PCIDevice)
        .filter_map(place)
        .collect()
}

/// The machine's name, as far as the exported topology has it.
pub(super) fn machine(tree: &Tree) -> Machine {
    let root = tree.root_object();
    let info = |name: &str| info(root, name);
    Machine {
        hostname: info("HostName"),
        vendor: info("DMISysVendor"),
        product: info("DMIProductName").or_else(|| info("PlatformModel")),
        serial: info("DMIProductSerial"),
        board_serial: info("DMIBoardSerial"),
        uuid: info("DMIProductUUID"),
        bios_version: info("DMIBIOSVersion"),
        kernel: info("OSRelease"),
        architecture: info("Architecture"),
    }
}

pub(super) fn gpus(tree: &Tree) -> Vec<Gpu> {
    let gpu = |object: &TopologyObject| {
        let attributes = pci_attributes(object)?;
        if !is_accelerator(
            u32::from(attributes.class_id() >> 8),
            u32::from(attributes.vendor_id()),
        ) {
            return None;
        }
        Some(Gpu {
            identity: Identity {
                maker: info(object, "PCIVendor"),
                model: info(object, "PCIDevice"),
                serial: None,
            },
            uuid: None,
            pci: Some(address(attributes)),
            pci_id: Some(pci_id(attributes)),
            numa_node: numa_node(object),
            device: None,
            memory_bytes: None,
            readings: None,
        })
    };
    tree.objects_with_type(ObjectType::PCIDevice)
        .filter_map(gpu)
        .collect()
}

pub(super) fn drives(tree: &Tree) -> Vec<Drive> {
    let drive = |(object, device): (&TopologyObject, String)| Drive {
        identity: Identity {
            maker: info(object, "Vendor"),
            model: info(object, "Model"),
            serial: info(object, "SerialNumber"),
        },
        pci: pci_above(object).map(address),
        numa_node: numa_node(object),
        transport: device.starts_with("nvme").then(|| "nvme".to_owned()),
        device,
        size_bytes: info(object, "Size")
            .and_then(|text| text.parse::<u64>().ok()?.checked_mul(KIBIBYTE))
            .map_or(Bytes::ZERO, Bytes::new),
        firmware: info(object, "Revision"),
        ..Drive::default()
    };
    os_devices(tree, OSDeviceType::Storage).map(drive).collect()
}

pub(super) fn nics(tree: &Tree) -> Vec<Nic> {
    let nic = |(object, device): (&TopologyObject, String)| Nic {
        device,
        mac: info(object, "Address"),
        pci: pci_above(object).map(address),
        pci_id: pci_above(object).map(pci_id),
        numa_node: numa_node(object),
        state: "unknown".to_owned(),
        ..Nic::default()
    };
    os_devices(tree, OSDeviceType::Network).map(nic).collect()
}

/// OS devices of one kind that hang from a PCI function.
fn os_devices(tree: &Tree, wanted: OSDeviceType) -> impl Iterator<Item = (&TopologyObject, String)> {
    tree.objects_with_type(ObjectType::OSDevice)
        .filter_map(move |object| {
            let is_wanted = match object.attributes() {
                Some(ObjectAttributes::OSDevice(attributes)) => attributes.device_type() == wanted,
                _ => false,
            };
            pci_above(object)?;
            let name = crate::attribute::cleaned(object.name()?.to_bytes())?;
            is_wanted.then_some((object, name))
        })
}

fn pci_above(object: &TopologyObject) -> Option<&PCIDeviceAttributes> {
    object.ancestors().find_map(pci_attributes)
}

fn pci_attributes(object: &TopologyObject) -> Option<&PCIDeviceAttributes> {
    match object.attributes() {
        Some(ObjectAttributes::PCIDevice(attributes)) => Some(attributes),
        _ => None,
    }
}

fn address(attributes: &PCIDeviceAttributes) -> PciAddress {
    PciAddress {
        domain: u32::from(attributes.domain()),
        bus: attributes.bus_id(),
        device: attributes.bus_device(),
        function: attributes.function(),
    }
}

fn pci_id(attributes: &PCIDeviceAttributes) -> String {
    format!("{:04x}:{:04x}", attributes.vendor_id(), attributes.device_id())
}

/// The NUMA node that a device is near, where it is one.
fn numa_node(object: &TopologyObject) -> Option<NumaNodeId> {
    let nodes = numa_nodes_of(object.first_non_io_ancestor()?);
    if nodes.len() == 1 { nodes.first() } else { None }
}
