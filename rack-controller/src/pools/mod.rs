//! Pooled kinds: what a rack lends from one stock. One folder a kind, one line in the roster.

pub mod drives;
pub mod power;
mod roster;

use facts::Moment;
use rack_api::v1::{PowerAsk, Shortfall};

pub use roster::roster;

use crate::bay::BayRules;
use crate::claim::Claim;
use crate::rack::event::Action;
use crate::rack::state::Rack;

/// An offer holds nothing; it says what would be promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The domain that the watts would come from.
    pub domain: String,
    /// Firm watts that would be free afterwards.
    pub headroom_after: facts::Power,
    /// Claims whose watts it would take.
    pub takes: Vec<Claim>,
}

/// One pooled kind.
pub trait Pool: Sync {
    /// Its name: the name of its folder.
    fn name(&self) -> &'static str;

    /// The rules of a bay's life, by the bay's place; `None` where the bay is not of this kind.
    fn rules(&self, rack: &Rack, place: &str) -> Option<BayRules>;

    /// Whether an ask fits a domain, and what would make it fit.
    ///
    /// # Errors
    /// What is missing and what would help.
    fn offer(&self, rack: &Rack, ask: &PowerAsk, domain: &str, now: Moment) -> Result<Offer, Box<Shortfall>>;

    /// What should be in force now and is not.
    fn want(&self, rack: &Rack, now: Moment) -> Vec<Action>;
}
