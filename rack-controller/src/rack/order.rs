//! Standing orders: the caps that each node's agent shall hold, what may still be in force there, and what its agent says of them.
//! All watts are the whole node's.

use facts::{Moment, Power};
use serde::{Deserialize, Serialize};

/// The caps that one node's agent shall hold. It stands until another one replaces it, also over a restart of the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Grows with each order of this node; the agent refuses an older one.
    pub number: u64,
    /// When it was given.
    pub at: Moment,
    /// The cap that shall be in force.
    pub cap: Power,
    /// The caps that shall be armed for one, two … covered losses.
    pub levels: Vec<Power>,
    /// The highest cap that may be in force until the agent has answered this order: the old one counts until then.
    pub may: Power,
    /// The same for each level.
    pub may_levels: Vec<Power>,
}

impl Order {
    /// Whether another one raises nothing: neither its cap nor any of its levels is above this one's.
    pub fn is_above(&self, other: &Order) -> bool {
        let levels = other.levels.iter().enumerate();
        let mut levels = levels.map(|(index, level)| *level <= self.level(index.saturating_add(1)));
        other.cap <= self.cap && levels.all(|is_not_above| is_not_above)
    }

    /// This order, and nowhere more than another one says.
    #[must_use]
    pub fn at_most(&self, other: &Order) -> Order {
        let levels = self.levels.iter().enumerate();
        let levels = levels.map(|(index, level)| (*level).min(other.level(index.saturating_add(1))));
        Order {
            cap: self.cap.min(other.cap),
            levels: levels.collect(),
            ..self.clone()
        }
    }

    /// The armed cap of a level, from 1; of a level beyond the last one, the last one's.
    pub fn level(&self, level: usize) -> Power {
        at_level(&self.levels, level, self.cap)
    }
}

/// The cap of a level, from 1, in a list that may be shorter.
pub fn at_level(levels: &[Power], level: usize, otherwise: Power) -> Power {
    let index = level.saturating_sub(1).min(levels.len().saturating_sub(1));
    levels.get(index).copied().unwrap_or(otherwise)
}

/// A node's order, in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOrder {
    /// The node.
    pub node: String,
    /// Its order.
    pub order: Order,
}

/// What a node's agent said last of its caps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseSight {
    /// The number of the order that it answered last; 0 for none.
    pub answered: u64,
    /// What it read back after it wrote; `None` where the hardware took or tells nothing.
    pub in_force: Option<Power>,
    /// Whether that is what the order wants.
    pub applied: bool,
    /// Whether it fell to level 1 because nobody renewed.
    pub expired: bool,
    /// Since when it does not answer; `None` where it does.
    pub silent_since: Option<Moment>,
    /// How far its rack's journal had come when it was leased to last, where that is further than ours has.
    pub ahead: Option<u64>,
    /// Whether the agent that answers is another node's; the reason says which. What is told beside it is from before.
    pub stranger: bool,
    /// Why the cap is not in force.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_most_another_order_raises_nothing_of_it() {
        let order = |cap: u64, levels: &[u64]| Order {
            number: 1,
            at: Moment::EPOCH,
            cap: Power::from_milliwatts(cap),
            levels: levels.iter().copied().map(Power::from_milliwatts).collect(),
            may: Power::ZERO,
            may_levels: Vec::new(),
        };
        // A raise from 200 to 260 waits for the journal when 240 is ordered: what was sent must not rise to that.
        let sent = order(200, &[150]);
        let both = order(240, &[160, 120]).at_most(&sent);
        assert_eq!(both, order(200, &[150, 120]));
        assert!(sent.is_above(&both));
        assert_eq!(order(190, &[160]).at_most(&sent), order(190, &[150]));
    }
}
