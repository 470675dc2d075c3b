//! The agent's HTTP API: types and client.
