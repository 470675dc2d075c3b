//! The journal on a disk that is full, read-only or hangs, and a journal that was cut, changed or put back to an older one: with the real controller,
//! and with real agents where caps are asked for. What was acknowledged is there, or it is said what is missing; caps fall all the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behind;
mod budget;
mod damage;
mod disk;
mod full;
mod hung;
mod read_only;
mod stand;
