//! Pooled drives: whose each one is, and what has to be true before it is anybody else's.
//!
//! Pure but for the hand ([`act`]): nothing here reads a clock or a device. A drive's life in its bay is that of all bays ([`crate::bay`]); what stands here is its
//! tenancy. What is irreversible is guarded first: access ends before anything else, and is read back; nothing is erased but what its
//! holder gave back or an operator named; and no drive is free without a proof that it was erased.

pub mod act;
mod denied;
mod doubt;
mod drive;
mod identity;
pub mod keys;
mod pick;
pub mod plan;
mod proof;
mod restart;
mod step;
mod tenancy;
#[cfg(test)]
mod tests;
mod wish;

pub use denied::Denied;
pub use drive::{Drive, Seat, Wear};
pub use identity::{DriveId, NoIdentity};
pub use pick::{DriveAsk, DriveShortfall, pick};
pub use proof::{EraseMethod, FEWEST_SAMPLES, Proof, ProofLacks};
pub use step::{MOST_TRIES, Obstacles};
pub use tenancy::{Ending, Grant, Holder, Stage, Tenancy};
pub use wish::{AccessSeen, Wish};
