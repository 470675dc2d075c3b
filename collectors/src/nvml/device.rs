//! One GPU as NVML tells of it.

use facts::gpu::{Gpu, GpuReadings, GpuThrottle, MigDevice};
use facts::{Bytes, Energy, Identity, NoData, NumaNodeId, PciAddress, Power, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PcieUtilCounter, PerformancePolicy, TemperatureSensor,
    TemperatureThreshold,
};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::MemoryInfo;

use super::field;
use super::instance;
use super::link;
use super::reason::{known, reading, reading_if};

/// The most MIG devices of one GPU that are read; NVIDIA cuts a GPU into seven.
const MOST_MIG_DEVICES: u32 = 16;

/// NVML's throughput comes in these.
const BYTES_OF_KILOBYTE: u64 = 1_000;

const MICROJOULES_OF_MILLIJOULE: u64 = 1_000;

/// No board draws more: a megawatt, in milliwatts. NVML's blank numbers are all above.
const MOST_MILLIWATTS: u32 = 1_000_000_000;

/// No chip is hotter and lives.
pub(super) const MOST_CELSIUS: u32 = 250;

/// No clock is faster.
const MOST_MEGAHERTZ: u32 = 100_000;

const WHOLE_PERCENT: u32 = 100;

/// `nvmlPerfPolicyType_t`, as the label of metrics.
const POLICIES: [(PerformancePolicy, &str); 6] = [
    (PerformancePolicy::Power, "power"),
    (PerformancePolicy::Thermal, "thermal"),
    (PerformancePolicy::SyncBoost, "sync_boost"),
    (PerformancePolicy::BoardLimit, "board_limit"),
    (PerformancePolicy::LowUtilization, "low_utilization"),
    (PerformancePolicy::Reliability, "reliability"),
];

/// `nvmlClocksThrottleReasons`, as the label of metrics.
const REASONS: [(ThrottleReasons, &str); 9] = [
    (ThrottleReasons::GPU_IDLE, "gpu_idle"),
    (
        ThrottleReasons::APPLICATIONS_CLOCKS_SETTING,
        "applications_clocks_setting",
    ),
    (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
    (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
    (ThrottleReasons::SYNC_BOOST, "sync_boost"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
    (
        ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN,
        "hw_power_brake_slowdown",
    ),
    (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clock_setting"),
];

/// Who it is, where it sits, and its memory as a whole.
///
/// # Errors
/// When the GPU is gone.
pub(super) fn identify(device: &Device<'_>) -> Result<Gpu, NvmlError> {
    let pci = known(device.pci_info())?;
    let minor = known(device.minor_number())?;
    let memory = reading_if(device.memory_info(), is_memory)?.value();
    Ok(Gpu {
        identity: Identity {
            maker: Some("NVIDIA".to_owned()),
            model: word(known(device.name())?),
            serial: word(known(device.serial())?),
        },
        uuid: word(known(device.uuid())?),
        pci: pci.as_ref().and_then(|pci| pci.bus_id.parse::<PciAddress>().ok()),
        // The lower half is the vendor, the upper half the device; 0 is neither.
        pci_id: pci.filter(|pci| pci.pci_device_id != 0).map(|pci| {
            format!(
                "{:04x}:{:04x}",
                pci.pci_device_id & 0xffff,
                pci.pci_device_id >> 16
            )
        }),
        numa_node: known(device.numa_node_id())?
            .filter(|id| *id != u32::MAX)
            .map(NumaNodeId),
        device: minor.map(|minor| format!("nvidia{minor}")),
        memory_bytes: memory.map(|memory| Bytes::new(memory.total)),
        readings: None,
    })
}

/// Everything that changes.
///
/// # Errors
/// When the GPU is gone.
pub(super) fn read(device: &Device<'_>) -> Result<GpuReadings, NvmlError> {
    let mut seen = GpuReadings {
        vbios: word(known(device.vbios_version())?),
        ..GpuReadings::default()
    };
    read_memory(device, &mut seen)?;
    read_work(device, &mut seen)?;
    read_power(device, &mut seen)?;
    read_health(device, &mut seen)?;
    field::read(device, &mut seen)?;
    read_bus(device, &mut seen)?;
    seen.nvlinks = link::read(device)?;
    read_mig(device, &mut seen)?;
    Ok(seen)
}

fn read_memory(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    let memory = reading_if(device.memory_info(), is_memory)?;
    let part = |of: fn(&MemoryInfo) -> u64| match &memory {
        Reading::Value(memory) => Reading::Value(Bytes::new(of(memory))),
        Reading::None { no_data } => Reading::none(*no_data),
    };
    seen.memory_used_bytes = part(|memory| memory.used);
    seen.memory_free_bytes = part(|memory| memory.free);
    seen.memory_reserved_bytes = part(|memory| memory.reserved);
    Ok(())
}

fn read_work(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    let is_percent = |percent: &u32| *percent <= WHOLE_PERCENT;
    let rates = device.utilization_rates();
    // An error of NVML cannot be copied: the second reading takes its reason from the first.
    match rates {
        Ok(rates) => {
            seen.sm_percent = reading_if(Ok(rates.gpu), is_percent)?;
            seen.memory_percent = reading_if(Ok(rates.memory), is_percent)?;
        }
        Err(error) => {
            seen.sm_percent = reading(Err(error))?;
            seen.memory_percent = seen.sm_percent;
        }
    }
    let encoder = device.encoder_utilization().map(|seen| seen.utilization);
    seen.encoder_percent = reading_if(encoder, is_percent)?;
    let decoder = device.decoder_utilization().map(|seen| seen.utilization);
    seen.decoder_percent = reading_if(decoder, is_percent)?;
    let clock = |domain| {
        reading_if(device.clock_info(domain), |megahertz| {
            *megahertz <= MOST_MEGAHERTZ
        })
    };
    seen.graphics_megahertz = clock(Clock::Graphics)?;
    seen.sm_megahertz = clock(Clock::SM)?;
    seen.memory_megahertz = clock(Clock::Memory)?;
    seen.video_megahertz = clock(Clock::Video)?;
    Ok(())
}

fn read_power(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    let power = |answer| {
        let milliwatts: Reading<u32> = reading_if(answer, |milliwatts| *milliwatts <= MOST_MILLIWATTS)?;
        Ok::<_, NvmlError>(milliwatts.map(|milliwatts| Power::from_milliwatts(u64::from(milliwatts))))
    };
    seen.power_watts = power(device.power_usage())?;
    seen.power_limit_watts = power(device.power_management_limit())?;
    seen.enforced_limit_watts = power(device.enforced_power_limit())?;
    match device.power_management_limit_constraints() {
        Ok(limits) => {
            seen.least_limit_watts = power(Ok(limits.min_limit))?;
            seen.most_limit_watts = power(Ok(limits.max_limit))?;
        }
        Err(error) => {
            seen.least_limit_watts = power(Err(error))?;
            seen.most_limit_watts = seen.least_limit_watts;
        }
    }
    // What has no room in microjoules is one of NVML's blanks: 2^63 millijoules and more.
    let energy = reading(device.total_energy_consumption())?
        .map(|millijoules| millijoules.checked_mul(MICROJOULES_OF_MILLIJOULE));
    seen.energy_microjoules = match energy {
        Reading::Value(Some(microjoules)) => Reading::Value(Energy::from_microjoules(microjoules)),
        Reading::Value(None) => Reading::none(NoData::Garbled),
        Reading::None { no_data } => Reading::none(no_data),
    };
    Ok(())
}

fn read_health(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    let is_celsius = |celsius: &u32| *celsius <= MOST_CELSIUS;
    let limit = |threshold| reading_if(device.temperature_threshold(threshold), is_celsius);
    seen.temperature_celsius = reading_if(device.temperature(TemperatureSensor::Gpu), is_celsius)?;
    seen.slowdown_celsius = limit(TemperatureThreshold::Slowdown)?;
    seen.shutdown_celsius = limit(TemperatureThreshold::Shutdown)?;
    seen.ecc_enabled = reading(device.is_ecc_enabled())?.map(|mode| mode.currently_enabled);
    let errors = |kind| {
        let answer = device.total_ecc_errors(kind, EccCounter::Aggregate);
        reading_if(answer, |count| is_count(*count))
    };
    seen.ecc_corrected = errors(MemoryError::Corrected)?;
    seen.ecc_uncorrected = errors(MemoryError::Uncorrected)?;
    seen.throttled_by = reading(device.current_throttle_reasons())?.map(words_of);
    for (policy, reason) in POLICIES {
        let time = device.violation_status(policy).map(|seen| seen.violation_time);
        seen.throttled.push(GpuThrottle {
            reason: reason.to_owned(),
            nanoseconds: reading_if(time, |time| is_count(*time))?,
        });
    }
    Ok(())
}

fn read_bus(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    let bytes = |direction| {
        let kilobytes = reading_if(device.pcie_throughput(direction), |seen| *seen != u32::MAX)?;
        Ok::<_, NvmlError>(kilobytes.map(|kilobytes| u64::from(kilobytes) * BYTES_OF_KILOBYTE))
    };
    seen.pcie_sent_bytes_per_second = bytes(PcieUtilCounter::Send)?;
    seen.pcie_received_bytes_per_second = bytes(PcieUtilCounter::Receive)?;
    let replays = reading_if(device.pcie_replay_counter(), |count| *count != u32::MAX)?;
    seen.pcie_replays = replays.map(u64::from);
    Ok(())
}

fn read_mig(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    seen.mig_enabled = reading(device.mig_mode())?.map(|mode| mode.current != 0);
    if seen.mig_enabled != Reading::Value(true) {
        return Ok(());
    }
    let most = known(device.mig_device_count())?
        .unwrap_or(0)
        .min(MOST_MIG_DEVICES);
    for index in 0..most {
        // Not every number has a device: they come and go one by one.
        let Some(part) = known(device.mig_device_by_index(index))? else {
            continue;
        };
        let (total, used) = match reading_if(part.memory_info(), is_memory)? {
            Reading::Value(memory) => (
                Reading::Value(Bytes::new(memory.total)),
                Reading::Value(Bytes::new(memory.used)),
            ),
            Reading::None { no_data } => (Reading::none(no_data), Reading::none(no_data)),
        };
        seen.mig_devices.push(MigDevice {
            index,
            gpu_instance: known(instance::gpu_instance(&part))?,
            compute_instance: known(instance::compute_instance(&part))?,
            uuid: word(known(part.uuid())?),
            name: word(known(part.name())?),
            memory_bytes: total,
            memory_used_bytes: used,
        });
    }
    Ok(())
}

/// The names of the reasons in force.
fn words_of(reasons: ThrottleReasons) -> Vec<String> {
    REASONS
        .iter()
        .filter(|(reason, _)| reasons.contains(*reason))
        .map(|(_, word)| (*word).to_owned())
        .collect()
}

/// Blank 64-bit numbers lie just below 2^63 or have their highest bit set; no counter gets half as far.
pub(super) fn is_count(value: u64) -> bool {
    value < 1 << 62
}

/// Whether these can be the numbers of one memory.
fn is_memory(memory: &MemoryInfo) -> bool {
    memory.total > 0 && memory.used <= memory.total && memory.free <= memory.total
}

/// A name that says something: firmware writes blanks and placeholders.
fn word(text: Option<String>) -> Option<String> {
    let text = text?.trim().to_owned();
    let is_empty = text.is_empty() || ["0", "N/A", "Unknown"].contains(&text.as_str());
    (!is_empty).then_some(text)
}
