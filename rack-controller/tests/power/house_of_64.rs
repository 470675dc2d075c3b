//! A shelf of six supplies with nodes whose agents hold their caps, and agents that obey when they are asked to.

use std::collections::BTreeMap;
use std::path::Path;

use facts::{Moment, Power, Reading};
use rack_api::v1::{DomainView, PowerAsk};
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal};
use rack_controller::pools::power::plan;
use rack_controller::rack::state::Proof;
use rack_controller::rack::{BmcFacts, Event, LeaseSight, NodeSide, Order, What, evolve};
use rack_controller::view::view;

use super::bench::{Bench, watts};

/// What a rack of this house looks like.
pub struct Plan {
    pub nodes: usize,
    pub redundancy: &'static str,
    pub margin: &'static str,
    pub floor: u64,
    pub more: &'static str,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            nodes: 64,
            redundancy: "n+1",
            margin: "0",
            floor: 120,
            more: "sell_revocable = true\ndetect_within = \"250ms\"\naccept_silence = true",
        }
    }
}

pub fn config(plan: &Plan) -> RackConfig {
    let mut text = format!(
        "[rack]\nname = \"r\"\nmode = \"enforce\"\n[[feed]]\nname = \"A\"\nvolts = 230\nbreaker_amperes = 32\n[[feed]]\nname = \"B\"\nvolts = 230\n\
breaker_amperes = 32\n[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\n\
redundancy = \"{}\"\nmargin = {}\n{}\n",
        plan.redundancy, plan.margin, plan.more
    );
    for bay in 0..6 {
        let feed = if bay < 3 { "A" } else { "B" };
        text.push_str(&format!(
            "[[bay]]\nplace = \"shelf/psu-{bay}\"\nlabel = \"PSU {}\"\nfeed = \"{feed}\"\n",
            bay + 1
        ));
    }
    for node in 1..=plan.nodes {
        text.push_str(&format!(
            "[[node]]\nname = \"n{node:02}\"\ndomain = \"shelf\"\nmax_draw_watts = 1100\nfloor_watts = {}\nrest_watts = 40\n\
agent = \"https://192.0.2.9:9711\"\nbmc = \"https://192.0.2.{node}\"\n",
            plan.floor
        ));
    }
    RackConfig::from_text(&text, Path::new("rack.toml")).unwrap()
}

/// The bench, and what each agent holds.
pub struct House {
    pub bench: Bench,
    pub held: BTreeMap<String, Order>,
}

impl House {
    /// All agents have answered their first order, and drills have shown that all caps bite.
    pub fn new(plan: &Plan) -> House {
        let mut house = House::unproven(plan);
        for node in house.names() {
            house.prove(&node, watts(plan.floor));
        }
        house.time(20);
        house
    }

    /// The slowest agent needed so long to lower.
    pub fn time(&mut self, took_millis: u64) {
        let node = "n01".to_owned();
        let what = What::LoweringTimed { node, took_millis };
        evolve(&mut self.bench.rack, &Event::new(self.bench.now, what));
    }

    pub fn unproven(plan: &Plan) -> House {
        let mut bench = Bench::new(&config(plan));
        bench
            .run(&Input::Started {
                version: "0".to_owned(),
            })
            .unwrap();
        bench.look();
        let mut house = House {
            bench,
            held: BTreeMap::new(),
        };
        house.obey();
        house
    }

    pub fn names(&self) -> Vec<String> {
        let nodes = self.bench.rack.config.nodes.iter();
        nodes.map(|node| node.name.clone()).collect()
    }

    pub fn prove(&mut self, node: &str, cap: Power) {
        let proof = Proof {
            cap,
            before: cap,
            under: cap,
            at: self.bench.now,
        };
        let what = What::CapProven {
            node: node.to_owned(),
            proof,
        };
        evolve(&mut self.bench.rack, &Event::new(self.bench.now, what));
    }

    /// A node's agent does what it was ordered, and says so.
    pub fn answer(&mut self, node: &str) {
        let order = self.bench.rack.kept.orders[node].clone();
        self.held.insert(node.to_owned(), order.clone());
        self.say(node, |seen| {
            seen.answered = order.number;
            seen.in_force = Some(order.cap);
            seen.applied = true;
        });
    }

    pub fn say(&mut self, node: &str, say: impl FnOnce(&mut LeaseSight)) {
        let before = self
            .bench
            .rack
            .sight
            .nodes
            .get(node)
            .and_then(|seen| seen.lease.clone());
        let mut seen = before.unwrap_or_default();
        say(&mut seen);
        self.bench
            .run(&Input::LeaseSeen {
                node: node.to_owned(),
                seen,
            })
            .unwrap();
    }

    /// Every agent does what it was ordered, until no order is left.
    pub fn obey(&mut self) {
        for _ in 0..8 {
            let orders = self.bench.rack.kept.orders.clone();
            let late: Vec<String> = orders
                .iter()
                .filter(|(node, order)| self.held.get(*node) != Some(order))
                .map(|(node, _)| node.clone())
                .collect();
            if late.is_empty() {
                return;
            }
            for node in late {
                self.answer(&node);
            }
        }
        panic!("orders never end");
    }

    pub fn claim(
        &mut self,
        node: &str,
        name: &str,
        firm: u64,
        revocable: u64,
    ) -> Result<Vec<Event>, Refusal> {
        self.ask(PowerAsk {
            watts: watts(firm),
            revocable_watts: watts(revocable),
            purpose: name.to_owned(),
            node: Some(node.to_owned()),
            ..PowerAsk::default()
        })
    }

    pub fn ask(&mut self, ask: PowerAsk) -> Result<Vec<Event>, Refusal> {
        self.bench.run(&Input::ClaimPower { ask, key: None })
    }

    pub fn order(&self, node: &str) -> &Order {
        &self.bench.rack.kept.orders[node]
    }

    pub fn granted(&self, name: &str) -> bool {
        let claim = self.bench.rack.claim_named(name).unwrap();
        self.bench.rack.kept.granted.contains(&claim.id)
    }

    pub fn shelf(&self) -> DomainView {
        view(&self.bench.rack, self.bench.now).domains.swap_remove(0)
    }

    pub fn broken(&self) -> Vec<String> {
        plan::broken(&self.bench.rack, "shelf", self.bench.now)
    }

    /// A node's BMC tells what it draws.
    pub fn draws(&mut self, node: &str, drawn: u64) -> Vec<Event> {
        let facts = BmcFacts {
            powered_on: Some(true),
            drawn: Reading::Value(watts(drawn)),
            ..BmcFacts::default()
        };
        self.bench
            .run(&Input::NodeBmcSeen {
                node: node.to_owned(),
                facts: Box::new(facts),
            })
            .unwrap()
    }

    /// Time goes by, and the shelf is looked at.
    pub fn later(&mut self, millis: u64) -> Vec<Event> {
        self.bench.now = Moment::from_millis(self.bench.now.millis() + millis);
        let before = self.bench.events.len();
        self.bench.look();
        self.bench.events[before..].to_vec()
    }

    /// The controller dies, and starts from what it kept.
    pub fn restart(&mut self) {
        self.bench
            .run(&Input::Started {
                version: "0".to_owned(),
            })
            .unwrap();
    }

    pub fn node_falls_silent(&mut self, node: &str) {
        let now = self.bench.now;
        self.say(node, |seen| seen.silent_since = Some(now));
        self.bench
            .run(&Input::NodeSilent {
                node: node.to_owned(),
                side: NodeSide::Agent,
                reason: "no answer".to_owned(),
            })
            .unwrap();
    }
}

pub fn kind_of(events: &[Event], kind: &str) -> Option<String> {
    let found = events.iter().find(|event| event.kind() == kind);
    found.map(Event::message)
}
