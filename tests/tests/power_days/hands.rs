//! What happens to the rack: people, supplies, agents, machines, the network, the controller.

use facts::Power;
use hw_fixtures::world::{Phase, Verb};
use rack_api::v1::{DomainState, PowerAsk};
use rack_controller::decide::Input;

use crate::day::{Day, MAX_WATTS, Mail, NODES};
use crate::dice::Dice;
use crate::node::State;

impl Day {
    pub fn happen(&mut self) {
        match self.dice.below(22) {
            0..=5 => (0..3).for_each(|_| self.claim()),
            6..=7 => self.release(),
            8..=9 => self.demand(),
            10..=12 => self.supply(),
            13 => self.agent_dies(),
            14 => self.node_boots(),
            15..=16 => self.cut_off(),
            17 => self.controller_dies(),
            20..=21 => self.move_away(),
            18 => {
                self.counted.count("shelf_silent");
                self.trouble();
                self.shelf_silent_until = self.now + self.dice.below(15_000);
            }
            _ => {}
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
        }
        // Small ones: they fit what the other nodes can still draw.
        (0..12).for_each(|_| self.claim_up_to(300, 100));
        self.counted.count("moved_away");
    }

    /// Where the operator accepts that silence and a loss at once go dark, the two are kept apart.
    fn trouble(&mut self) {
        self.last_trouble = self.now;
    }

    pub fn claim(&mut self) {
        self.claim_up_to(1_300, 600);
    }

    /// A claim of at most so many firm and revocable watts.
    fn claim_up_to(&mut self, firm: u64, revocable: u64) {
        self.names += 1;
        let watts = |most: u64, dice: &mut Dice| Power::from_watts(dice.below(most)).unwrap();
        let ask = PowerAsk {
            watts: watts(firm, &mut self.dice),
            revocable_watts: watts(revocable, &mut self.dice),
            purpose: format!("w{}", self.names),
            node: Some(format!("n{:02}", 1 + self.dice.below(NODES as u64))),
            priority: Some(1 + self.dice.below(9) as u8),
            ttl_seconds: self.dice.one_in(4).then_some(20),
            ..PowerAsk::default()
        };
        if self.input(&Input::ClaimPower { ask, key: None }) {
            self.counted.count("claimed");
        }
    }

    fn release(&mut self) {
        let Some(controller) = &self.controller else {
            return;
        };
        let names: Vec<String> = controller
            .rack
            .kept
            .claims
            .values()
            .map(|claim| claim.purpose.clone())
            .collect();
        if !names.is_empty() {
            let claim = self.dice.pick(&names).clone();
            assert!(self.input(&Input::ReleaseClaim { claim }));
            self.counted.count("released");
        }
    }

    fn demand(&mut self) {
        let node = format!("n{:02}", 1 + self.dice.below(NODES as u64));
        // Work takes what it gets: three of four want all that the node can draw.
        let all = self.dice.below(4) > 0;
        let milliwatts = if all {
            MAX_WATTS
        } else {
            self.dice.below(MAX_WATTS)
        } * 1_000;
        self.world.act(&Verb::Demand { node, milliwatts }).unwrap();
        self.counted.count("demand");
    }

    /// A supply goes, or comes back. Only losses that the policy covers are made: all six have to be in service.
    pub fn supply(&mut self) {
        let gone = self
            .world
            .supplies()
            .iter()
            .find(|supply| supply.part().is_none());
        if let Some(gone) = gone {
            let place = format!("shelf/{}", gone.bay());
            self.world
                .act(&Verb::Insert {
                    place,
                    serial: None,
                    milliwatts: None,
                })
                .unwrap();
            self.counted.count("supply_back");
            return;
        }
        let whole = self
            .world
            .supplies()
            .iter()
            .all(|supply| supply.phase() == Phase::Running);
        let redundant = self
            .controller
            .as_ref()
            .is_some_and(|controller| controller.rack.kept.domains["shelf"].state == DomainState::Redundant);
        let calm = self.now >= self.last_trouble + 40_000;
        let seen = self.shelf_silent_until <= self.now;
        if whole && redundant && seen && (calm || !self.accepts) {
            let place = format!("shelf/psu-{}", self.dice.below(6));
            self.world.act(&Verb::Pull { place }).unwrap();
            self.last_loss = Some(self.now);
            self.counted.count("supply_lost");
        }
    }

    fn some_node(&mut self) -> usize {
        self.dice.below(NODES as u64) as usize
    }

    /// Where silence is accepted, none is made while a loss is answered.
    fn may_trouble(&self) -> bool {
        !self.accepts || self.last_loss.is_none_or(|loss| self.now >= loss + 2_000)
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
        let (which, until) = (self.some_node(), self.now + 25_000 + self.dice.below(20_000));
        if matches!(self.nodes[which].state, State::Booting(_)) || !self.may_trouble() {
            return;
        }
        let name = self.nodes[which].name.clone();
        self.nodes[which].state = State::Booting(until);
        self.world.set_limit(&name, None);
        // What boots draws next to nothing; its work is there when its agent is.
        self.world
            .act(&Verb::Power {
                node: name,
                on: false,
            })
            .unwrap();
        self.trouble();
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
        if self.controller.take().is_some() && self.may_trouble() {
            self.trouble();
            self.counted.count("controller_killed");
            let back = self.now + 50 + self.dice.below(9_000);
            self.mail.push((back, Mail::ControllerBack));
        } else if self.controller.is_none()
            && !self
                .mail
                .iter()
                .any(|(_, mail)| matches!(mail, Mail::ControllerBack))
        {
            self.mail.push((self.now + 50, Mail::ControllerBack));
        }
    }
}
