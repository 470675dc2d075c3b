//! What goes up and down: utilization, clocks, power and its limits, temperatures, throttle reasons, PCIe throughput.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::*;

use crate::abi::{exported, put};
use crate::state::offered;

/// The driver's sampling period of encoder and decoder.
const SAMPLING_MICROSECONDS: c_uint = 167_000;

exported! {
    fn nvmlDeviceGetUtilizationRates(world, device: nvmlDevice_t, utilization: *mut nvmlUtilization_t) {
        let seen = offered(world.gpu("nvmlDeviceGetUtilizationRates", device)?.utilization)?;
        put(utilization, nvmlUtilization_t { gpu: seen.gpu, memory: seen.memory })
    }

    fn nvmlDeviceGetEncoderUtilization(world, device: nvmlDevice_t, percent: *mut c_uint, period: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetEncoderUtilization", device)?;
        put(percent, offered(gpu.encoder_percent)?)?;
        put(period, SAMPLING_MICROSECONDS)
    }

    fn nvmlDeviceGetDecoderUtilization(world, device: nvmlDevice_t, percent: *mut c_uint, period: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetDecoderUtilization", device)?;
        put(percent, offered(gpu.decoder_percent)?)?;
        put(period, SAMPLING_MICROSECONDS)
    }

    fn nvmlDeviceGetClockInfo(world, device: nvmlDevice_t, domain: nvmlClockType_t, megahertz: *mut c_uint) {
        let clocks = offered(world.gpu("nvmlDeviceGetClockInfo", device)?.clocks_megahertz)?;
        let at = usize::try_from(domain).unwrap_or(usize::MAX);
        put(megahertz, *clocks.get(at).ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?)
    }

    fn nvmlDeviceGetPowerUsage(world, device: nvmlDevice_t, milliwatts: *mut c_uint) {
        put(milliwatts, offered(world.gpu("nvmlDeviceGetPowerUsage", device)?.power_milliwatts)?)
    }

    fn nvmlDeviceGetPowerManagementLimit(world, device: nvmlDevice_t, milliwatts: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetPowerManagementLimit", device)?;
        put(milliwatts, offered(gpu.power_limit_milliwatts)?)
    }

    fn nvmlDeviceGetEnforcedPowerLimit(world, device: nvmlDevice_t, milliwatts: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetEnforcedPowerLimit", device)?;
        put(milliwatts, offered(gpu.enforced_limit_milliwatts)?)
    }

    fn nvmlDeviceGetPowerManagementLimitConstraints(
        world, device: nvmlDevice_t, least: *mut c_uint, most: *mut c_uint,
    ) {
        let gpu = world.gpu("nvmlDeviceGetPowerManagementLimitConstraints", device)?;
        let [low, high] = offered(gpu.limits_milliwatts)?;
        put(least, low)?;
        put(most, high)
    }

    fn nvmlDeviceGetTemperature(
        world, device: nvmlDevice_t, sensor: nvmlTemperatureSensors_t, celsius: *mut c_uint,
    ) {
        let gpu = world.gpu("nvmlDeviceGetTemperature", device)?;
        if sensor != nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU {
            return Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        put(celsius, offered(gpu.temperature_celsius)?)
    }

    fn nvmlDeviceGetTemperatureThreshold(
        world, device: nvmlDevice_t, threshold: nvmlTemperatureThresholds_t, celsius: *mut c_uint,
    ) {
        let gpu = world.gpu("nvmlDeviceGetTemperatureThreshold", device)?;
        let seen = match threshold {
            nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => gpu.shutdown_celsius,
            nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => gpu.slowdown_celsius,
            _ => None,
        };
        put(celsius, offered(seen)?)
    }

    fn nvmlDeviceGetCurrentClocksThrottleReasons(world, device: nvmlDevice_t, reasons: *mut c_ulonglong) {
        let gpu = world.gpu("nvmlDeviceGetCurrentClocksThrottleReasons", device)?;
        put(reasons, offered(gpu.throttle_reasons)?)
    }

    fn nvmlDeviceGetPcieThroughput(
        world, device: nvmlDevice_t, counter: nvmlPcieUtilCounter_t, kilobytes: *mut c_uint,
    ) {
        let seen = offered(world.gpu("nvmlDeviceGetPcieThroughput", device)?.pcie_kilobytes)?;
        let at = usize::try_from(counter).unwrap_or(usize::MAX);
        put(kilobytes, *seen.get(at).ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?)
    }
}
