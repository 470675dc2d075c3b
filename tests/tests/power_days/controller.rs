//! The controller of the simulated rack: its own core and journal, and one lessor a node on a network that loses and reorders.

use std::collections::BTreeMap;

use agent_api::v1::{Head, Lease, LeaseView};
use facts::{Moment, Power};
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal, decide};
use rack_controller::rack::{Event, LeaseSight, NodeOrder, Order, Rack, What, evolve};

use crate::node::{REST, Refused};

/// The lessor's times (rack-controller, `pools/power/act/lessor.rs`).
const LEASE_MS: u64 = 5_000;
const RENEW_MS: u64 = 1_000;
const SILENT_MS: u64 = 1_500;
const REQUEST_MS: u64 = 700;
const REFUSED_MS: u64 = 200;

/// What goes to an agent.
#[derive(Clone, Debug)]
pub enum Request {
    /// How does it stand?
    Ask,
    /// This is its lease.
    Put(Box<Lease>),
}

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub node: String,
    pub ticket: u64,
    pub request: Request,
}

/// One node's lessor.
#[derive(Default)]
struct Lessor {
    order: Option<Order>,
    view: Option<LeaseView>,
    told: Option<LeaseSight>,
    answered_ms: u64,
    /// The ticket of the request that is under way, and when it is given up.
    waits: Option<(u64, u64)>,
    /// Whether that request only asks.
    asks: bool,
    next_ms: u64,
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
                .map(|node| {
                    let lessor = Lessor {
                        order: rack.kept.orders.get(&node.name).cloned(),
                        answered_ms: now_ms,
                        next_ms: now_ms,
                        ..Lessor::default()
                    };
                    (node.name.clone(), lessor)
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
            if lessor.order.as_ref().is_none_or(|old| old.number < order.number) {
                lessor.order = Some(order.clone());
                lessor.next_ms = now_ms;
            }
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
        let head = Controller::head(journal);
        for (node, lessor) in &mut self.lessors {
            if lessor.waits.is_some_and(|(_, until)| until <= now_ms) {
                lessor.waits = None;
                lessor.next_ms = now_ms + REFUSED_MS;
                inputs.extend(lessor.silence(node, now_ms));
            }
            if lessor.waits.is_none() && lessor.next_ms <= now_ms {
                self.tickets += 1;
                sent.extend(lessor.send(node, &self.rack.config.name, self.tickets, &head, now_ms));
            }
        }
        (sent, inputs)
    }

    /// An answer came.
    pub fn hear(
        &mut self,
        node: &str,
        ticket: u64,
        answer: Result<LeaseView, Refused>,
        journal: &[Event],
        now_ms: u64,
    ) -> Option<Input> {
        let head = Controller::head(journal);
        let rack = self.rack.config.name.clone();
        let lessor = self.lessors.get_mut(node)?;
        if lessor.waits.is_none_or(|(waits, _)| waits != ticket) {
            return None;
        }
        lessor.waits = None;
        lessor.answered_ms = now_ms;
        match answer {
            Ok(view) => lessor.answered(node, &rack, view, &head, now_ms),
            Err(Refused) => {
                lessor.next_ms = now_ms + REFUSED_MS;
                let mut sight = lessor.told.clone().unwrap_or_default();
                sight.applied = false;
                sight.in_force = None;
                sight.silent_since = None;
                lessor.tell(node, sight)
            }
        }
    }
}

impl Lessor {
    fn send(&mut self, node: &str, rack: &str, ticket: u64, head: &Head, now_ms: u64) -> Option<Sent> {
        let order = self.order.as_ref()?;
        let part = |whole: Power| whole.saturating_sub(REST);
        let request = match self.view.take() {
            None => Request::Ask,
            Some(view) => Request::Put(Box::new(Lease {
                rack: rack.to_owned(),
                sequence: order.number,
                boot_id: view.boot_id,
                heard_millis: view.now_millis,
                valid_millis: LEASE_MS,
                cap_watts: part(order.cap),
                levels: order.levels.iter().map(|level| part(*level)).collect(),
                level: 0,
                head: head.clone(),
            })),
        };
        self.asks = matches!(request, Request::Ask);
        self.waits = Some((ticket, now_ms + REQUEST_MS));
        Some(Sent {
            node: node.to_owned(),
            ticket,
            request,
        })
    }

    fn answered(
        &mut self,
        node: &str,
        rack: &str,
        view: LeaseView,
        head: &Head,
        now_ms: u64,
    ) -> Option<Input> {
        let order = self.order.as_ref()?;
        let ours = view.lease.as_ref().filter(|lease| lease.rack == rack);
        let number = ours.map_or(0, |lease| lease.sequence);
        let is_this = number == order.number;
        let sight = LeaseSight {
            answered: number,
            in_force: ours
                .and_then(|lease| lease.in_force_watts)
                .map(|watts| watts.saturating_add(REST)),
            applied: is_this && ours.is_some_and(|lease| lease.applied && !lease.expired),
            expired: ours.is_some_and(|lease| lease.expired),
            silent_since: None,
            ahead: view
                .head
                .as_ref()
                .filter(|seen| seen.sequence > head.sequence)
                .map(|head| head.sequence),
            reason: None,
        };
        // The question alone gives no lease: that follows at once.
        let only_asked = self.asks && number <= order.number;
        self.next_ms = if only_asked { now_ms } else { now_ms + RENEW_MS };
        self.view = Some(view);
        if only_asked {
            return None;
        }
        self.tell(node, sight)
    }

    fn silence(&mut self, node: &str, now_ms: u64) -> Option<Input> {
        let before = self.told.clone().unwrap_or_default();
        if now_ms - self.answered_ms < SILENT_MS || before.silent_since.is_some() {
            return None;
        }
        let sight = LeaseSight {
            silent_since: Some(moment(now_ms)),
            ..before
        };
        self.tell(node, sight)
    }

    fn tell(&mut self, node: &str, sight: LeaseSight) -> Option<Input> {
        if self.told.as_ref() == Some(&sight) {
            return None;
        }
        self.told = Some(sight.clone());
        Some(Input::LeaseSeen {
            node: node.to_owned(),
            seen: sight,
        })
    }
}
