//! Redfish over HTTPS, or a recorded tree of it: one client for both, so that what is tested on recordings is what runs.

pub mod act;
pub mod bmc;
mod body;
mod cache;
pub mod endpoint;
pub mod error;
pub mod events;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod http;
pub mod observe;
pub mod quirk;
pub mod schema;
mod session;
mod sse;
mod tree;
pub mod trust;
mod walk;

pub use tree::place_in_tree;
