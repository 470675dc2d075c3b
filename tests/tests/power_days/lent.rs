//! What node BMCs tell of draws, and what the controller lends by that.

use std::collections::{BTreeMap, VecDeque};

use facts::{Power, Reading};
use hw_fixtures::world::STEP_MS;
use rack_controller::decide::Input;
use rack_controller::rack::event::LendingTurn;
use rack_controller::rack::{BmcFacts, Event, What};

use crate::day::{Counted, Day};

/// How long a draw is watched before anything of it is lent.
pub const LEND_WINDOW_MS: u64 = 10_000;
/// How often each node's BMC is read.
const READ_MS: u64 = 5_000;

/// What was told of each node within the last window.
#[derive(Default)]
pub struct Meters {
    told: BTreeMap<String, VecDeque<(u64, u64)>>,
    /// They are not off any more: nothing is lent and taken back for their error alone.
    pub exact: bool,
}

impl Meters {
    fn tell(&mut self, node: &str, now: u64, drawn: u64) {
        let told = self.told.entry(node.to_owned()).or_default();
        told.push_back((now, drawn));
        told.retain(|(at, _)| at + LEND_WINDOW_MS >= now);
    }

    /// A lender keeps what it drew within the window and a tenth above it.
    pub fn lending_is_right(&self, event: &Event, now: u64, counted: &mut Counted) {
        let What::Lending(change) = &event.what else {
            return;
        };
        match &change.turn {
            LendingTurn::Lent { keeps, .. } => {
                counted.count("lent");
                let told = self.told.get(&change.node);
                let told = told.expect("nothing is lent of a node that nobody measures");
                let within = told.iter().filter(|(at, _)| at + LEND_WINDOW_MS >= now);
                let peak = within.map(|(_, drawn)| *drawn).max();
                let peak = peak.expect("nothing is lent of a node that nobody measures");
                assert!(
                    keeps.milliwatts() >= peak + peak / 10,
                    "lending: {} keeps {keeps}, and drew {peak} mW within the window, at {now}",
                    change.node
                );
            }
            LendingTurn::Recalled { .. } => counted.count("recalled"),
            LendingTurn::Returned { .. } => counted.count("returned"),
        }
    }
}

impl Day {
    /// Node BMCs are read, one after the other. Their meters are off by up to 5 %; one that is not read now and then is not told.
    pub fn read_meters(&mut self) {
        let nodes = self.nodes.len() as u64;
        let step = (READ_MS / nodes / STEP_MS).max(1) * STEP_MS;
        if self.controller.is_none() || !self.now.is_multiple_of(step) {
            return;
        }
        let turn = self.now / step;
        let which = (turn % nodes) as usize;
        if !self.scene.lends(which) || self.dice.one_in(40) {
            return;
        }
        let node = &self.nodes[which];
        let world = &self.sites[node.site].world;
        let drawn = world.node(&node.name).expect("it is in the world").draw(self.now);
        let node = node.name.clone();
        let error = self.dice.below(11);
        let percents = if self.meters.exact { 100 } else { 95 + error };
        let drawn = drawn / 100 * percents;
        self.meters.tell(&node, self.now, drawn);
        let facts = Box::new(BmcFacts {
            drawn: Reading::Value(Power::from_milliwatts(drawn)),
            ..BmcFacts::default()
        });
        self.input(&Input::NodeBmcSeen { node, facts });
    }

    /// Nothing but firm watts of lendable claims is lent, and never more than those.
    pub fn only_lendable_watts_are_lent(&self) {
        let Some(controller) = &self.controller else {
            return;
        };
        let kept = &controller.rack.kept;
        for (node, lent) in kept.lent.iter() {
            let claims = kept.claims.values().filter(|claim| claim.lendable);
            let lendable: Power = claims
                .filter(|claim| claim.node.as_ref() == Some(node))
                .map(|claim| claim.watts)
                .sum();
            assert!(
                lent.watts <= lendable,
                "lending: {node} lends {} and {lendable} are lendable, at {}",
                lent.watts,
                self.now
            );
        }
    }
}
