//! The daemon as a whole: the real binary against the simulated rack's real BMCs, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod aisle;
mod closed;
mod faults;
mod house;
mod ipmi;
mod limits;
mod observe;
mod people;
mod pictures;
mod power;
mod swap;
mod switch;
