//! What the controller's hands do on a random day, and what nodes say.

use facts::{NoData, Power, Reading};
use rack_controller::decide::{Input, want};
use rack_controller::rack::{Action, BmcFacts, NodeSide, Outcome};

use super::day::Day;

impl Day {
    /// Whatever is wanted is done, fails, or is held back.
    pub(super) fn act(&mut self) {
        let wanted = want(&self.rack, self.now);
        self.never_raises_before_lowering(&wanted);
        for action in wanted {
            let outcome = match self.dice.below(8) {
                0 => Outcome::Failed("the BMC said no".to_owned()),
                1 => Outcome::Would,
                _ => Outcome::Done,
            };
            self.one_act(action, outcome);
        }
    }

    pub(super) fn one_act(&mut self, action: Action, outcome: Outcome) {
        let done = outcome == Outcome::Done;
        match &action {
            Action::SetLed { place, on } if done => {
                let (name, bay) = place.split_once("/psu-").unwrap();
                let shelf = self.shelves.iter_mut().find(|shelf| shelf.name == name).unwrap();
                shelf.leds[bay.parse::<usize>().unwrap()] = *on;
            }
            Action::SetCap { node, watts } if done => {
                self.caps.insert(node.clone(), watts.milliwatts());
            }
            Action::ReadSupplies { bmc } => {
                let which = usize::from(bmc == "box");
                self.look(which);
            }
            _ => {}
        }
        self.input(&Input::ActionDone { action, outcome }).unwrap();
    }

    pub(super) fn never_raises_before_lowering(&self, wanted: &[Action]) {
        let mut lowers = 0;
        let mut raises = 0;
        for action in wanted {
            let Action::SetCap { node, watts } = action else {
                continue;
            };
            if self.config.node(node).unwrap().domain != "shelf" {
                continue;
            }
            let cap = self.rack.sight.nodes[node].bmc.as_ref().unwrap().cap.value();
            match cap {
                Some(cap) if cap < *watts => raises += 1,
                _ => lowers += 1,
            }
        }
        assert!(lowers == 0 || raises == 0, "{wanted:?}");
    }

    pub(super) fn node(&mut self) {
        let node = (*self.dice.pick(&["n01", "n02", "n03"])).to_owned();
        if self.dice.one_in(4) {
            let reason = "no answer".to_owned();
            self.input(&Input::NodeSilent {
                node,
                side: NodeSide::Bmc,
                reason,
            })
            .unwrap();
            return;
        }
        let facts = BmcFacts {
            powered_on: *self.dice.pick(&[None, Some(true), Some(true), Some(false)]),
            cap: match self.caps.get(&node) {
                Some(cap) => Reading::Value(Power::from_milliwatts(*cap)),
                None => Reading::none(NoData::Off),
            },
            ..BmcFacts::default()
        };
        self.input(&Input::NodeBmcSeen {
            node,
            facts: Box::new(facts),
        })
        .unwrap();
    }
}
