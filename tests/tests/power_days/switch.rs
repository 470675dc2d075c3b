//! Nodes' BMCs of these days: what they tell of their nodes' power, and what the controller asks of them.

use rack_controller::decide::{Input, want};
use rack_controller::pools::power::plan;
use rack_controller::rack::switch::{SwitchTurn, Wanted};
use rack_controller::rack::{Action, BmcFacts, Outcome, SwitchTo, What};

use crate::controller::moment;
use crate::day::{Day, Mail};
use crate::node::{Node, State};
use crate::scene::Scene;

/// How often a node's BMC is read.
const READ_MS: u64 = 1_000;
/// How often it is looked at what the controller wants.
const WANTS_MS: u64 = 50;

impl Day {
    /// Time goes by: BMCs are read, and asked for what is wanted.
    pub fn switch(&mut self) {
        if self.now.is_multiple_of(READ_MS) {
            (0..self.nodes.len()).for_each(|node| self.look_at(node));
        }
        self.judge_switches();
        if !self.now.is_multiple_of(WANTS_MS) {
            return;
        }
        let Some(controller) = &self.controller else {
            return;
        };
        let (since, now) = (self.controller_since, moment(self.now));
        for action in want(&controller.rack, now) {
            if !matches!(action, Action::SwitchNode { .. }) || self.asked.contains(&action) {
                continue;
            }
            self.asked.push(action.clone());
            let at = self.now + 50 + self.dice.below(2_000);
            self.mail.push((at, Mail::Switch(action, since)));
        }
    }

    /// What a node's BMC tells.
    fn look_at(&mut self, which: usize) {
        let node = &self.nodes[which];
        let facts = BmcFacts {
            powered_on: Some(node.state != State::Off),
            uuid: Some(Scene::uuid(&node.name)),
            ..BmcFacts::default()
        };
        let (node, facts) = (node.name.clone(), Box::new(facts));
        self.told(&Input::NodeBmcSeen { node, facts });
    }

    /// An input, whose switching is counted.
    fn told(&mut self, input: &Input) -> bool {
        let done = self.input(input);
        self.judge_switches();
        done
    }

    /// Only a loss beyond the policy makes floors too much, and the last in rank goes.
    pub fn judge_switches(&mut self) {
        let Some(controller) = &self.controller else {
            return;
        };
        let rack = &controller.rack;
        let goes = |node: &str| rack.kept.switches.get(node).map(|switch| switch.wanted) == Some(Wanted::Off);
        let rank = |node: &str| {
            let claims = rack.kept.claims.values();
            let mine = claims.filter(|claim| claim.node.as_deref() == Some(node));
            let best = mine.map(|claim| (claim.priority, claim.since, claim.id)).min();
            (best.is_none(), best)
        };
        let mut shed = 0;
        for event in &self.journal[self.judged..] {
            let What::SwitchChanged(change) = &event.what else {
                continue;
            };
            if matches!(change.turn, SwitchTurn::GoesOn { .. }) {
                let boots =
                    |node: &&Node| matches!(node.state, State::ComesOn(_)) && node.name != change.node;
                let beside = self.nodes.iter().find(boots).map(|node| &node.name);
                assert!(
                    beside.is_none(),
                    "rule 6: {} is switched on before {beside:?} holds its cap, at {}",
                    change.node,
                    self.now
                );
            }
            if !matches!(change.turn, SwitchTurn::Shed { .. }) {
                continue;
            }
            shed += 1;
            let (gone, site) = (&change.node, &self.sites[0]);
            let (host, others) = self.nodes.split_last().unwrap();
            assert!(
                *gone != host.name,
                "rule 9: the controller's host is switched off"
            );
            assert!(
                site.uncovered || site.weaker,
                "rule 9: {gone} is switched off, and no more is lost than the policy covers, at {}",
                self.now
            );
            let after = others.iter().find(|node| {
                let stays = node.state != State::Off && !goes(&node.name);
                stays && rank(&node.name) > rank(gone)
            });
            assert!(
                after.is_none(),
                "rule 9: {gone} is switched off before {}, at {}",
                after.map(|node| node.name.as_str()).unwrap_or_default(),
                self.now
            );
        }
        self.judged = self.journal.len();
        (0..shed).for_each(|_| self.counted.count("shed_off"));
    }

    /// A BMC does what it was asked, or fails. A controller that has died meanwhile does not hear of it.
    pub fn does(&mut self, action: &Action, since: u64) {
        let Action::SwitchNode { node, to } = action else {
            return;
        };
        let which = self.nodes.iter().position(|found| found.name == *node).unwrap();
        let outcome = if self.dice.one_in(8) {
            self.counted.count("switch_failed");
            Outcome::Failed("no answer".to_owned())
        } else {
            let node = &mut self.nodes[which];
            let world = &mut self.sites[node.site].world;
            if *to == SwitchTo::On {
                let agent_at = self.now + 2_000 + self.dice.below(20_000);
                node.comes_on(self.now, agent_at, world);
                self.counted.count("switched_on");
            } else {
                node.goes_off(world);
                self.counted.count("switched_off");
            }
            Outcome::Done
        };
        if self.controller.is_some() && self.controller_since == since {
            self.asked.retain(|asked| asked != action);
            let action = action.clone();
            self.told(&Input::ActionDone { action, outcome });
        }
    }

    /// Somebody switches a node off at its BMC, or asks the controller for one that is off.
    pub fn hand_on_a_switch(&mut self) {
        let which = self.some_node();
        if self.nodes[which].state != State::Off {
            let node = &mut self.nodes[which];
            node.goes_off(&mut self.sites[node.site].world);
            self.counted.count("off_by_hand");
            return;
        }
        let off = |day: &Day| {
            day.nodes
                .iter()
                .find(|node| node.state == State::Off)
                .map(|node| node.name.clone())
        };
        if let Some(node) = off(self)
            && self.told(&Input::PowerOn { node })
        {
            self.counted.count("asked_on");
        }
    }

    /// Whether somebody is on the way, or could be.
    pub fn somebody_comes_on(&self) -> bool {
        let Some(rack) = self.controller.as_ref().map(|controller| &controller.rack) else {
            return false;
        };
        let boots = |node: &Node| matches!(node.state, State::ComesOn(_));
        let mut switches = rack.kept.switches.values();
        self.nodes.iter().any(boots)
            || switches.any(|switch| switch.wanted == Wanted::On)
            || (self.scene.switches() && plan::next_on(rack, moment(self.now)).is_some())
    }

    /// Whoever is off at the end of a day has no room, or nobody has asked for it.
    pub fn nobody_is_forgotten(&self) {
        let rack = &self.controller.as_ref().expect("it is back").rack;
        let next = plan::next_on(rack, moment(self.now));
        assert!(next.is_none(), "at rest: {next:?} could be on");
    }
}
