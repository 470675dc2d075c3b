//! The daemon as a whole: the real binary against the simulated rack's real BMCs, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod aisle;
mod api;
mod closed;
mod commission;
mod eyes;
mod faults;
mod house;
mod ipmi;
mod jbof;
mod judge;
mod limits;
mod observe;
mod parts;
mod pauses;
mod people;
mod pictures;
mod power;
mod swap;
mod switch;
mod terminal;
