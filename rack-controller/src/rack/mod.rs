//! The rack's heart: its state, the events that change it, and the one function that applies them.

pub mod event;
pub mod evolve;
pub mod order;
mod sentence;
pub mod sight;
pub mod state;

pub use event::{Action, Cause, Effect, Event, Outcome, What};
pub use evolve::evolve;
pub use order::{LeaseSight, NodeOrder, Order};
pub use sight::{AgentFacts, BmcFacts, NodeSide, Sight};
pub use state::{Kept, Proof, Rack};
