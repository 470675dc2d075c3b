//! The machine as a whole: the kernel, and what SMBIOS says of maker and product.

use std::time::Duration;

use facts::inventory::Machine;
use facts::observation::Observation;

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const HOSTNAME: &str = "proc/sys/kernel/hostname";
const OSRELEASE: &str = "proc/sys/kernel/osrelease";
const ARCH: &str = "proc/sys/kernel/arch";
const DMI: &str = "sys/class/dmi/id";
/// Servers without SMBIOS (ARM, POWER) name themselves in the device tree.
const DEVICE_TREE_MODEL: &str = "proc/device-tree/model";
/// What `hwloc-gather-topology` keeps beside the files: `Architecture: x86_64` and the like, one a line.
const GATHERED: &str = "proc/hwloc-nofile-info";

/// What a maker writes who has nothing to write.
const FILLERS: [&str; 7] = [
    "None",
    "Default string",
    "To be filled by O.E.M.",
    "To Be Filled By O.E.M.",
    "System manufacturer",
    "Not Specified",
    "0123456789",
];

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

    fn dmi(&self, file: &str) -> Option<String> {
        let text = attribute::name_if_any(&self.root, &format!("{DMI}/{file}"))?;
        (!FILLERS.contains(&text.as_str())).then_some(text)
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
        let architecture = attribute::name_if_any(root, ARCH)
            .or_else(|| self.gathered("Architecture"))
            .or_else(|| root.is_host().then(|| std::env::consts::ARCH.to_owned()));
        let machine = Machine {
            hostname: attribute::name_if_any(root, HOSTNAME).or_else(|| self.gathered("HostName")),
            vendor: self.dmi("sys_vendor"),
            product: self
                .dmi("product_name")
                .or_else(|| attribute::name_if_any(root, DEVICE_TREE_MODEL)),
            serial: self.dmi("product_serial"),
            uuid: self.dmi("product_uuid"),
            bios_version: self.dmi("bios_version"),
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
        Ok(Observation {
            machine: Some(machine),
            missing,
            ..Observation::default()
        })
    }
}
