//! The agent's HTTP API: types (`v1`), the client, and the credential that guards it.

pub mod v1;
