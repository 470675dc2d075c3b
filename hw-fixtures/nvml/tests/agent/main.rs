//! The real agent against this library, loaded as it loads NVIDIA's own: no driver, GPUs, faults, hangs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod caps;
mod facts;
mod served;
mod stand;
