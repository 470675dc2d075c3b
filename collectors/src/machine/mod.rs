//! The machine as a whole: the kernel, and what SMBIOS says of maker, product and memory modules.

pub mod recording;
mod smbios;

use std::time::Duration;

use facts::inventory::Machine;
use facts::observation::Observation;
use facts::{Doubt, filler};

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const HOSTNAME: &str = "proc/sys/kernel/hostname";
const OSRELEASE: &str = "proc/sys/kernel/osrelease";
const ARCH: &str = "proc/sys/kernel/arch";
const DMI: &str = "sys/class/dmi/id";
const UUID: &str = "product_uuid";
/// Servers without SMBIOS (ARM, POWER) name themselves in the device tree.
const DEVICE_TREE_MODEL: &str = "proc/device-tree/model";
/// What `hwloc-gather-topology` keeps beside the files: `Architecture: x86_64` and the like, one a line.
const GATHERED: &str = "proc/hwloc-nofile-info";

/// Reads the kernel's name and SMBIOS.
pub struct MachineCollector {
    root: Root,
}

impl MachineCollector {
    /// Of this root.
    pub fn new(root: Root) -> MachineCollector {
        MachineCollector { root }
    }

    fn gathered(&self, key: &str) -> Option<String> {
        let text = self.root.read(GATHERED).ok()?;
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    }

    /// What SMBIOS says; a maker's placeholder is absent, and a doubt.
    fn dmi(&self, file: &str, doubts: &mut Vec<Doubt>) -> Option<String> {
        let text = attribute::name_if_any(&self.root, &format!("{DMI}/{file}"))?;
        let is_nothing = match file {
            UUID => filler::is_filler_uuid(&text),
            _ => filler::is_filler(&text),
        };
        if is_nothing {
            let message = format!("/{DMI}/{file} is {text:?}, a maker's placeholder: it counts as absent");
            doubts.push(Doubt::new("placeholder", "machine", message));
            return None;
        }
        Some(text)
    }
}

impl Collector for MachineCollector {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let root = &self.root;
        let mut doubts = Vec::new();
        let architecture = attribute::name_if_any(root, ARCH)
            .or_else(|| self.gathered("Architecture"))
            .or_else(|| root.is_host().then(|| std::env::consts::ARCH.to_owned()));
        let machine = Machine {
            hostname: attribute::name_if_any(root, HOSTNAME).or_else(|| self.gathered("HostName")),
            vendor: self.dmi("sys_vendor", &mut doubts),
            product: self
                .dmi("product_name", &mut doubts)
                .or_else(|| attribute::name_if_any(root, DEVICE_TREE_MODEL)),
            serial: self.dmi("product_serial", &mut doubts),
            board_serial: self.dmi("board_serial", &mut doubts),
            uuid: self.dmi(UUID, &mut doubts),
            bios_version: self.dmi("bios_version", &mut doubts),
            kernel: attribute::name_if_any(root, OSRELEASE).or_else(|| self.gathered("OSRelease")),
            architecture,
        };
        if machine == Machine::default() {
            // Nothing at all: the file that is everywhere says why.
            root.read(OSRELEASE)?;
        }
        let mut missing = Vec::new();
        if let Err(error) = root.list(DMI) {
            missing.push(CollectError::from(error).into_missing("machine/dmi"));
        } else if let Err(error) = root.read(&format!("{DMI}/product_serial")) {
            // Root alone may read it; everybody else should know why a serial number is missing.
            missing.push(CollectError::from(error).into_missing("machine/serial"));
        }
        let memory_modules = match smbios::modules(root) {
            Ok(modules) => modules,
            Err(error) => {
                missing.push(error.into_missing("machine/memory_modules"));
                None
            }
        };
        Ok(Observation {
            machine: Some(machine),
            memory_modules,
            missing,
            doubts,
            ..Observation::default()
        })
    }
}
