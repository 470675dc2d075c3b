//! The agent's HTTP API: types (`v1`), the client, and the credential that guards it.

pub mod client;
pub mod credential;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod v1;

pub use client::{AgentClient, ClientError, EventStream};
pub use credential::{CredentialError, Token};
