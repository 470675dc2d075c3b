//! The rack's heart: its state, the events that change it, and the one function that applies them.

pub mod action;
mod change;
pub mod draws;
pub mod drives;
pub mod event;
pub mod evolve;
pub mod identity;
pub mod order;
pub mod person;
mod sentence;
pub mod sight;
pub mod state;
pub mod switch;

pub use action::SwitchTo;
pub use event::{Action, Cause, Effect, Event, Outcome, What};
pub use evolve::evolve;
pub use order::{LeaseSight, NodeOrder, Order};
pub(crate) use sentence::part as part_words;
pub use sight::{AgentFacts, BmcFacts, NodeSide, Sight};
pub use state::{Kept, Proof, Rack};
