//! IPMI over LAN (RMCP+), our own: sessions with cipher suites 3 and 17, what the BMC says, and the few things asked of it.

pub mod act;
mod bytes;
mod client;
pub mod command;
mod counts;
mod endpoint;
mod error;
mod message;
pub mod observe;
mod peer;
mod rakp;
mod session;
mod suite;
mod wire;

pub use bytes::DecodeError;
pub use client::{Ipmi, Reply};
pub use counts::Packets;
pub use endpoint::{Endpoint, Kg, Limits, Privilege};
pub use error::IpmiError;
pub use suite::{Suite, SuiteError};
