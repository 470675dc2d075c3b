//! The keeper: brings the host to the intent, remembers what it did, and finds its way back after a crash.
//!
//! Level-triggered: whatever happened, the host is compared with the intent in the ledger, and the missing steps are done.
//! The intent is on disk before the first step, so a crash between two steps loses nothing.

mod cap;
mod check;
mod config;
mod drain;
mod end;
mod error;
mod footprint;
mod freeze;
mod hand;
mod held;
mod keeper;
mod preview;
mod recover;
mod regain;
mod start;
mod stop;
mod sweep;

pub use config::{Drift, KeeperConfig, OWN_CGROUP};
pub use error::KeeperError;
pub use footprint::{Footprint, Left, footprint, leave};
pub use held::Restraint;
pub use keeper::{Keeper, StepWatch};
pub use preview::Preview;
