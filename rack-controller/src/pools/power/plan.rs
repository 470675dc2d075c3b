//! The arithmetic of pooled power: sums, offers, the interlock, wanted caps and lights. Pure and exact.

mod book;
mod caps;
mod grants;
mod interlock;
mod lend;
mod offer;
mod orders;
mod preempt;
mod ration;
mod remedy;
mod standing;
mod stuck;
mod sums;
mod switch;
mod uncapped;

use std::collections::HashMap;

use facts::{Moment, Power};

pub use caps::{wanted_cap, wanted_light};
pub use interlock::interlock;
pub use lend::{Lenders, is_returned, lent, stale_after};
pub use offer::offer;
pub use orders::{Counted, broken, counted, orders};
pub use preempt::preempted;
pub use ration::{BITES_WITHIN, BLIND_GRACE, Rations, Sale, firm_of, rations, sale};
pub use standing::{below, filled, headroom_if, held, standing, tightest};
pub use stuck::standing_now;
pub use sums::{Sums, Supply, ride_limit, sums, surviving};
pub use switch::{Shed, has_come_up, is_spared, next_off, next_on, stranger, wanted_switches};
pub use uncapped::{firmly, is_off, least};

use crate::bay::BayRules;
use crate::rack::event::Action;
use crate::rack::state::Rack;

/// What is looked up by name for each claim of a decision, never gone through: one hash of a short name instead of seven comparisons.
/// Its seed is fixed, so that the core stays a function of what it is given.
type ByName<'a, T> = HashMap<&'a str, T, foldhash::fast::FixedState>;

/// The rules of a bay of supplies.
pub fn rules(rack: &Rack, place: &str) -> Option<BayRules> {
    let bay = rack.config.bay(place)?;
    let domain = rack.config.domain(&bay.domain)?;
    Some(BayRules::of_supplies(domain.settle, domain.probation))
}

/// What should be in force now and is not: caps, lights, fresh looks. Level-triggered: asked again until it is so.
pub fn want(rack: &Rack, now: Moment) -> Vec<Action> {
    let mut actions = caps::caps(rack, now);
    actions.extend(caps::lights(rack, now));
    actions.extend(caps::looks(rack, now));
    actions.extend(switch::wanted_switches(rack, now));
    actions.retain(|action| {
        rack.sight
            .attempts
            .get(action)
            .is_none_or(|attempt| attempt.retry_at <= now)
    });
    actions
}

/// Two powers in a sentence: kilowatts with one decimal where that tells them apart, watts where it does not.
pub fn pair_text(one: Power, other: Power) -> (String, String) {
    let short = (one.to_kilowatt_text(), other.to_kilowatt_text());
    if one != other && short.0 == short.1 {
        (one.to_string(), other.to_string())
    } else {
        short
    }
}
