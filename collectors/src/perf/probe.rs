//! Whether there is a hardware PMU at all: one counter on our own process, which needs no privilege.

use perf_event::Builder;
use perf_event::events::Hardware;

use super::refusal::Refusal;

/// Opens one counter of instructions on this thread, in user mode, and closes it again. Where this works and counting every
/// CPU does not, the PMU is there and the permission is missing.
///
/// # Errors
/// With what the kernel said: ENOENT and EOPNOTSUPP where there is no PMU.
pub fn hardware() -> Result<(), Refusal> {
    let opened = Builder::new().kind(Hardware::INSTRUCTIONS).build();
    opened.map(drop).map_err(|error| Refusal::from(&error))
}
