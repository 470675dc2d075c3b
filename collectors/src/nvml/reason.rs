//! What an error of NVML means in our words.

use facts::{NoData, Reading};
use nvml_wrapper::error::NvmlError as E;

/// Whether the GPU is gone: no other call on it can succeed.
pub(super) fn is_lost(error: &E) -> bool {
    matches!(error, E::GpuLost)
}

/// The reason in one word. `Garbled` for all that says no more than that something failed.
pub(super) fn reason_of(error: &E) -> NoData {
    if matches!(
        error,
        E::GpuLost | E::NotFound | E::LibraryNotFound | E::LibloadingError(_)
    ) {
        NoData::Absent
    } else if matches!(
        error,
        E::DriverNotLoaded | E::Uninitialized | E::InsufficientPower
    ) {
        NoData::Off
    } else if matches!(
        error,
        E::NotSupported | E::FunctionNotFound | E::FailedToLoadSymbol(_) | E::LibRmVersionMismatch
    ) {
        NoData::Unsupported
    } else if matches!(error, E::NoPermission | E::OperatingSystem | E::InUse) {
        NoData::Refused
    } else if matches!(error, E::Timeout) {
        NoData::Timeout
    } else {
        NoData::Garbled
    }
}

/// The answer of one call as a reading.
///
/// # Errors
/// When the GPU is gone: then it is not worth asking on.
pub(super) fn reading<T>(answer: Result<T, E>) -> Result<Reading<T>, E> {
    match answer {
        Ok(value) => Ok(Reading::Value(value)),
        Err(error) if is_lost(&error) => Err(error),
        Err(error) => Ok(Reading::none(reason_of(&error))),
    }
}

/// The same where a value can be told to be none: what does not hold is garbled, never shown.
///
/// # Errors
/// When the GPU is gone.
pub(super) fn reading_if<T>(answer: Result<T, E>, holds: impl FnOnce(&T) -> bool) -> Result<Reading<T>, E> {
    Ok(match reading(answer)? {
        Reading::Value(value) if !holds(&value) => Reading::none(NoData::Garbled),
        seen @ (Reading::Value(_) | Reading::None { .. }) => seen,
    })
}

/// The answer of one call where its reason is not worth keeping.
///
/// # Errors
/// When the GPU is gone.
pub(super) fn known<T>(answer: Result<T, E>) -> Result<Option<T>, E> {
    Ok(reading(answer)?.value())
}
