//! IPMI, our own: RMCP+ sessions with cipher suites 3 and 17, the kernel's device in-band, what a BMC says, what is asked of it.

pub mod act;
mod bytes;
mod cipher;
mod client;
pub mod command;
mod counts;
mod dump;
mod endpoint;
mod error;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod in_band;
mod line;
mod message;
pub mod observe;
mod peer;
mod rakp;
mod recorded;
mod session;
mod suite;
pub mod switch;
mod wire;

pub use bytes::DecodeError;
pub use client::{Ipmi, Reply};
pub use counts::Packets;
pub use endpoint::{Endpoint, Kg, Limits, Privilege};
pub use error::IpmiError;
pub use in_band::InBand;
pub use recorded::{Answers, NotARecording, Question, Recording};
pub use suite::{Suite, SuiteError};
