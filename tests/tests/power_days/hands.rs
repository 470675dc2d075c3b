//! What people, agents, machines, the network and the controller do. What supplies do is in `losses`.

use facts::Power;
use hw_fixtures::world::Verb;
use rack_api::v1::PowerAsk;
use rack_controller::decide::Input;

use crate::day::{Day, Mail};
use crate::dice::Dice;
use crate::judge::RIDES_MS;
use crate::node::State;

impl Day {
    pub fn happen(&mut self) {
        self.counted.count("happening");
        match self.dice.below(64) {
            0..=15 => (0..3).for_each(|_| self.claim()),
            16..=21 => self.release(),
            22..=26 => self.demand(),
            27..=37 => self.one_supply(),
            38..=40 => self.feed_fails(),
            41..=43 => self.contacts_flap(),
            44..=45 => self.agent_dies(),
            46 => self.node_boots(),
            47..=49 => self.cut_off(),
            50..=51 => self.controller_dies(),
            52..=54 => self.move_away(),
            55 => self.bmc_silent(),
            56..=59 => self.silence_and_then_a_loss(),
            60..=61 if self.scene.switches() => self.hand_on_a_switch(),
            _ => self.look_again(),
        }
    }

    fn look_again(&mut self) {
        let site = self.some_site();
        if self.controller.is_some() {
            self.look(site);
        }
    }

    fn bmc_silent(&mut self) {
        self.counted.count("bmc_silent");
        let which = self.some_site();
        let site = &mut self.sites[which];
        // A loss that nobody can see outlasts the ride: that is two faults at once, as a loss at a silent BMC is (`losses.rs`).
        let is_seen = self.now >= site.changed + RIDES_MS && self.busy_until <= self.now;
        if site.silent_until <= self.now && is_seen {
            site.silent_since = self.now;
            site.silent_until = self.now + self.dice.below(40_000);
        }
    }

    /// A node that does not answer loses its claims, and others ask for their watts: its old cap is in force all the while.
    fn move_away(&mut self) {
        if !self.may_trouble() || self.controller.is_none() {
            return;
        }
        let which = self.some_node();
        self.nodes[which].cut_off_until = self.now + 2_000 + self.dice.below(6_000);
        self.trouble();
        let name = self.nodes[which].name.clone();
        let rack = &self.controller.as_ref().expect("it runs").rack;
        let claims = rack.kept.claims.values();
        let mine = claims.filter(|claim| claim.node.as_deref() == Some(name.as_str()));
        let mine: Vec<String> = mine.map(|claim| claim.purpose.clone()).collect();
        for claim in mine {
            // Its time may have been over at this very moment.
            self.input(&Input::ReleaseClaim { claim });
            self.counted.count("happening");
        }
        // Small ones: they fit what the other nodes can still draw.
        (0..12).for_each(|_| self.claim_up_to(300, 100));
        self.counted.count("moved_away");
    }

    /// Where the operator accepts that silence and a loss at once go dark, the two are kept apart.
    pub fn trouble(&mut self) {
        self.last_trouble = self.now;
    }

    pub fn claim(&mut self) {
        let most = self.scene.most;
        self.claim_up_to(most * 4 / 5, most * 3 / 8);
    }

    /// A claim of at most so many firm and revocable watts.
    fn claim_up_to(&mut self, firm: u64, revocable: u64) {
        self.names += 1;
        self.counted.count("happening");
        let watts = |most: u64, dice: &mut Dice| Power::from_watts(dice.below(most)).unwrap();
        let node = self.some_node();
        let lends = self.scene.lends(node);
        let ask = PowerAsk {
            watts: watts(firm, &mut self.dice),
            revocable_watts: if lends {
                Power::ZERO
            } else {
                watts(revocable, &mut self.dice)
            },
            lendable: lends && self.names.is_multiple_of(2),
            purpose: format!("w{}", self.names),
            node: Some(self.nodes[node].name.clone()),
            priority: Some(1 + self.dice.below(9) as u8),
            ttl_seconds: self.dice.one_in(4).then_some(20),
            preempt: self.names.is_multiple_of(3),
            tenant: self.scene.tenant(self.names),
            ..PowerAsk::default()
        };
        let Some(before) = self.controller.as_ref().map(|it| it.rack.kept.claims.clone()) else {
            return;
        };
        let is_admitted = self.input(&Input::ClaimPower {
            ask: ask.clone(),
            key: None,
        });
        self.only_the_weaker_ended(&before, &ask, is_admitted);
        self.quotas_hold(&ask, is_admitted);
        if is_admitted {
            self.counted.count("claimed");
            self.nothing_is_oversold();
        }
    }

    fn release(&mut self) {
        let Some(controller) = &self.controller else {
            return;
        };
        let claims = controller.rack.kept.claims.values();
        let names: Vec<String> = claims.map(|claim| claim.purpose.clone()).collect();
        if !names.is_empty() {
            let claim = self.dice.pick(&names).clone();
            assert!(self.input(&Input::ReleaseClaim { claim }));
            self.counted.count("released");
        }
    }

    fn demand(&mut self) {
        let node = self.some_node();
        // Work takes what it gets: three of four want all that the node can draw.
        let all = (self.dice.below(4) > 0) != self.scene.lends(node);
        let most = self.scene.wants();
        let watts = if all { most } else { self.dice.below(most) };
        self.wants(node, watts * 1_000);
        self.counted.count("demand");
    }

    pub fn some_node(&mut self) -> usize {
        self.dice.below(self.nodes.len() as u64) as usize
    }

    pub fn some_site(&mut self) -> usize {
        self.dice.below(self.sites.len() as u64) as usize
    }

    /// Where silence is accepted, none is made while a loss is answered.
    fn may_trouble(&self) -> bool {
        let answered = self.last_loss.is_none_or(|loss| self.now >= loss + 2_000);
        !self.scene.accepts || (answered && self.busy_until <= self.now)
    }

    fn agent_dies(&mut self) {
        let (which, until) = (self.some_node(), self.now + 100 + self.dice.below(12_000));
        if self.nodes[which].state == State::Up && self.may_trouble() {
            self.nodes[which].state = State::NoAgent(until);
            self.trouble();
            self.counted.count("agent_killed");
        }
    }

    fn node_boots(&mut self) {
        let which = self.some_node();
        let until = self.now + 25_000 + self.dice.below(20_000);
        let agent_late = self.dice.one_in(3);
        let is_up = matches!(self.nodes[which].state, State::Up | State::NoAgent(_));
        if !is_up || !self.may_trouble() {
            return;
        }
        let node = self.nodes[which].name.clone();
        self.nodes[which].state = State::Booting { until, agent_late };
        let world = self.world_of(which);
        world.set_limit(&node, None);
        // What boots draws next to nothing.
        world.act(&Verb::Power { node, on: false }).unwrap();
        self.counted.count("node_booted");
    }

    fn cut_off(&mut self) {
        if !self.may_trouble() {
            return;
        }
        let until = self.now + self.dice.below(10_000);
        let all = self.dice.one_in(4);
        let one = self.some_node();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if all || index == one {
                node.cut_off_until = until;
            }
        }
        self.trouble();
        self.counted.count("cut_off");
    }

    fn controller_dies(&mut self) {
        if self.controller.is_none() || !self.may_trouble() {
            return;
        }
        self.controller = None;
        self.trouble();
        self.counted.count("controller_killed");
        let back = self.now + 50 + self.dice.below(9_000);
        self.mail.push((back, Mail::ControllerBack));
    }
}
