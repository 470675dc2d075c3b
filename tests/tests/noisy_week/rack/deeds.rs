//! What the script does to the rack, and what people ask of it.

use facts::supply::SupplyState;
use rack_api::v1::{AckRequest, Asked, DrainRequest, PauseRequest, PowerAsk, SwapRequest};
use rack_controller::decide::Input;
use rack_controller::view::view;

use super::{NODES, Site, node, watts};
use crate::script::Deed;

impl Site {
    pub(super) fn suffer(&mut self, deed: &Deed) {
        *self.happened.entry(word(deed)).or_default() += 1;
        match deed {
            Deed::Pull(bay) => self.shelf[*bay] = None,
            Deed::Insert(bay) => {
                self.parts += 1;
                self.shelf[*bay] = Some((format!("N{}", self.parts), SupplyState::Ok));
            }
            Deed::Break(bay) => self.set_state(*bay, SupplyState::Faulted),
            Deed::InputLost(bay) => self.set_state(*bay, SupplyState::InputLost),
            Deed::InputBack(bay) => self.set_state(*bay, SupplyState::Ok),
            Deed::Swap(bay) => self.swap(*bay),
            Deed::Drain(bay) => {
                let place = format!("shelf/psu-{bay}");
                self.run(&Input::Drain(DrainRequest {
                    place,
                    exposed: true,
                    ..DrainRequest::default()
                }));
            }
            Deed::BmcSilent(number) => self.silent_bmcs.push(*number),
            Deed::BmcBack(number) => self.silent_bmcs.retain(|silent| silent != number),
            Deed::AgentSilent(number) => self.silent_agents.push(*number),
            Deed::AgentBack(number) => self.silent_agents.retain(|silent| silent != number),
            Deed::OrdersRefused(number) => self.refusing.push(*number),
            Deed::OrdersTaken(number) => self.refusing.retain(|silent| silent != number),
            Deed::Overdraw(number) => self.overdrawn.push(*number),
            Deed::Calibrated(number) => {
                self.overdrawn.retain(|over| over != number);
                self.prove(*number);
            }
            Deed::Claims => self.claims_wrong = true,
            Deed::Acknowledge => self.acknowledge(),
            Deed::DiskFull => self.own.journal(false),
            Deed::DiskFree => self.own.journal(true),
            Deed::Away => self.is_away = true,
            Deed::Back => {
                self.is_away = false;
                self.begin();
            }
            Deed::Pause(number) => self.pause(*number),
            Deed::Sell(each) => self.sell(*each),
            Deed::Look => self.look(),
        }
    }

    fn set_state(&mut self, bay: usize, state: SupplyState) {
        if let Some((_, is)) = &mut self.shelf[bay] {
            *is = state;
        }
    }

    fn swap(&mut self, bay: usize) {
        let place = format!("shelf/psu-{bay}");
        // What is broken is pulled as soon as the bay is lit.
        let broken = self.shelf[bay]
            .as_ref()
            .is_some_and(|(_, state)| *state == SupplyState::Faulted);
        self.run(&Input::Swap(SwapRequest {
            place,
            exposed: true,
            ..SwapRequest::default()
        }));
        if broken {
            self.look();
            self.shelf[bay] = None;
        }
    }

    fn asked() -> Asked {
        Asked {
            by: Some("anna@ws1".to_owned()),
            reason: Some("a week's work".to_owned()),
        }
    }

    fn acknowledge(&mut self) {
        let doubts = view(&self.rack, self.now()).doubts;
        let doubt = doubts
            .into_iter()
            .find(|doubt| doubt.doubt.kind == "redundancy")
            .unwrap();
        let request = AckRequest {
            id: doubt.id,
            ..AckRequest::default()
        };
        let message = Some(doubt.doubt.message);
        self.run_for(&Input::Acknowledge { request, message }, Some(&Site::asked()));
    }

    fn pause(&mut self, number: usize) {
        let node = (number > 0).then(|| node(number));
        let request = PauseRequest {
            node,
            for_seconds: Some(3_600),
            ..PauseRequest::default()
        };
        self.run_for(&Input::Pause(request), Some(&Site::asked()));
    }

    /// Each node's claim is given back and claimed anew.
    fn sell(&mut self, each: u64) {
        for number in 1..=NODES {
            let purpose = format!("w{number}");
            if self.rack.claim_named(&purpose).is_some() {
                self.run(&Input::ReleaseClaim { claim: purpose });
            }
        }
        self.look();
        for number in 1..=NODES {
            let (purpose, node) = (format!("w{number}"), Some(node(number)));
            let ask = PowerAsk {
                watts: watts(each),
                purpose,
                node,
                ..PowerAsk::default()
            };
            self.run(&Input::ClaimPower { ask, key: None });
        }
    }
}

fn word(deed: &Deed) -> &'static str {
    match deed {
        Deed::Pull(_) | Deed::Insert(_) => "supplies pulled and put in",
        Deed::Break(_) | Deed::InputLost(_) | Deed::InputBack(_) => "supplies that fail and come back",
        Deed::Swap(_) | Deed::Drain(_) => "drains and swaps",
        Deed::BmcSilent(_) | Deed::BmcBack(_) => "BMCs that go and come",
        Deed::AgentSilent(_) | Deed::AgentBack(_) | Deed::OrdersRefused(_) | Deed::OrdersTaken(_) => {
            "agents that go and come"
        }
        Deed::Overdraw(_) | Deed::Calibrated(_) => "caps that do not bite",
        Deed::Claims | Deed::Acknowledge => "claims of redundancy",
        Deed::DiskFull | Deed::DiskFree | Deed::Away | Deed::Back => "controllers and disks that go and come",
        Deed::Pause(_) | Deed::Sell(_) => "pauses and sales",
        Deed::Look => "events that come twice",
    }
}
