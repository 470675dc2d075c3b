//! Whole-house tests: real daemons against the simulated rack, raised on ports of their own.
//!
//! Everything here meets the daemons as a stranger would: by their binaries, their files and their sockets.

pub mod http;
pub mod raise;
pub mod wait;
