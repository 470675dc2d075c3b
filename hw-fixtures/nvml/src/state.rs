//! What the file says: driver, GPUs, and how calls go wrong.
//!
//! ```toml
//! driver_version = "550.90.07"
//! faults = { nvmlDeviceGetPowerUsage = "hang" }      # of every GPU; words: see FAULTS
//! [[gpu]]
//! name = "NVIDIA H100 80GB HBM3"
//! pci = "0000:18:00.0"
//! power_milliwatts = 350000                          # what is left out is NOT_SUPPORTED, as on a GPU that lacks it
//! lost = true                                        # fell off the bus
//! faults = { nvmlDeviceGetSerial = "no_permission" } # of this GPU
//! ```

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nvml_wrapper_sys::bindings::*;
use serde::Deserialize;

use crate::abi::{Answer, Handle};

/// Names the file.
const FILE: &str = "BUSBAR_FAKE_NVML";

/// A call that hangs looks this often whether the file still says so.
const HANG_STEP: Duration = Duration::from_millis(50);

/// What a call may be told to answer. `hang` does not return for as long as the file says so.
const FAULTS: [(&str, nvmlReturn_t); 10] = [
    ("driver_not_loaded", nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED),
    (
        "function_not_found",
        nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND,
    ),
    ("gpu_is_lost", nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST),
    ("irq_issue", nvmlReturn_enum_NVML_ERROR_IRQ_ISSUE),
    (
        "lib_rm_version_mismatch",
        nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    ),
    ("no_permission", nvmlReturn_enum_NVML_ERROR_NO_PERMISSION),
    ("not_supported", nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED),
    ("reset_required", nvmlReturn_enum_NVML_ERROR_RESET_REQUIRED),
    ("timeout", nvmlReturn_enum_NVML_ERROR_TIMEOUT),
    ("unknown", nvmlReturn_enum_NVML_ERROR_UNKNOWN),
];

/// The word of a call that does not return.
const HANG: &str = "hang";

/// How many times the library was initialised and not yet shut down: NVML counts.
pub(crate) static USERS: AtomicU32 = AtomicU32::new(0);

/// Everything that the library knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    pub(crate) driver_version: String,
    #[serde(default)]
    faults: BTreeMap<String, String>,
    #[serde(default, rename = "gpu")]
    pub(crate) gpus: Vec<Gpu>,
}

/// One GPU. Units are those of nvml.h.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gpu {
    pub(crate) lost: bool,
    faults: BTreeMap<String, String>,
    pub(crate) name: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) vbios: Option<String>,
    pub(crate) pci: Option<String>,
    pub(crate) pci_device_id: u32,
    pub(crate) minor: Option<u32>,
    pub(crate) numa_node: Option<u32>,
    pub(crate) memory: Option<Memory>,
    pub(crate) utilization: Option<Utilization>,
    pub(crate) encoder_percent: Option<u32>,
    pub(crate) decoder_percent: Option<u32>,
    /// Graphics, SM, memory, video.
    pub(crate) clocks_megahertz: Option<[u32; 4]>,
    pub(crate) power_milliwatts: Option<u32>,
    pub(crate) power_limit_milliwatts: Option<u32>,
    pub(crate) enforced_limit_milliwatts: Option<u32>,
    /// Whether the driver stays awake, and keeps limits, while nobody uses the GPU.
    pub(crate) persistence: Option<bool>,
    /// The lowest and the highest limit.
    pub(crate) limits_milliwatts: Option<[u32; 2]>,
    pub(crate) energy_millijoules: Option<u64>,
    pub(crate) temperature_celsius: Option<u32>,
    pub(crate) shutdown_celsius: Option<u32>,
    pub(crate) slowdown_celsius: Option<u32>,
    pub(crate) ecc: Option<Ecc>,
    pub(crate) throttle_reasons: Option<u64>,
    /// Nanoseconds by the number of `nvmlPerfPolicyType_t`, as text because TOML wants it so.
    pub(crate) violations_nanoseconds: BTreeMap<String, u64>,
    /// Kilobytes a second sent and received.
    pub(crate) pcie_kilobytes: Option<[u32; 2]>,
    pub(crate) pcie_replays: Option<u32>,
    /// Values by their field's number (`NVML_FI_DEV_…`), as text like above.
    pub(crate) fields: BTreeMap<String, u64>,
    pub(crate) nvlinks: Vec<NvLink>,
    /// Whether MIG is on; left out on a GPU that cannot be cut.
    pub(crate) mig: Option<bool>,
    pub(crate) mig_devices: Vec<Mig>,
    /// Critical errors so far; whoever listens hears of those that are added.
    pub(crate) xids: Vec<u64>,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) reserved: u64,
    pub(crate) used: u64,
}

/// Percent.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Utilization {
    pub(crate) gpu: u32,
    pub(crate) memory: u32,
}

/// Error correction and what it found.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ecc {
    pub(crate) enabled: bool,
    pub(crate) corrected: u64,
    pub(crate) uncorrected: u64,
}

/// One NVLink; its number is its place in the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NvLink {
    pub(crate) active: bool,
    pub(crate) version: Option<u32>,
    pub(crate) remote: Option<String>,
    /// Kibibytes sent and received; left out on a GPU that is too old for these fields.
    pub(crate) kibibytes: Option<[u64; 2]>,
    /// Replays, recoveries, wrong check sums of flow control, and of data.
    pub(crate) errors: Option<[u64; 4]>,
}

/// One MIG device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mig {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) memory: Memory,
    /// Of which GPU instance and compute instance it is.
    pub(crate) instances: Option<[u32; 2]>,
}

/// The world for one call of this symbol, or what the call answers instead.
pub(crate) fn look(symbol: &str) -> Result<World, nvmlReturn_t> {
    let initializes = symbol.starts_with("nvmlInit");
    if !initializes && USERS.load(Ordering::SeqCst) == 0 {
        return Err(nvmlReturn_enum_NVML_ERROR_UNINITIALIZED);
    }
    obey(symbol, |world| world.faults.get(symbol).cloned())?;
    read()
}

/// Fails or hangs as the file says of this GPU, and of this call on it.
pub(crate) fn obey_gpu(symbol: &str, gpu: usize) -> Answer {
    obey(symbol, |world| {
        let gpu = world.gpus.get(gpu)?;
        gpu.faults.get(symbol).cloned()
    })
}

fn obey(symbol: &str, said: impl Fn(&World) -> Option<String>) -> Answer {
    loop {
        let Some(word) = said(&read()?) else {
            return Ok(());
        };
        if word != HANG {
            let known = FAULTS.iter().find(|(name, _)| *name == word);
            return Err(known.map_or_else(
                || complain(&format!("{symbol}: no fault is called {word:?}")),
                |(_, code)| *code,
            ));
        }
        std::thread::sleep(HANG_STEP);
    }
}

/// Reads the file. Without one there is no driver.
fn read() -> Result<World, nvmlReturn_t> {
    let Some(file) = std::env::var_os(FILE) else {
        return Err(nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED);
    };
    let text = std::fs::read_to_string(&file).map_err(|_| nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED)?;
    let world: Result<World, _> = toml::from_str(&text);
    let mut world = world.map_err(|error| complain(&format!("{}: {error}", file.to_string_lossy())))?;
    for (uuid, milliwatts) in limits_set(&beside(&file))? {
        let is_it = |gpu: &&mut Gpu| gpu.uuid.as_deref() == Some(uuid.as_str());
        if let Some(gpu) = world.gpus.iter_mut().find(is_it) {
            gpu.obey_limit(milliwatts);
        }
    }
    Ok(world)
}

/// Where limits stand that were set through this library: beside the file, so that whoever asks next finds them.
fn beside(file: &OsStr) -> PathBuf {
    Path::new(file).with_extension("limits.toml")
}

fn limits_set(file: &Path) -> Result<BTreeMap<String, u32>, nvmlReturn_t> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    toml::from_str(&text).map_err(|error| complain(&format!("{}: {error}", file.display())))
}

/// Keeps the limit of a GPU that was set. Whoever reads meanwhile finds the old ones or the new ones.
pub(crate) fn keep_limit(uuid: &str, milliwatts: u32) -> Answer {
    let Some(file) = std::env::var_os(FILE) else {
        return Err(nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED);
    };
    let file = beside(&file);
    let mut limits = limits_set(&file)?;
    limits.insert(uuid.to_owned(), milliwatts);
    let lines = limits
        .iter()
        .map(|(uuid, milliwatts)| format!("{uuid:?} = {milliwatts}\n"));
    let next = file.with_extension("next");
    let written =
        std::fs::write(&next, lines.collect::<String>()).and_then(|()| std::fs::rename(&next, &file));
    written.map_err(|error| complain(&format!("{}: {error}", file.display())))
}

impl Gpu {
    /// What a limit that was set does: it is in force, and the board draws no more.
    fn obey_limit(&mut self, milliwatts: u32) {
        self.power_limit_milliwatts = Some(milliwatts);
        for value in [&mut self.enforced_limit_milliwatts, &mut self.power_milliwatts] {
            *value = value.map(|is| is.min(milliwatts));
        }
    }
}

/// A mistake of whoever wrote the file: C has no way to hear of it but standard error.
fn complain(sentence: &str) -> nvmlReturn_t {
    eprintln!("fake-nvml: {sentence}");
    nvmlReturn_enum_NVML_ERROR_UNKNOWN
}

impl World {
    /// The GPU of a handle, unless it is lost or this call on it fails.
    pub(crate) fn gpu(&self, symbol: &str, device: nvmlDevice_t) -> Result<&Gpu, nvmlReturn_t> {
        let handle = Handle::of(device)?;
        let gpu = self
            .gpus
            .get(handle.gpu)
            .ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?;
        if gpu.lost {
            return Err(nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST);
        }
        obey_gpu(symbol, handle.gpu)?;
        Ok(gpu)
    }

    /// The MIG device of a handle; `None` where it means a whole GPU.
    pub(crate) fn mig(&self, symbol: &str, device: nvmlDevice_t) -> Result<Option<&Mig>, nvmlReturn_t> {
        let gpu = self.gpu(symbol, device)?;
        match Handle::of(device)?.mig {
            None => Ok(None),
            Some(mig) => gpu
                .mig_devices
                .get(mig)
                .map(Some)
                .ok_or(nvmlReturn_enum_NVML_ERROR_NOT_FOUND),
        }
    }
}

/// A value of the file, or that this GPU does not offer it.
pub(crate) fn offered<T>(value: Option<T>) -> Result<T, nvmlReturn_t> {
    value.ok_or(nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED)
}
