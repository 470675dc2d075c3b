//! Raising the house: a world, a rack, an agent and a Prometheus, each a real process that is ended by its own id.

mod agent;
mod binaries;
mod daemon;
mod house;
mod prometheus;
mod rack;
mod scratch;
mod turn;
mod world;

pub use agent::{Agent, AgentPlan};
pub use binaries::Binaries;
pub use daemon::{Daemon, Group, tail};
pub use house::{House, Said};
pub use prometheus::{Prometheus, find as find_prometheus, promtool};
pub use rack::{Rack, RackPlan, demonstration};
pub use scratch::Scratch;
pub use turn::Turn;
pub use world::{Addresses, Bmc, World};
