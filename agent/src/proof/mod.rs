//! The proof that an exclusive CPU is exclusive: every controller read back, and who really ran there, by name.
//!
//! Reading and judging are apart: `look` and `watch` read the host, everything else is pure. The keeper is asked twice, before
//! and after; no proof holds it up, and none is made while somebody scrapes.

mod cast;
mod control;
pub mod interrupts;
mod judge;
mod look;
pub mod places;
mod prover;
pub mod task;
mod watch;

pub use cast::Cast;
pub use control::{PartitionState, partition_state};
pub use prover::{ProofError, Prover};
pub use watch::{Seen, Subject, watch};

pub use judge::{Checked, judge};

/// Every parser of the proof on one text: none may panic.
#[cfg(any(test, feature = "fuzz"))]
pub fn fuzz(text: &str) {
    let cpus = facts::CpuSet::new();
    let table = interrupts::table(text, &cpus);
    let _ = interrupts::between(&table, &table);
    let _ = (task::stat(text), task::schedstat(text), task::allowed(text));
    let _ = (task::cpuset_cgroup(text), task::is_in(text, "/busbar/web"));
    let _ = partition_state(text).trouble();
    let mut places = places::unified(text);
    places::add_maps(&mut places, text);
    let _ = places::legacy(text, 4_096);
}

#[cfg(test)]
mod tests;
