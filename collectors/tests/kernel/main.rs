//! What the kernel counts, on written trees, on recorded machines, and beside node_exporter itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::float_cmp
)]

mod beside;
mod junk;
#[path = "../recorded/machines.rs"]
#[allow(dead_code)]
mod machines;
mod page;
mod recorded;
mod rooms;
#[path = "../sources/tree.rs"]
#[allow(dead_code)]
mod tree;
