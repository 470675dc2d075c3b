//! All isolators on trees of plain files: what each plans, that it converges, and that everything is as it was afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod around;
mod caches;
mod cdi;
mod controllers;
mod delegated;
mod devices;
mod drives;
mod erase;
mod locate;
mod monitors;
mod power;
mod queues;
mod random;
mod tree;
