//! The controller of the simulated rack: its own core and journal, and one lessor a node on a network that loses and reorders.

use std::collections::BTreeMap;

use agent_api::v1::{Head, LeaseView};
use facts::Moment;
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal, decide};
use rack_controller::pools::power::act::lessor::machine::{Answer, Machine, REQUEST, Request};
use rack_controller::rack::{Event, NodeOrder, Rack, What, evolve};

use crate::node::{REST, Refused};

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub node: String,
    pub ticket: u64,
    pub request: Request,
}

/// One node's lessor, and what the task around it keeps.
struct Lessor {
    machine: Machine,
    /// The ticket of the request that is under way, and when it is given up.
    waits: Option<(u64, u64)>,
}

/// The controller while it runs.
pub struct Controller {
    pub rack: Rack,
    lessors: BTreeMap<String, Lessor>,
    tickets: u64,
    /// Raises that the journal has not acknowledged yet.
    unwritten: Vec<(u64, Vec<NodeOrder>)>,
}

/// What of the world's milliseconds the rack's clock shows.
pub fn moment(now_ms: u64) -> Moment {
    Moment::from_millis(1_795_311_618_000 + now_ms)
}

impl Controller {
    /// Starts from what the journal holds; standing orders are renewed at once.
    pub fn start(config: &RackConfig, journal: &mut Vec<Event>, now_ms: u64) -> Controller {
        let mut rack = Rack::new(config);
        for event in journal.iter() {
            evolve(&mut rack, event);
        }
        let mut controller = Controller {
            lessors: config
                .nodes
                .iter()
                .enumerate()
                .map(|(number, node)| {
                    let mut machine = Machine::new(&config.name, REST, moment(now_ms));
                    machine = machine.one_of(number, config.nodes.len());
                    if let Some(order) = rack.kept.orders.get(&node.name) {
                        machine.order(order, moment(now_ms));
                    }
                    (node.name.clone(), Lessor { machine, waits: None })
                })
                .collect(),
            rack,
            // Answers to a controller that is dead find nobody.
            tickets: now_ms << 20,
            unwritten: Vec::new(),
        };
        let version = "0".to_owned();
        controller
            .input(&Input::Started { version }, journal, now_ms, 0)
            .expect("a start is never refused");
        controller
    }

    /// Something comes to the turn. `write_ms` is how long the journal needs.
    pub fn input(
        &mut self,
        input: &Input,
        journal: &mut Vec<Event>,
        now_ms: u64,
        write_ms: u64,
    ) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.rack, input, moment(now_ms))?;
        for event in &events {
            let before = self.rack.kept.orders.clone();
            evolve(&mut self.rack, event);
            if event.is_journaled() {
                journal.push(event.clone());
            }
            let What::CapsOrdered { orders, .. } = &event.what else {
                continue;
            };
            let (down, up): (Vec<NodeOrder>, Vec<NodeOrder>) = orders.iter().cloned().partition(|given| {
                let standing = before.get(&given.node);
                standing.is_none_or(|standing| standing.is_above(&given.order))
            });
            self.give(&down, now_ms);
            self.unwritten.push((now_ms + write_ms, up));
        }
        Ok(events)
    }

    fn give(&mut self, orders: &[NodeOrder], now_ms: u64) {
        for NodeOrder { node, order } in orders {
            let lessor = self.lessors.get_mut(node).expect("a node of the rack");
            lessor.machine.order(order, moment(now_ms));
        }
    }

    fn head(journal: &[Event]) -> Head {
        Head {
            sequence: journal.len() as u64,
            chain: format!("{:x}", journal.len()),
        }
    }

    /// Time goes by: what is written is sent, leases are renewed, silence is noticed.
    pub fn pass(&mut self, journal: &[Event], now_ms: u64) -> (Vec<Sent>, Vec<Input>) {
        let written: Vec<Vec<NodeOrder>> = self
            .unwritten
            .extract_if(.., |(at, _)| *at <= now_ms)
            .map(|(_, orders)| orders)
            .collect();
        for orders in written {
            self.give(&orders, now_ms);
        }
        let (mut sent, mut inputs) = (Vec::new(), Vec::new());
        let (head, now) = (Controller::head(journal), moment(now_ms));
        for (node, lessor) in &mut self.lessors {
            if lessor.waits.is_some_and(|(_, until)| until <= now_ms) {
                lessor.waits = None;
                let answer = Answer::Silent("no answer".to_owned());
                inputs.extend(lessor.heard(node, answer, &head, now));
            }
            if let Some(request) = lessor.machine.send(now, &head) {
                self.tickets += 1;
                lessor.waits = Some((self.tickets, now_ms + REQUEST.as_millis() as u64));
                sent.push(Sent {
                    node: node.clone(),
                    ticket: self.tickets,
                    request,
                });
            }
        }
        (sent, inputs)
    }

    /// An answer came.
    pub fn hear(
        &mut self,
        node: &str,
        ticket: u64,
        answer: Result<Box<LeaseView>, Refused>,
        journal: &[Event],
        now_ms: u64,
    ) -> Option<Input> {
        let head = Controller::head(journal);
        let lessor = self.lessors.get_mut(node)?;
        if lessor.waits.is_none_or(|(waits, _)| waits != ticket) {
            return None;
        }
        lessor.waits = None;
        let answer = match answer {
            Ok(view) => Answer::View(view),
            Err(Refused) => Answer::Refused("no".to_owned()),
        };
        lessor.heard(node, answer, &head, moment(now_ms))
    }
}

impl Lessor {
    /// What came of a request, as the turn is told it. These days' turn is never too busy to be told.
    fn heard(&mut self, node: &str, answer: Answer, head: &Head, now: Moment) -> Option<Input> {
        let seen = self.machine.heard(answer, head, now)?;
        self.machine.told(seen.clone());
        Some(Input::LeaseSeen {
            node: node.to_owned(),
            seen,
        })
    }
}
