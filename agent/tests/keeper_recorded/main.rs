//! The keeper on trees of plain files: whole lives, crashes between any two steps, other owners, and observe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod acts;
mod adopt;
mod asked;
mod births;
mod containers;
mod counting;
mod crash;
mod delegated;
mod drift;
mod drives;
mod fixture;
mod grants;
mod held;
mod interference;
mod leased;
mod leased_kept;
mod life;
mod migrate;
mod modes;
mod nri;
mod power;
mod power_ends;
mod power_kept;
mod preview;
mod remembers;
mod restraints;
mod vm;
