//! Which part of its GPU a MIG device is: the wrapper has no call of its own for it.
#![allow(unsafe_code)] // Two calls of NVML that nvml-wrapper 0.13 does not offer.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};

/// The number of the GPU instance that a MIG device is of (`nvmlDeviceGetGpuInstanceId`).
///
/// # Errors
/// Where the library is too old, or the device is none of MIG.
pub(super) fn gpu_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let symbol = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuInstanceId.as_ref())?;
    let mut number = 0;
    // SAFETY: the symbol is of the library that gave the handle, and both live as long as `device`; it writes one number.
    unsafe { nvml_try(symbol(device.handle(), &mut number))? };
    Ok(number)
}

/// The number of the compute instance in it (`nvmlDeviceGetComputeInstanceId`).
///
/// # Errors
/// As [`gpu_instance`].
pub(super) fn compute_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let symbol = nvml_sym(device.nvml().lib().nvmlDeviceGetComputeInstanceId.as_ref())?;
    let mut number = 0;
    // SAFETY: as above.
    unsafe { nvml_try(symbol(device.handle(), &mut number))? };
    Ok(number)
}
