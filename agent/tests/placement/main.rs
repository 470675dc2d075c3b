//! Placement: what must hold on every machine, made up or recorded; how far from the best it is; batches and moves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod made;
mod moves;
mod oracle;
mod promises;
mod recorded;
