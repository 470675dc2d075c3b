//! Pooled drives in the controller's core, with the world around it: what an agent does, who can write, what is on a drive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod bench;
mod beside;
mod claims;
mod days;
mod life;
mod restart;
mod speed;
mod story;
mod trouble;
mod world;
