//! Field values of a part of a GPU, by the number of the field and of the part: the wrapper's own call leaves the part at 0.
#![allow(unsafe_code)] // One call of NVML that nvml-wrapper 0.13 offers without its scope.

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::struct_wrappers::device::FieldValueSample;
use nvml_wrapper_sys::bindings::nvmlFieldValue_t;

/// A field of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scoped {
    /// `NVML_FI_…`; below 251, where drivers of all ages agree on the numbers.
    pub(super) field: u32,
    /// The part: of NVLink fields, the link.
    pub(super) scope: u32,
}

/// The most fields of one call: five of each of eighteen links, and room.
const MOST_FIELDS: usize = 128;

/// The value of each field, in order; what is no whole number is `UnexpectedVariant`.
///
/// # Errors
/// When the call as a whole fails.
pub(super) fn values(
    device: &Device<'_>,
    wanted: &[Scoped],
) -> Result<Vec<Result<u64, NvmlError>>, NvmlError> {
    let symbol = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    let mut fields: Vec<nvmlFieldValue_t> = wanted
        .iter()
        .take(MOST_FIELDS)
        .map(|one| {
            // SAFETY: a structure of numbers and a union of numbers, for which all zeros are valid; NVML fills it.
            let mut field: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
            field.fieldId = one.field;
            field.scopeId = one.scope;
            field
        })
        .collect();
    let count = i32::try_from(fields.len()).unwrap_or(0);
    // SAFETY: the symbol is of the library that gave the handle, and both live as long as `device`; `count` structures stand at
    // the pointer, are ours, and outlive the call, which fills them in place.
    unsafe { nvml_try(symbol(device.handle(), count, fields.as_mut_ptr()))? };
    Ok(fields.into_iter().map(value).collect())
}

fn value(field: nvmlFieldValue_t) -> Result<u64, NvmlError> {
    match FieldValueSample::try_from(field)?.value? {
        SampleValue::U32(value) => Ok(u64::from(value)),
        SampleValue::U64(value) => Ok(value),
        SampleValue::I64(value) => u64::try_from(value).map_err(|_| NvmlError::UnexpectedVariant(0)),
        SampleValue::F64(_) => Err(NvmlError::UnexpectedVariant(0)),
    }
}
