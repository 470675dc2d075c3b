//! What a BMC says, as facts: its supplies by independent domain, its sensors, and its node.

mod drives;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod judge;
mod limit;
mod list;
mod node;
mod place;
mod sensors;
mod supplies;

pub use drives::{DriveFacts, Drives, drives};
pub use node::{LimitWay, NodeFacts, PowerLimit, node};
pub use sensors::{Sensors, sensors};
pub use supplies::supplies;
