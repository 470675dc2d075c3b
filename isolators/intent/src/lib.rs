//! What shall be: isolations and caps under one generation, and who may bring them about.

pub mod intent;
pub mod isolation;
pub mod mode;

pub use intent::{Generation, Intent};
pub use isolation::{Isolation, WorkloadId};
pub use mode::{Actuator, Actuators, Mode};
