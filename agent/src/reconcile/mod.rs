//! The keeper: brings the host to the intent, remembers what it did, and finds its way back after a crash.

mod config;
mod error;
mod footprint;
mod keeper;

pub use config::KeeperConfig;
pub use error::KeeperError;
pub use footprint::{Footprint, Left, footprint, leave};
pub use keeper::Keeper;
