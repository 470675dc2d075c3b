//! NVIDIA's management library: whether this machine has the driver that it speaks with.

use std::time::Duration;

use facts::NoData;
use facts::observation::Observation;

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

/// The loaded driver says its version here.
const DRIVER: &str = "proc/driver/nvidia/version";
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Where distributions and NVIDIA's own packages put the library.
const LIBRARY_DIRECTORIES: [&str; 5] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "usr/local/nvidia/lib64",
];

/// Looks for the driver and its library. GPUs themselves come from PCI (`gpu`), driver or not.
pub struct NvmlCollector {
    root: Root,
}

impl NvmlCollector {
    /// Of this root.
    pub fn new(root: Root) -> NvmlCollector {
        NvmlCollector { root }
    }

    fn has_library(&self) -> bool {
        LIBRARY_DIRECTORIES
            .iter()
            .any(|directory| self.root.has(&format!("{directory}/{LIBRARY}")))
    }
}

impl Collector for NvmlCollector {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let driver = attribute::name_if_any(&self.root, DRIVER);
        let (reason, message) = match (self.has_library(), driver) {
            (false, None) => (
                NoData::Absent,
                format!("no NVIDIA driver library ({LIBRARY}) and no NVIDIA driver"),
            ),
            (false, Some(driver)) => (
                NoData::Absent,
                format!("no NVIDIA driver library ({LIBRARY}), although a driver is loaded: {driver}"),
            ),
            (true, None) => (
                NoData::Off,
                format!("{LIBRARY} is installed and no NVIDIA driver is loaded"),
            ),
            (true, Some(driver)) => (
                NoData::Unsupported,
                format!("this version reads GPUs through PCI only, not through {LIBRARY}; driver: {driver}"),
            ),
        };
        Err(CollectError::new(reason, message))
    }
}
