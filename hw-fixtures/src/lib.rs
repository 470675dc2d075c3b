//! The outside world that the daemons are tested against: one simulated rack behind real interfaces.
//!
//! `world` is the physics and knows no program; `face` shows it through sockets. No crate of the house is
//! imported here: the two sides meet over HTTPS only, as they would in a machine room.

pub mod call;
pub mod cli;
pub mod clock;
pub mod deeds;
pub mod face;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod live;
pub mod picture;
pub mod plan;
pub mod powercap;
pub mod quantity;
pub mod scenario;
pub mod serve;
pub mod state_dir;
pub mod tls;
pub mod world;
