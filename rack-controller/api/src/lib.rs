//! The rack controller's HTTP API: types and client.
