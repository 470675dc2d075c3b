//! The rack controller's HTTP API: types (`v1`) and the client.

pub mod client;
mod error;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod stream;
mod token;
pub mod v1;

pub use client::RackClient;
pub use error::ClientError;
pub use stream::EventStream;
pub use token::Token;
