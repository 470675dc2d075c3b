//! NVIDIA's management library (NVML) as far as limits of power go: which GPU takes which, and one call that sets one.
//!
//! The library is loaded when a cap is asked for and missed by nobody. A call into the driver may hang, so all of them are made
//! by one thread of their own: who asks waits a bounded time, and no second call follows one that has not come back.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use facts::gpu::{NVML_DIRECTORIES, NVML_LIBRARY, NVML_VARIABLE};
use facts::{PciAddress, Power};
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::host::Host;

/// The loaded driver says its version here.
const DRIVER: &str = "/proc/driver/nvidia/version";
/// So long an answer is waited for: half of what clients wait for theirs, and nothing else is kept meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most GPUs of a node; the largest machines that NVIDIA names have sixteen.
const MOST_GPUS: u32 = 64;
/// The longest id: NVIDIA's own have 40 characters (`NVML_DEVICE_UUID_V2_BUFFER_SIZE` is 96).
const LONGEST_UUID: usize = 96;

/// The thread that calls the library, once there was something to call it for.
static CALLER: Mutex<Option<SyncSender<Call>>> = Mutex::new(None);

/// The last call by its number, the last that did not come back in time, and the last that came back: as long as one is late
/// nobody waits behind it. Two numbers and no flag, because it may come back while its caller gives it up.
static LAST: AtomicU64 = AtomicU64::new(0);
static LATE: AtomicU64 = AtomicU64::new(0);
static BACK: AtomicU64 = AtomicU64::new(0);

/// One errand of that thread. It keeps the library loaded between them: a driver that nobody uses forgets its limits.
type Call = Box<dyn FnOnce(&mut Option<Nvml>) + Send>;

/// A GPU that takes a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuLimit {
    /// Its driver's universally unique id.
    pub uuid: String,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// The limit that is set.
    pub limit: Power,
    /// The lowest limit that the board takes.
    pub least: Power,
    /// The highest.
    pub most: Power,
    /// Whether the driver keeps a limit when nobody uses the GPU (persistence mode).
    pub persists: bool,
}

/// The GPUs of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpus {
    /// Those that take a limit.
    pub limited: Vec<GpuLimit>,
    /// Those that do not, a sentence each.
    pub unlimited: Vec<String>,
}

/// Why the library cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum NvmlTrouble {
    /// A call failed.
    #[error("{NVML_LIBRARY}: {act} failed: {said}")]
    Failed {
        /// What was asked of it.
        act: String,
        /// What it said.
        said: String,
    },
    /// A call has not come back.
    #[error(
        "{NVML_LIBRARY}: the driver did not answer within {} s; `nvidia-smi` and the kernel's log say more",
        PATIENCE.as_secs()
    )]
    Hangs,
    /// The kernel gives no thread.
    #[error("cannot start a thread for {NVML_LIBRARY}")]
    NoThread(#[source] std::io::Error),
}

/// All GPUs with what they say of limits; none where there is no library or no driver. Files of a recorded machine have none.
///
/// # Errors
/// When there is a driver that does not answer: whether its GPUs take a limit is unknown then.
pub fn gpus(host: &Host) -> Result<Gpus, NvmlTrouble> {
    if !may_load(host) {
        return Ok(Gpus::default());
    }
    let is_driver_loaded = host.has(Path::new(DRIVER));
    let places = places(host);
    called(move |session| {
        let Some(nvml) = opened(session, &places, is_driver_loaded)? else {
            return Ok(Gpus::default());
        };
        let count = nvml.device_count().map_err(failed("nvmlDeviceGetCount"))?;
        let mut gpus = Gpus::default();
        for index in 0..count.min(MOST_GPUS) {
            match limit_of(nvml, index) {
                Ok(gpu) => gpus.limited.push(gpu),
                Err(error) => gpus
                    .unlimited
                    .push(format!("GPU {index} takes no power limit: {error}")),
            }
        }
        Ok(gpus)
    })
}

/// Sets the limit of one GPU, in milliwatts, and gives the one that it has then.
///
/// # Errors
/// When it refuses, has gone, or does not answer.
pub(crate) fn set(host: &Host, uuid: &str, milliwatts: u32) -> Result<u32, NvmlTrouble> {
    let (uuid, places) = (uuid.to_owned(), places(host));
    if !may_load(host) {
        return Err(failed(&uuid)(NvmlError::Uninitialized));
    }
    called(move |session| {
        let nvml =
            opened(session, &places, true)?.ok_or_else(|| failed("nvmlInit")(NvmlError::Uninitialized))?;
        let mut device = nvml.device_by_uuid(uuid.as_str()).map_err(failed(&uuid))?;
        let act = format!("nvmlDeviceSetPowerManagementLimit({uuid}, {milliwatts} mW)");
        device
            .set_power_management_limit(milliwatts)
            .map_err(failed(&act))?;
        device
            .power_management_limit()
            .map_err(failed("nvmlDeviceGetPowerManagementLimit"))
    })
}

/// Only this machine's own driver has GPUs, or a library that somebody named.
fn may_load(host: &Host) -> bool {
    host.is_this_machine() || named().is_some()
}

fn named() -> Option<OsString> {
    std::env::var_os(NVML_VARIABLE).filter(|path| !path.is_empty())
}

/// What is loaded, the first that can be: the one that somebody named, else the loader's, else one in the usual places.
fn places(host: &Host) -> Vec<OsString> {
    if let Some(path) = named() {
        return vec![path];
    }
    let files = NVML_DIRECTORIES
        .iter()
        .map(|directory| host.real(Path::new(directory)).join(NVML_LIBRARY));
    let files = files.filter(|file| file.exists()).map(OsString::from);
    [OsString::from(NVML_LIBRARY)].into_iter().chain(files).collect()
}

/// Has the errand done by the one thread, and waits for it.
fn called<T: Send + 'static>(
    errand: impl FnOnce(&mut Option<Nvml>) -> Result<T, NvmlTrouble> + Send + 'static,
) -> Result<T, NvmlTrouble> {
    if LATE.load(Ordering::Acquire) > BACK.load(Ordering::Acquire) {
        return Err(NvmlTrouble::Hangs);
    }
    let number = LAST.fetch_add(1, Ordering::AcqRel) + 1;
    let (reply, answer) = sync_channel(1);
    let call: Call = Box::new(move |session| {
        // Who asked may have gone away meanwhile.
        let _ = reply.send(errand(session));
        BACK.fetch_max(number, Ordering::AcqRel);
    });
    caller()?.try_send(call).map_err(|refused| match refused {
        TrySendError::Full(_) | TrySendError::Disconnected(_) => NvmlTrouble::Hangs,
    })?;
    answer.recv_timeout(PATIENCE).map_err(|late| {
        // The sweep asks too, each second: only the first one waits.
        if late == RecvTimeoutError::Timeout {
            LATE.fetch_max(number, Ordering::AcqRel);
        }
        NvmlTrouble::Hangs
    })?
}

fn caller() -> Result<SyncSender<Call>, NvmlTrouble> {
    let mut known = CALLER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(caller) = &*known {
        return Ok(caller.clone());
    }
    // One call waits at most behind one that hangs; whoever comes after it is told so at once.
    let (caller, calls) = sync_channel::<Call>(1);
    let thread = std::thread::Builder::new().name("nvml-limits".to_owned());
    let served = thread.spawn(move || {
        let mut session = None;
        calls.into_iter().for_each(|call| call(&mut session));
    });
    served.map_err(NvmlTrouble::NoThread)?;
    Ok(known.insert(caller).clone())
}

/// The library, initialised; `None` where there is none and no driver either.
fn opened<'a>(
    session: &'a mut Option<Nvml>,
    places: &[OsString],
    is_driver_loaded: bool,
) -> Result<Option<&'a Nvml>, NvmlTrouble> {
    if session.is_none() {
        for place in places {
            match Nvml::builder().lib_path(OsStr::new(place)).init() {
                Ok(nvml) => {
                    *session = Some(nvml);
                    break;
                }
                Err(NvmlError::DriverNotLoaded) => return Ok(None),
                Err(NvmlError::LibloadingError(_)) if !is_driver_loaded => {}
                Err(error) => return Err(failed("nvmlInit")(error)),
            }
        }
    }
    Ok(session.as_ref())
}

fn limit_of(nvml: &Nvml, index: u32) -> Result<GpuLimit, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let uuid = device.uuid()?;
    let right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if uuid.is_empty() || uuid.len() > LONGEST_UUID || !uuid.bytes().all(right) {
        return Err(NvmlError::Unknown);
    }
    let milliwatts = |value: u32| Power::from_milliwatts(u64::from(value));
    let bounds = device.power_management_limit_constraints()?;
    let place = device.pci_info().ok();
    Ok(GpuLimit {
        pci: place.and_then(|place| {
            format!("{:04x}:{:02x}:{:02x}.0", place.domain, place.bus, place.device)
                .parse()
                .ok()
        }),
        limit: milliwatts(device.power_management_limit()?),
        least: milliwatts(bounds.min_limit),
        most: milliwatts(bounds.max_limit),
        // A driver that cannot say keeps nothing that we could count on.
        persists: device.is_in_persistent_mode().unwrap_or(false),
        uuid,
    })
}

fn failed(act: &str) -> impl Fn(NvmlError) -> NvmlTrouble {
    let act = act.to_owned();
    move |error| NvmlTrouble::Failed {
        act: act.clone(),
        said: error.to_string(),
    }
}
