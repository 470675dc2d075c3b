//! The limit of power as somebody sets it, and whether the driver keeps it while nobody uses the GPU.

use std::ffi::{c_char, c_uint};

use nvml_wrapper_sys::bindings::*;

use crate::abi::{Handle, exported, put, text_of};
use crate::state::{keep_limit, offered};

exported! {
    fn nvmlDeviceGetHandleByUUID(world, uuid: *const c_char, device: *mut nvmlDevice_t) {
        let uuid = text_of(uuid)?;
        let same = |gpu: &crate::state::Gpu| gpu.uuid.as_deref() == Some(uuid.as_str());
        let at = world.gpus.iter().position(same).ok_or(nvmlReturn_enum_NVML_ERROR_NOT_FOUND)?;
        let handle = Handle { gpu: at, mig: None }.to_c();
        world.gpu("nvmlDeviceGetHandleByUUID", handle)?;
        put(device, handle)
    }

    fn nvmlDeviceGetPersistenceMode(world, device: nvmlDevice_t, mode: *mut nvmlEnableState_t) {
        let gpu = world.gpu("nvmlDeviceGetPersistenceMode", device)?;
        put(mode, nvmlEnableState_t::from(offered(gpu.persistence)?))
    }

    fn nvmlDeviceSetPowerManagementLimit(world, device: nvmlDevice_t, milliwatts: c_uint) {
        let gpu = world.gpu("nvmlDeviceSetPowerManagementLimit", device)?;
        let [least, most] = offered(gpu.limits_milliwatts)?;
        offered(gpu.power_limit_milliwatts)?;
        if !(least..=most).contains(&milliwatts) {
            return Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        keep_limit(&offered(gpu.uuid.clone())?, milliwatts)
    }
}
