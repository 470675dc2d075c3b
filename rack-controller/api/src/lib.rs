//! The rack controller's HTTP API: types (`v1`) and the client.

pub mod client;
mod stream;
pub mod v1;

pub use client::{ClientError, RackClient, Token};
pub use stream::EventStream;
