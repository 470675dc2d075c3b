//! One simulated rack: supplies, feeds, nodes and meters under one clock that is given from outside.
//!
//! The world knows nothing of the programs that watch it. It learns a power limit only from
//! [`World::set_limit`], which a BMC face calls for a PATCH that was really written to it, and from
//! [`World::set_cap`], which says what the files of a node's packages really hold. The same plan,
//! the same verbs at the same moments: the same run.

mod answer;
mod draw;
mod event;
mod jbof;
mod meter;
mod node;
mod snapshot;
mod supply;
mod verb;

pub use answer::Answer;
pub use draw::Ride;
pub use event::{Event, Happening};
pub use jbof::{DriveBay, DriveManner, DrivePart, Erase, EraseState, Jbof};
pub use meter::Meter;
pub use node::Node;
pub use snapshot::{Snapshot, SnapshotError};
pub use supply::{Part, Phase, Supply};
pub use verb::{Refusal, Verb};

use std::collections::BTreeMap;

use crate::plan::Plan;

/// The world moves in steps of this many milliseconds: fine enough for a hold-up of 20 ms.
pub const STEP_MS: u64 = 5;

/// Events that nobody has fetched yet are kept up to this many; older ones go first.
const MAX_WAITING_EVENTS: usize = 4_096;

/// The world at one moment.
#[derive(Debug, Clone)]
pub struct World {
    plan: Plan,
    now_ms: u64,
    feeds: Vec<(String, bool)>,
    supplies: Vec<Supply>,
    nodes: Vec<Node>,
    jbofs: Vec<Jbof>,
    /// How each BMC answers; those that answer properly are not listed.
    answers: BTreeMap<String, Answer>,
    shelf_locate: bool,
    dark: bool,
    waiting: Vec<Event>,
    ride: Ride,
}

impl World {
    /// A world as its plan describes it, at moment zero, everything running.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let feeds = plan
            .feeds
            .iter()
            .map(|feed| (feed.name.get_ref().clone(), true))
            .collect();
        let supplies = plan
            .shelf
            .supplies
            .iter()
            .map(|bay| Supply::new(bay, &plan.shelf))
            .collect();
        let nodes = plan.nodes.iter().map(|node| Node::new(node, plan.seed)).collect();
        let jbofs = plan.jbofs.iter().map(Jbof::new).collect();
        let mut world = Self {
            plan,
            now_ms: 0,
            feeds,
            supplies,
            nodes,
            jbofs,
            answers: BTreeMap::new(),
            shelf_locate: false,
            dark: false,
            waiting: Vec::new(),
            ride: Ride::default(),
        };
        world.settle();
        world
    }

    /// Moves the world forward to `now_ms`; a moment in the past changes nothing.
    pub fn advance_to(&mut self, now_ms: u64) {
        while now_ms.saturating_sub(self.now_ms) >= STEP_MS {
            self.now_ms = self.now_ms.saturating_add(STEP_MS);
            self.step();
        }
    }

    /// Moves the world forward by `ms` milliseconds, rounded down to whole steps.
    pub fn advance_by(&mut self, ms: u64) {
        self.advance_to(self.now_ms.saturating_add(ms));
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// What the world was built from.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The bays and what is in them, in the order of their positions.
    #[must_use]
    pub fn supplies(&self) -> &[Supply] {
        &self.supplies
    }

    /// The bay of that name.
    #[must_use]
    pub fn supply(&self, bay: &str) -> Option<&Supply> {
        self.supplies.iter().find(|supply| supply.bay() == bay)
    }

    /// The nodes, in the order of the plan.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    /// The enclosures of drives, in the order of the plan.
    #[must_use]
    pub fn jbofs(&self) -> &[Jbof] {
        &self.jbofs
    }

    /// The enclosure of that name.
    #[must_use]
    pub fn jbof(&self, name: &str) -> Option<&Jbof> {
        self.jbofs.iter().find(|jbof| jbof.name() == name)
    }

    /// The feeds and whether each has power.
    pub fn feeds(&self) -> impl Iterator<Item = (&str, bool)> {
        self.feeds.iter().map(|(name, live)| (name.as_str(), *live))
    }

    /// Whether the feed of that name has power; `false` for one that does not exist.
    #[must_use]
    pub fn feed_live(&self, name: &str) -> bool {
        self.feeds.iter().any(|(feed, live)| feed == name && *live)
    }

    /// Whether the rack has gone dark: nothing feeds its busbar.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.dark
    }

    /// Whether the shelf's locate light is on.
    #[must_use]
    pub fn shelf_locate(&self) -> bool {
        self.shelf_locate
    }

    /// How the BMC of that name answers.
    #[must_use]
    pub fn answer(&self, bmc: &str) -> Answer {
        self.answers.get(bmc).copied().unwrap_or(Answer::Ok)
    }

    /// The UUID of the service of a BMC: stable, and another than that of the node it sits in.
    #[must_use]
    pub fn service_uuid(&self, bmc: &str) -> String {
        meter::uuid(self.plan.seed, bmc, b"service")
    }

    /// Takes what happened since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.waiting)
    }

    /// Sets the power limit of a node in milliwatts, `None` for no limit. Only a node's BMC face calls this,
    /// for a PATCH that was written to it. Answers whether there is such a node.
    pub fn set_limit(&mut self, node: &str, limit: Option<u64>) -> bool {
        let now = self.now_ms;
        let Some(found) = self.nodes.iter_mut().find(|known| known.name() == node) else {
            return false;
        };
        found.set_limit(limit, now);
        self.say(Happening::LimitSet {
            node: node.to_owned(),
            limit_milliwatts: limit,
        });
        true
    }

    /// What a node's BMC does where more than its limit is drawn for so many milliseconds: it switches the node off, or nothing where it
    /// is `None`. Only a node's BMC face calls this. Answers whether there is such a node.
    pub fn set_exception(&mut self, node: &str, off_after_ms: Option<u64>) -> bool {
        let found = self.nodes.iter_mut().find(|known| known.name() == node);
        found.map(|found| found.off_after_ms = off_after_ms).is_some()
    }

    /// What the files of a node's packages say, with its rest, in milliwatts: whoever serves the world reads them. Answers whether there
    /// is such a node.
    pub fn set_cap(&mut self, node: &str, cap: Option<u64>) -> bool {
        let now = self.now_ms;
        let Some(found) = self.nodes.iter_mut().find(|known| known.name() == node) else {
            return false;
        };
        found.set_cap(cap, now);
        true
    }

    /// How often and for how long more was drawn than was available.
    #[must_use]
    pub fn ride(&self) -> Ride {
        self.ride
    }

    /// Switches the locate light of a bay; answers whether there is such a bay.
    pub fn set_bay_locate(&mut self, bay: &str, on: bool) -> bool {
        let Some(found) = self.supplies.iter_mut().find(|known| known.bay() == bay) else {
            return false;
        };
        found.locate = on;
        self.say(Happening::BayLight {
            bay: bay.to_owned(),
            on,
        });
        true
    }

    /// Switches the locate light of the shelf.
    pub fn set_shelf_locate(&mut self, on: bool) {
        self.shelf_locate = on;
        self.say(Happening::ShelfLight { on });
    }

    /// Switches the locate light of a node; answers whether there is such a node.
    pub fn set_node_locate(&mut self, node: &str, on: bool) -> bool {
        let Some(found) = self.nodes.iter_mut().find(|known| known.name() == node) else {
            return false;
        };
        found.locate = on;
        self.say(Happening::NodeLight {
            node: node.to_owned(),
            on,
        });
        true
    }

    fn say(&mut self, happening: Happening) {
        if self.waiting.len() >= MAX_WAITING_EVENTS {
            self.waiting.remove(0);
        }
        self.waiting.push(Event {
            at_ms: self.now_ms,
            happening,
        });
    }
}

#[cfg(test)]
mod tests;
