//! GPUs and other accelerators on PCI, with or without a driver.

use std::time::Duration;

use facts::gpu::Gpu;
use facts::observation::Observation;
use facts::{Bytes, Identity, PciAddress};

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const PCI_DEVICES: &str = "sys/bus/pci/devices";
/// The NVIDIA driver says model and UUID of each GPU here, without its library.
const NVIDIA_GPUS: &str = "proc/driver/nvidia/gpus";
/// amdgpu's own attributes.
const AMD_VRAM_TOTAL: &str = "mem_info_vram_total";
const AMD_UNIQUE_ID: &str = "unique_id";

/// PCI base classes (PCI Code and ID Assignment): display controllers, and processing accelerators.
const CLASS_DISPLAY: u32 = 0x03;
const CLASS_ACCELERATOR: u32 = 0x12;

/// Makers of accelerators by PCI vendor id.
const MAKERS: [(u32, &str); 5] = [
    (0x10de, "NVIDIA"),
    (0x1002, "AMD"),
    (0x8086, "Intel"),
    (0x1da3, "Habana Labs"),
    (0x1e52, "Tenstorrent"),
];

/// Display controllers that only paint a console: those of BMCs, and those that hypervisors make up.
const CONSOLE_VENDORS: [u32; 9] = [
    0x1a03, // ASPEED
    0x102b, // Matrox G200
    0x18ca, // XGI
    0x126f, // Silicon Motion
    0x1013, // Cirrus, QEMU
    0x1234, // QEMU standard VGA
    0x1b36, // Red Hat QXL
    0x1af4, // virtio
    0x15ad, // VMware
];

/// Whether a PCI function of this base class and vendor computes or paints for people, rather than for a console.
pub(crate) fn is_accelerator(base_class: u32, vendor: u32) -> bool {
    [CLASS_DISPLAY, CLASS_ACCELERATOR].contains(&base_class) && !CONSOLE_VENDORS.contains(&vendor)
}

/// Reads `/sys/bus/pci/devices`.
pub struct GpuCollector {
    root: Root,
}

impl GpuCollector {
    /// Of this root.
    pub fn new(root: Root) -> GpuCollector {
        GpuCollector { root }
    }

    fn gpu(&self, name: &str) -> Option<Gpu> {
        let root = &self.root;
        let address: PciAddress = name.parse().ok()?;
        let function = format!("{PCI_DEVICES}/{name}");
        let class = attribute::hexadecimal(root, &format!("{function}/class"))? >> 16;
        let vendor = attribute::hexadecimal(root, &format!("{function}/vendor"));
        if !is_accelerator(class, vendor.unwrap_or(0)) {
            return None;
        }
        let maker = MAKERS.iter().find(|(id, _)| Some(*id) == vendor);
        let vram: Option<u64> = attribute::number(root, &format!("{function}/{AMD_VRAM_TOTAL}")).ok();
        Some(Gpu {
            identity: Identity {
                maker: maker.map(|(_, name)| (*name).to_owned()),
                model: self.nvidia(name, "Model"),
                serial: None,
            },
            uuid: self
                .nvidia(name, "GPU UUID")
                .or_else(|| attribute::name_if_any(root, &format!("{function}/{AMD_UNIQUE_ID}"))),
            pci: Some(address),
            pci_id: attribute::pci_id(root, &function),
            numa_node: attribute::numa_node(root, &function),
            device: self.card(&function),
            memory_bytes: vram.map(Bytes::new),
            readings: None,
        })
    }

    fn nvidia(&self, name: &str, key: &str) -> Option<String> {
        let text = self
            .root
            .read(&format!("{NVIDIA_GPUS}/{name}/information"))
            .ok()?;
        let value = text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found.trim() == key).then_some(value)
        })?;
        attribute::cleaned(value.as_bytes()).filter(|value| !value.contains('?'))
    }

    /// The DRM device of a loaded driver: `card0`.
    fn card(&self, function: &str) -> Option<String> {
        let names = self.root.list(&format!("{function}/drm")).ok()?;
        names.into_iter().find(|name| name.starts_with("card"))
    }
}

impl Collector for GpuCollector {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["pci", "drm"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let names = self.root.list(PCI_DEVICES)?;
        Ok(Observation {
            gpus: Some(names.iter().filter_map(|name| self.gpu(name)).collect()),
            ..Observation::default()
        })
    }
}
