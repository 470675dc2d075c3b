//! The tenancy of drives in a world that does not play along: orders and answers come late or never, drives are pulled and moved, nodes write
//! for as long as anybody lets them.

#![allow(clippy::unwrap_used)]

mod days;
mod steps;
mod world;
