//! Raising the house: a world, a rack, an agent and a Prometheus, each a real process that is ended by its own id.

mod agent;
mod alertmanager;
mod binaries;
mod capped;
mod daemon;
mod fleet;
mod house;
mod prometheus;
mod rack;
mod scratch;
mod site;
mod turn;
mod world;

pub use agent::{Agent, AgentPlan};
pub use alertmanager::{Alertmanager, find as find_alertmanager};
pub use binaries::Binaries;
pub use capped::{CappedNode, Shape, classes, may_unshare};
pub use daemon::{Daemon, Group, tail};
pub use fleet::{Fleet, FleetPlan, bay};
pub use house::{House, Said};
pub use prometheus::{Prometheus, find as find_prometheus, promtool};
pub use rack::{Rack, RackPlan, demonstration};
pub use scratch::Scratch;
pub use site::Site;
pub use turn::Turn;
pub use world::{Addresses, Bmc, World};
