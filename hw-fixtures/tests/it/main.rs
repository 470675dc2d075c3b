//! The world as its neighbours meet it: real processes, real sockets, real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]
#![allow(clippy::wildcard_enum_match_arm)]

mod commands;
mod events;
mod faults;
mod ipmi;
mod jbof;
mod raised;
mod redfish;
mod restart;
mod trees;
