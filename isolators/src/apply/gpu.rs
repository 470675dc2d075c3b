//! The limit of a GPU is set through its driver's library, and read back there.

use super::StepError;
use crate::host::Host;
use crate::step::Step;
use crate::{gpu_power, nvml};

pub(super) fn limit(host: &Host, step: &Step, uuid: &str, milliwatts: u32) -> Result<(), StepError> {
    let said = nvml::set(host, uuid, milliwatts).map_err(StepError::Driver)?;
    if gpu_power::agree(u64::from(milliwatts), u64::from(said)) {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file: step.path(),
        wrote: milliwatts.to_string(),
        said: said.to_string(),
    })
}
