//! What is told of drives held against the configuration, what follows for lending, and what should be ordered now. Pure.

mod orders;
mod told;

pub use orders::{deadlines, is_light_wanted, is_of, key_of, order, want};
pub use told::{Place, Told, access, doubled, gone_unfit, host_of, predicts_failure, told, told_in};
