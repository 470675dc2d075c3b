//! NVIDIA GPUs through NVIDIA's management library (NVML), which is loaded when the agent runs and missed by nobody.
//!
//! **Invariant**: a call that hangs holds up this collector's own thread only, and what one GPU does not tell costs that value,
//! or that GPU, and no other.

mod device;
mod field;
mod instance;
mod library;
mod link;
mod reason;
mod scoped;
mod xid;

use std::collections::BTreeMap;
use std::time::Duration;

use facts::gpu::Gpu;
use facts::observation::{Missing, Observation};
use facts::{NoData, Pad, PciAddress, Sheet};
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;
use library::LIBRARY;
use reason::{is_lost, reason_of};
use xid::Xids;

/// The loaded driver says its version here.
const DRIVER: &str = "proc/driver/nvidia/version";

/// The most GPUs of a node that are read; the largest machines that NVIDIA names have sixteen.
const MOST_GPUS: u32 = 64;

/// Reads NVIDIA GPUs. Where there is no library they still come from PCI (`gpu`), driver or not.
pub struct NvmlCollector {
    root: Root,
    session: Option<Session>,
}

/// The library, initialised once and kept: initialising resolves some four hundred symbols.
struct Session {
    /// Lives as long as the process: its event sets borrow it, and a session ends with the process only.
    nvml: &'static Nvml,
    driver: Option<String>,
    xids: Xids,
    pad: Pad,
    /// Where each GPU was when it last answered, so that one which is lost can be named.
    places: BTreeMap<u32, PciAddress>,
}

impl NvmlCollector {
    /// Of this root.
    pub fn new(root: Root) -> NvmlCollector {
        NvmlCollector { root, session: None }
    }

    /// What a recorded machine has; its library is never loaded into this process.
    fn recorded(&self) -> CollectError {
        let driver = attribute::name_if_any(&self.root, DRIVER);
        let (reason, message) = match (library::is_in(&self.root), driver) {
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
                format!("{LIBRARY} of a recorded machine is not loaded; its driver: {driver}"),
            ),
        };
        CollectError::new(reason, message)
    }

    fn session(&mut self) -> Result<&mut Session, CollectError> {
        let opened = match self.session.take() {
            Some(session) => session,
            None => Session::open(library::load(&self.root)?),
        };
        Ok(self.session.insert(opened))
    }
}

impl Session {
    fn open(nvml: Nvml) -> Session {
        let nvml: &'static Nvml = Box::leak(Box::new(nvml));
        Session {
            driver: nvml.sys_driver_version().ok(),
            xids: Xids::default(),
            pad: Pad::default(),
            places: BTreeMap::new(),
            nvml,
        }
    }

    fn observe(&mut self) -> Result<Observation, CollectError> {
        let count = self
            .nvml
            .device_count()
            .map_err(|error| failed("nvmlDeviceGetCount", error))?;
        let (mut gpus, mut missing) = (Vec::new(), Vec::new());
        for index in 0..count.min(MOST_GPUS) {
            match self.gpu(index) {
                Ok(gpu) => gpus.push(gpu),
                Err(error) => missing.push(self.lost(index, error)),
            }
        }
        Ok(Observation {
            sheet: Some(self.sheet(&gpus)),
            driver_gpus: Some(gpus),
            missing,
            ..Observation::default()
        })
    }

    /// No rows of its own, as all of it is in the inventory: only how many values were none.
    fn sheet(&mut self, gpus: &[Gpu]) -> Sheet {
        let mut sheet = self.pad.begin();
        let readings = gpus.iter().filter_map(|gpu| gpu.readings.as_deref());
        for _ in 0..readings.map(|readings| readings.garbled()).sum::<u64>() {
            sheet.invalid();
        }
        sheet.finish()
    }

    /// One GPU; an error where it answers nothing at all.
    fn gpu(&mut self, index: u32) -> Result<Gpu, NvmlError> {
        let device = self.nvml.device_by_index(index)?;
        let mut gpu = device::identify(&device)?;
        if let Some(place) = gpu.pci {
            self.places.insert(index, place);
        }
        let mut readings = device::read(&device)?;
        readings.driver.clone_from(&self.driver);
        readings.xids = self.xids.of(index, self.nvml, &device);
        gpu.readings = Some(Box::new(readings));
        Ok(gpu)
    }

    fn lost(&mut self, index: u32, error: NvmlError) -> Missing {
        let place = self.places.get(&index);
        let name = place.map_or_else(|| index.to_string(), PciAddress::to_string);
        let mut what = if is_lost(&error) {
            "the GPU fell off the bus".to_owned()
        } else {
            "the GPU does not answer".to_owned()
        };
        // The driver tells of the end in an event, which is the last that can be asked for.
        if let Some(last) = self.xids.last(index) {
            what = format!("{what} after XID {}", last.xid);
        }
        CollectError::new(reason_of(&error), what)
            .because(error)
            .into_missing(&format!("nvml/{name}"))
    }
}

/// A call of the library as a whole that failed.
fn failed(call: &str, error: NvmlError) -> CollectError {
    CollectError::new(reason_of(&error), format!("{LIBRARY}: {call} failed")).because(error)
}

impl Collector for NvmlCollector {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["pci"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        if !self.root.is_host() && library::named().is_none() {
            return Err(self.recorded());
        }
        self.session()?.observe()
    }
}
