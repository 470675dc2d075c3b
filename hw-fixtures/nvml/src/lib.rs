//! NVIDIA's management library (NVML) at its binary interface: `libnvidia-ml.so.1` without a GPU, told by a file what to say.
//!
//! Whoever loads it meets C symbols and structures, as with NVIDIA's own. The file is named by `BUSBAR_FAKE_NVML` and read
//! anew at each call, so that a GPU falls off the bus, or a call hangs, when the file says so. What the file may hold: `state.rs`.
//! Structures and numbers come from bindings that were generated from NVIDIA's nvml.h; what is not exported here is a symbol
//! that this library is too old for.
// Symbols that C finds and pointers that C hands in cannot be had without it; all of it stands in abi.rs.
#![allow(unsafe_code)]
// Names of constants are those of nvml.h.
#![allow(non_upper_case_globals)]

mod abi;
mod counters;
mod device;
mod events;
mod gauges;
mod limit;
mod mig;
mod nvlink;
mod state;
mod system;
