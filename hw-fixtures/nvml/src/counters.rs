//! What only grows: energy, ECC errors, time in which clocks were held back, PCIe replays; and values by their field's number.

use std::ffi::{c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::*;

use crate::abi::{exported, put, take};
use crate::nvlink;
use crate::state::offered;

exported! {
    fn nvmlDeviceGetTotalEnergyConsumption(world, device: nvmlDevice_t, millijoules: *mut c_ulonglong) {
        let gpu = world.gpu("nvmlDeviceGetTotalEnergyConsumption", device)?;
        put(millijoules, offered(gpu.energy_millijoules)?)
    }

    fn nvmlDeviceGetEccMode(
        world, device: nvmlDevice_t, current: *mut nvmlEnableState_t, pending: *mut nvmlEnableState_t,
    ) {
        let ecc = offered(world.gpu("nvmlDeviceGetEccMode", device)?.ecc)?;
        put(current, nvmlEnableState_t::from(ecc.enabled))?;
        put(pending, nvmlEnableState_t::from(ecc.enabled))
    }

    fn nvmlDeviceGetTotalEccErrors(
        world, device: nvmlDevice_t, kind: nvmlMemoryErrorType_t, span: nvmlEccCounterType_t,
        count: *mut c_ulonglong,
    ) {
        let ecc = offered(world.gpu("nvmlDeviceGetTotalEccErrors", device)?.ecc)?;
        if !ecc.enabled {
            return Err(nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED);
        }
        let seen = match kind {
            nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED => ecc.corrected,
            nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_UNCORRECTED => ecc.uncorrected,
            _ => return Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
        };
        // The driver of this world was loaded a moment ago: nothing happened since.
        let is_lifetime = span == nvmlEccCounterType_enum_NVML_AGGREGATE_ECC;
        put(count, if is_lifetime { seen } else { 0 })
    }

    fn nvmlDeviceGetViolationStatus(
        world, device: nvmlDevice_t, policy: nvmlPerfPolicyType_t, time: *mut nvmlViolationTime_t,
    ) {
        let gpu = world.gpu("nvmlDeviceGetViolationStatus", device)?;
        let seen = offered(gpu.violations_nanoseconds.get(&policy.to_string()))?;
        put(time, nvmlViolationTime_t { referenceTime: 0, violationTime: *seen })
    }

    fn nvmlDeviceGetFieldValues(
        world, device: nvmlDevice_t, count: c_int, values: *mut nvmlFieldValue_t,
    ) {
        let gpu = world.gpu("nvmlDeviceGetFieldValues", device)?;
        let count = usize::try_from(count).map_err(|_| nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?;
        for at in 0..count {
            let place = values.wrapping_add(at);
            let mut field = take(place)?;
            let told = gpu.fields.get(&field.fieldId.to_string()).copied();
            match told.or_else(|| nvlink::field(gpu, field.fieldId, field.scopeId)) {
                Some(value) => {
                    field.valueType = nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
                    field.value = nvmlValue_t { ullVal: value };
                    field.nvmlReturn = nvmlReturn_enum_NVML_SUCCESS;
                }
                None => field.nvmlReturn = nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED,
            }
            put(place, field)?;
        }
        Ok(())
    }

    fn nvmlDeviceGetPcieReplayCounter(world, device: nvmlDevice_t, count: *mut c_uint) {
        put(count, offered(world.gpu("nvmlDeviceGetPcieReplayCounter", device)?.pcie_replays)?)
    }
}
