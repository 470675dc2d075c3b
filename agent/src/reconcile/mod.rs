//! The keeper: brings the host to the intent, remembers what it did, and finds its way back after a crash.
//!
//! Level-triggered: whatever happened, the host is compared with the intent in the ledger, and the missing steps are done.
//! The intent is on disk before the first step, so a crash between two steps loses nothing.

mod adopt;
mod asked;
mod cap;
mod check;
mod config;
mod container;
mod containers;
mod counting;
mod devices;
mod drain;
mod end;
mod entered;
mod entry;
mod error;
mod footprint;
mod found;
mod freeze;
mod hand;
mod held;
mod keeper;
mod leased;
mod lessee;
mod limited;
mod migrate;
mod preview;
mod recover;
mod regain;
mod share;
mod shed;
mod squeeze;
mod start;
mod stop;
mod sweep;
mod through;
mod vm;

pub use asked::Meant;
pub use config::{DEFAULT_CDI_DIR, Drift, KeeperConfig, OWN_CGROUP};
pub use container::{Container, Given};
pub use error::KeeperError;
pub use footprint::{Footprint, Left, footprint, leave, leave_leased};
pub use held::Restraint;
pub use keeper::{Keeper, StepWatch};
pub use lessee::Leased;
pub use preview::Preview;
