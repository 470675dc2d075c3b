//! What NVML tells by the number of a field: the memory's temperature, and rows of it that were replaced.

use facts::gpu::GpuReadings;
use facts::{NoData, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_REMAPPED_COR, NVML_FI_DEV_REMAPPED_FAILURE,
    NVML_FI_DEV_REMAPPED_PENDING, NVML_FI_DEV_REMAPPED_UNC,
};

use super::device::MOST_CELSIUS;
use super::reason::reading;

/// In the order in which they are taken apart.
const FIELDS: [FieldId; 5] = [
    FieldId(NVML_FI_DEV_MEMORY_TEMP),
    FieldId(NVML_FI_DEV_REMAPPED_COR),
    FieldId(NVML_FI_DEV_REMAPPED_UNC),
    FieldId(NVML_FI_DEV_REMAPPED_PENDING),
    FieldId(NVML_FI_DEV_REMAPPED_FAILURE),
];

/// No GPU has more rows to replace; above are NVML's blanks.
const MOST_ROWS: u64 = 1 << 31;

/// Reads the fields in one call.
///
/// # Errors
/// When the GPU is gone.
pub(super) fn read(device: &Device<'_>, seen: &mut GpuReadings) -> Result<(), NvmlError> {
    let values = match reading(device.field_values_for(&FIELDS))? {
        Reading::Value(samples) => samples
            .into_iter()
            .map(|sample| reading(sample.and_then(|sample| sample.value)))
            .collect::<Result<Vec<_>, _>>()?,
        Reading::None { no_data } => FIELDS.iter().map(|_| Reading::none(no_data)).collect(),
    };
    let [temperature, corrected, uncorrected, pending, failed] = values.as_slice() else {
        return Ok(());
    };
    let celsius = number(temperature, u64::from(MOST_CELSIUS));
    seen.memory_temperature_celsius = match celsius {
        // A memory without a sensor is told as 0 degrees.
        Reading::Value(0) => Reading::none(NoData::Unsupported),
        Reading::Value(celsius) => u32::try_from(celsius).map_err(|_| NoData::Garbled).into(),
        Reading::None { no_data } => Reading::none(no_data),
    };
    seen.remapped_corrected = number(corrected, MOST_ROWS);
    seen.remapped_uncorrected = number(uncorrected, MOST_ROWS);
    seen.remap_pending = number(pending, 1).map(|value| value == 1);
    seen.remap_failed = number(failed, 1).map(|value| value == 1);
    Ok(())
}

/// A whole number up to the most that can be true.
fn number(value: &Reading<SampleValue>, most: u64) -> Reading<u64> {
    let found = match value {
        Reading::Value(SampleValue::U32(value)) => Some(u64::from(*value)),
        Reading::Value(SampleValue::U64(value)) => Some(*value),
        Reading::Value(SampleValue::I64(value)) => u64::try_from(*value).ok(),
        Reading::Value(SampleValue::F64(_)) => None,
        Reading::None { no_data } => return Reading::none(*no_data),
    };
    found.filter(|value| *value <= most).ok_or(NoData::Garbled).into()
}
