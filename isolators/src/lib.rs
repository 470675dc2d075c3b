//! Intents into steps, steps into a host: one hand that writes.
//!
//! *Steps* are data and planning is pure reading; [`mod@apply`] alone writes, and alone asks the modes whether it may.

pub mod affinity;
pub mod apply;
pub mod block;
mod bpf;
pub mod cdi;
pub mod cgroup;
mod daemon;
mod drive_holder;
pub mod erase;
pub mod fabric;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod gpu_power;
pub mod host;
pub mod irq;
pub mod isolator;
pub mod locate;
pub mod mask;
pub mod nvml;
pub mod pidfd;
pub mod powercap;
mod recall;
pub mod record;
pub mod resctrl;
pub mod roster;
pub mod rule;
pub mod step;
pub mod task;
pub mod workqueue;

pub use apply::{Applied, ApplyError, Outcome, PartitionRefused, apply};
pub use host::Host;
pub use isolator::{IsolateError, Isolator, Phase};
pub use roster::{plan, plan_groups, roster};
pub use step::{Reads, Step};
