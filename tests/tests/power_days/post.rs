//! What goes between the controller and the agents, on a network that loses, delays and doubles it.

use rack_controller::decide::Input;
use rack_controller::pools::power::act::lessor::machine::Request;

use crate::controller::Sent;
use crate::day::{Day, Mail};

impl Day {
    pub fn reach_agent(&mut self, sent: Sent) {
        let node = self.nodes.iter_mut().find(|node| node.name == sent.node).unwrap();
        if !node.answers(self.now) {
            // What waits for a stopped process or in a queue is not gone: now and then it comes after all.
            if self.dice.one_in(4) {
                let at = self.now + 500 + self.dice.below(6_000);
                self.mail.push((at, Mail::ToAgent(sent)));
            }
            return;
        }
        let answer = match &sent.request {
            Request::Ask => Ok(node.view(self.now)),
            Request::Put(lease) => node.take(lease, self.now, &mut self.sites[node.site].world),
        };
        let is_put = matches!(sent.request, Request::Put(_));
        if is_put && answer.is_ok() && self.dice.one_in(20) {
            // The network has a copy of it, and delivers that when other orders stand.
            let again = self.now + 500 + self.dice.below(4_000);
            self.mail.push((again, Mail::ToAgent(sent.clone())));
            self.counted.count("came_twice");
        }
        self.counted.count(match (is_put, &answer) {
            (true, Ok(_)) => "lease_taken",
            (true, Err(_)) => "lease_refused",
            (false, _) => "asked",
        });
        self.counted.count("message");
        if !self.goes_wrong() {
            let at = self.now + 1 + self.dice.below(15);
            let answer = answer.map(Box::new);
            self.mail
                .push((at, Mail::ToLessor(sent.node, sent.ticket, answer)));
        }
    }

    /// Whether this message meets a fault of the network.
    fn goes_wrong(&mut self) -> bool {
        self.dice.one_in(300) && self.loses_messages
    }

    /// The turn's own time, and what lessors send.
    pub fn turn(&mut self) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let (sent, inputs) = controller.pass(&self.journal, self.now);
        for sent in sent {
            self.counted.count("message");
            let late = self.goes_wrong();
            let at = self.now
                + if late {
                    2_000 + self.dice.below(6_000)
                } else {
                    1 + self.dice.below(15)
                };
            if self.goes_wrong() {
                // Doubled, and the second one late.
                let again = self.now + self.dice.below(8_000);
                self.mail.push((again, Mail::ToAgent(sent.clone())));
            }
            self.mail.push((at, Mail::ToAgent(sent)));
        }
        for input in inputs {
            self.input(&input);
        }
        if self.now.is_multiple_of(1_000) {
            self.input(&Input::Tick);
        }
    }
}
