//! Watts: what supplies, feeds and budgets can give, and what is promised of it.

pub mod act;
pub mod plan;

use facts::Moment;
use rack_api::v1::{PowerAsk, Shortfall};

use super::{Offer, Pool};
use crate::bay::BayRules;
use crate::rack::event::Action;
use crate::rack::state::Rack;

/// The pool of watts.
pub struct PowerPool;

impl Pool for PowerPool {
    fn name(&self) -> &'static str {
        "power"
    }

    fn rules(&self, rack: &Rack, place: &str) -> Option<BayRules> {
        plan::rules(rack, place)
    }

    fn offer(&self, rack: &Rack, ask: &PowerAsk, domain: &str, now: Moment) -> Result<Offer, Box<Shortfall>> {
        plan::offer(rack, ask, domain, now)
    }

    fn want(&self, rack: &Rack, now: Moment) -> Vec<Action> {
        plan::want(rack, now)
    }
}
