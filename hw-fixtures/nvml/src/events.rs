//! Events: critical errors (XIDs) that come while somebody listens.

use std::ffi::{c_uint, c_ulonglong};
use std::ptr::without_provenance_mut;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nvml_wrapper_sys::bindings::*;

use crate::abi::{Handle, exported, put};
use crate::state::{World, look};

/// How often a caller that waits looks into the file.
const WAIT_STEP: Duration = Duration::from_millis(10);

/// What a set listens to: GPUs, and how many errors of each have been told. `None` is a set that was freed.
type Heard = Option<Vec<(usize, usize)>>;

/// All sets; a handle is a place in it.
static SETS: Mutex<Vec<Heard>> = Mutex::new(Vec::new());

/// Does something with a set that is in use.
fn with_set<T>(set: nvmlEventSet_t, act: impl FnOnce(&mut Heard) -> T) -> Result<T, nvmlReturn_t> {
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = set.addr().checked_sub(1).and_then(|at| sets.get_mut(at));
    place
        .filter(|place| place.is_some())
        .map(act)
        .ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

/// The next error that a set has not told yet.
fn next(world: &World, set: nvmlEventSet_t) -> Result<Option<(usize, u64)>, nvmlReturn_t> {
    with_set(set, |heard| {
        heard.iter_mut().flatten().find_map(|(gpu, told)| {
            let xid = *world.gpus.get(*gpu)?.xids.get(*told)?;
            *told += 1;
            Some((*gpu, xid))
        })
    })
}

exported! {
    fn nvmlEventSetCreate(_world, set: *mut nvmlEventSet_t) {
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        sets.push(Some(Vec::new()));
        put(set, without_provenance_mut::<nvmlEventSet_st>(sets.len()))
    }

    fn nvmlEventSetFree(_world, set: nvmlEventSet_t) {
        with_set(set, |place| *place = None)
    }

    fn nvmlDeviceRegisterEvents(world, device: nvmlDevice_t, types: c_ulonglong, set: nvmlEventSet_t) {
        let gpu = world.gpu("nvmlDeviceRegisterEvents", device)?;
        if types & !c_ulonglong::from(nvmlEventTypeXidCriticalError) != 0 {
            return Err(nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED);
        }
        let heard = (Handle::of(device)?.gpu, gpu.xids.len());
        with_set(set, |place| place.iter_mut().for_each(|set| set.push(heard)))
    }

    fn nvmlEventSetWait_v2(_world, set: nvmlEventSet_t, event: *mut nvmlEventData_t, milliseconds: c_uint) {
        let until = Instant::now() + Duration::from_millis(u64::from(milliseconds));
        loop {
            if let Some((gpu, xid)) = next(&look("nvmlEventSetWait_v2")?, set)? {
                return put(event, nvmlEventData_t {
                    device: Handle { gpu, mig: None }.to_c(),
                    eventType: c_ulonglong::from(nvmlEventTypeXidCriticalError),
                    eventData: xid,
                    gpuInstanceId: c_uint::MAX,
                    computeInstanceId: c_uint::MAX,
                });
            }
            if Instant::now() >= until {
                return Err(nvmlReturn_enum_NVML_ERROR_TIMEOUT);
            }
            std::thread::sleep(WAIT_STEP);
        }
    }
}
