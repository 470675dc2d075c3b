//! The rack controller's HTTP API: types (`v1`) and the client.

pub mod v1;
