//! busbar-agent: one node. It reads the node's hardware, shows it, and places workloads where it may.

pub mod adopt;
mod ballast;
pub mod clock;
pub mod collect;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod drift;
pub mod drives;
pub mod estimate;
pub mod events;
pub mod facts;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod http;
pub mod interfere;
pub mod keeping;
pub mod lease;
pub mod ledger;
pub mod metrics;
pub mod nri;
pub mod owners;
pub mod place;
pub mod proof;
pub mod reconcile;
pub mod record;
pub mod view;
pub mod vm;
pub mod waits;
