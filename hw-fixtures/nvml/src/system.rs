//! The library itself: beginning and end, the driver, and handles of GPUs.

use std::ffi::{c_char, c_uint};
use std::sync::atomic::Ordering;

use nvml_wrapper_sys::bindings::*;

use crate::abi::{Handle, exported, put, put_text};
use crate::state::{USERS, obey_gpu};

exported! {
    fn nvmlInit_v2(_world) {
        USERS.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn nvmlInitWithFlags(_world, _flags: c_uint) {
        USERS.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn nvmlShutdown(_world) {
        USERS.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    fn nvmlSystemGetDriverVersion(world, version: *mut c_char, length: c_uint) {
        put_text(version, length, &world.driver_version)
    }

    fn nvmlDeviceGetCount_v2(world, count: *mut c_uint) {
        put(count, c_uint::try_from(world.gpus.len()).unwrap_or(c_uint::MAX))
    }

    fn nvmlDeviceGetHandleByIndex_v2(world, index: c_uint, device: *mut nvmlDevice_t) {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let gpu = world.gpus.get(at).ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?;
        if gpu.lost {
            return Err(nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST);
        }
        obey_gpu("nvmlDeviceGetHandleByIndex_v2", at)?;
        put(device, Handle { gpu: at, mig: None }.to_c())
    }
}
