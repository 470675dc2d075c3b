//! GPUs that are cut into MIG devices.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::*;

use crate::abi::{Handle, exported, put};
use crate::state::offered;

/// The most MIG devices of a GPU that can be cut (seven slices).
const MOST_DEVICES: c_uint = 7;

exported! {
    fn nvmlDeviceGetMigMode(world, device: nvmlDevice_t, current: *mut c_uint, pending: *mut c_uint) {
        let is_on = offered(world.gpu("nvmlDeviceGetMigMode", device)?.mig)?;
        put(current, c_uint::from(is_on))?;
        put(pending, c_uint::from(is_on))
    }

    fn nvmlDeviceGetMaxMigDeviceCount(world, device: nvmlDevice_t, count: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetMaxMigDeviceCount", device)?;
        put(count, if gpu.mig.is_some() { MOST_DEVICES } else { 0 })
    }

    fn nvmlDeviceGetMigDeviceHandleByIndex(
        world, device: nvmlDevice_t, index: c_uint, mig_device: *mut nvmlDevice_t,
    ) {
        let gpu = world.gpu("nvmlDeviceGetMigDeviceHandleByIndex", device)?;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if gpu.mig_devices.get(at).is_none() {
            return Err(nvmlReturn_enum_NVML_ERROR_NOT_FOUND);
        }
        let Handle { gpu, .. } = Handle::of(device)?;
        put(mig_device, Handle { gpu, mig: Some(at) }.to_c())
    }

    fn nvmlDeviceGetGpuInstanceId(world, device: nvmlDevice_t, id: *mut c_uint) {
        let mig = world.mig("nvmlDeviceGetGpuInstanceId", device)?;
        let [instance, _] = offered(mig.ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?.instances)?;
        put(id, instance)
    }

    fn nvmlDeviceGetComputeInstanceId(world, device: nvmlDevice_t, id: *mut c_uint) {
        let mig = world.mig("nvmlDeviceGetComputeInstanceId", device)?;
        let [_, instance] = offered(mig.ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?.instances)?;
        put(id, instance)
    }
}
