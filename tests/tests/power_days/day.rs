//! One random day.

use std::collections::BTreeMap;

use facts::{NoData, Power};
use hw_fixtures::world::{Happening, STEP_MS, Verb, World};
use rack_controller::config::RackConfig;
use rack_controller::decide::Input;
use rack_controller::rack::state::Proof;
use rack_controller::rack::{Event, What, evolve};

use crate::controller::{Controller, Request, Sent, moment};
use crate::dice::Dice;
use crate::judge::Judge;
use crate::node::{Node, Refused};
use crate::shelf::{config, plan, supplies};

/// Nodes of the rack, and what each draws idle and at most.
pub const NODES: usize = 12;
pub const FLOOR_WATTS: u64 = 300;
pub const MAX_WATTS: u64 = 1_600;
/// How soon the shelf's BMC shows a loss, at the latest.
pub const DETECT_MS: u64 = 250;
/// How often the shelf is read where no event calls.
const POLL_MS: u64 = 5_000;

/// How often each kind of happening came about.
#[derive(Debug, Default)]
pub struct Counted(pub BTreeMap<&'static str, u64>);

impl Counted {
    pub fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn add(&mut self, other: &Counted) {
        for (kind, times) in &other.0 {
            *self.0.entry(kind).or_default() += times;
        }
    }

    pub fn assert_everything_happened(&self) {
        for kind in [
            "claimed",
            "released",
            "supply_lost",
            "supply_back",
            "agent_killed",
            "node_booted",
            "cut_off",
            "controller_killed",
            "shelf_silent",
            "demand",
            "lease_taken",
            "lease_refused",
            "granted",
            "taken_back",
            "moved_away",
            "came_twice",
            "checked",
        ] {
            let times = self.0.get(kind).copied().unwrap_or_default();
            assert!(times > 5, "too few of {kind}: {self:?}");
        }
    }
}

/// What is on its way.
pub enum Mail {
    ToAgent(Sent),
    ToLessor(String, u64, Result<Box<agent_api::v1::LeaseView>, Refused>),
    Look,
    ControllerBack,
}

pub struct Day {
    pub dice: Dice,
    pub config: RackConfig,
    pub world: World,
    pub nodes: Vec<Node>,
    pub controller: Option<Controller>,
    pub journal: Vec<Event>,
    pub now: u64,
    pub mail: Vec<(u64, Mail)>,
    next_poll: u64,
    pub shelf_silent_until: u64,
    pub names: u64,
    /// Whether the operator takes the risk of rule 6; then no loss is made while somebody is silent.
    pub accepts: bool,
    pub last_loss: Option<u64>,
    pub last_trouble: u64,
    judge: Judge,
    pub counted: Counted,
}

impl Day {
    pub fn new(seed: u64) -> Day {
        let mut dice = Dice::new(seed);
        let accepts = dice.one_in(2);
        let margin = *dice.pick(&["0", "0.03"]);
        let config = config(accepts, margin);
        let mut journal = Vec::new();
        Day {
            world: World::new(plan(seed)),
            nodes: config.nodes.iter().map(|node| Node::new(&node.name)).collect(),
            controller: Some(Controller::start(&config, &mut journal, 0)),
            journal,
            now: 0,
            mail: Vec::new(),
            next_poll: 0,
            shelf_silent_until: 0,
            names: 0,
            accepts,
            last_loss: None,
            last_trouble: 0,
            judge: Judge::default(),
            counted: Counted::default(),
            config,
            dice,
        }
    }

    pub fn live(mut self, happenings: u64) -> Counted {
        // The rack starts idle; supplies pass their trial, agents take their first leases, drills are over.
        self.pass(8_000);
        self.prove();
        self.pass(2_000);
        for node in 0..NODES {
            let node = self.nodes[node].name.clone();
            let milliwatts = MAX_WATTS * 1_000;
            self.world.act(&Verb::Demand { node, milliwatts }).unwrap();
        }
        // It is sold out from the beginning: where nothing is scarce, no rule is needed.
        (0..60).for_each(|_| self.claim());
        for _ in 0..happenings {
            self.happen();
            let ahead = *self.dice.pick(&[5, 40, 300, 1_500, 4_000]);
            let ahead = 1 + self.dice.below(ahead);
            self.pass(ahead);
        }
        self.come_to_rest();
        self.counted
    }

    /// A drill of each node is over, as if its cap had been held at its floor.
    fn prove(&mut self) {
        let (rack, at) = (&mut self.controller.as_mut().unwrap().rack, moment(self.now));
        let cap = Power::from_watts(FLOOR_WATTS).unwrap();
        for node in &self.config.nodes {
            let proof = Proof {
                cap,
                before: cap,
                under: cap,
                at,
            };
            let node = node.name.clone();
            let event = Event::new(at, What::CapProven { node, proof });
            evolve(rack, &event);
            self.journal.push(event);
        }
        let node = "n01".to_owned();
        let event = Event::new(
            at,
            What::LoweringTimed {
                node,
                took_millis: 60,
            },
        );
        evolve(rack, &event);
        self.journal.push(event);
    }

    /// Time goes by in the world's steps.
    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until {
            self.now += STEP_MS;
            self.world.advance_to(self.now);
            self.watch_the_shelf();
            for node in &mut self.nodes {
                node.pass(self.now, &mut self.world);
            }
            self.deliver();
            self.turn();
            if self.now.is_multiple_of(50) {
                let mut judge = std::mem::take(&mut self.judge);
                judge.check(self);
                self.judge = judge;
                self.counted.count("checked");
            }
        }
    }

    fn watch_the_shelf(&mut self) {
        let mut told = self.next_poll <= self.now;
        if told {
            self.next_poll = self.now + POLL_MS;
        }
        for event in self.world.take_events() {
            told |= matches!(
                event.happening,
                Happening::Pulled { .. }
                    | Happening::Inserted { .. }
                    | Happening::InputLost { .. }
                    | Happening::InputRestored { .. }
                    | Happening::Started { .. }
                    | Happening::Tripped { .. }
            );
        }
        if told {
            let at = self.now + 1 + self.dice.below(DETECT_MS - STEP_MS);
            self.mail.push((at, Mail::Look));
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let due: Vec<Mail> = self
            .mail
            .extract_if(.., |(at, _)| *at <= now)
            .map(|(_, mail)| mail)
            .collect();
        for mail in due {
            match mail {
                Mail::ToAgent(sent) => self.reach_agent(sent),
                Mail::ToLessor(node, ticket, answer) => {
                    let Some(controller) = &mut self.controller else {
                        continue;
                    };
                    let answer = answer.map(|view| *view);
                    let input = controller.hear(&node, ticket, answer, &self.journal, now);
                    if let Some(input) = input {
                        self.input(&input);
                    }
                }
                Mail::Look => self.look(),
                Mail::ControllerBack => {
                    self.controller = Some(Controller::start(&self.config, &mut self.journal, now));
                    self.look();
                }
            }
        }
    }

    fn reach_agent(&mut self, sent: Sent) {
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
            Request::Put(lease) => node.take(lease, self.now, &mut self.world),
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
        if !self.dice.one_in(300) {
            let at = self.now + 1 + self.dice.below(15);
            let answer = answer.map(Box::new);
            self.mail
                .push((at, Mail::ToLessor(sent.node, sent.ticket, answer)));
        }
    }

    /// The turn's own time, and what lessors send.
    fn turn(&mut self) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let (sent, inputs) = controller.pass(&self.journal, self.now);
        for sent in sent {
            let late = self.dice.one_in(300);
            let at = self.now
                + if late {
                    2_000 + self.dice.below(6_000)
                } else {
                    1 + self.dice.below(15)
                };
            if self.dice.one_in(300) {
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

    /// An input of which nobody is told the answer.
    pub fn input(&mut self, input: &Input) -> bool {
        let write_ms = if self.dice.one_in(50) {
            3_000
        } else {
            1 + self.dice.below(20)
        };
        let Some(controller) = &mut self.controller else {
            return false;
        };
        let done = controller.input(input, &mut self.journal, self.now, write_ms);
        for event in done.iter().flatten() {
            if let What::CapsOrdered { given, taken, .. } = &event.what {
                if !given.is_zero() {
                    self.counted.count("granted");
                }
                if !taken.is_zero() {
                    self.counted.count("taken_back");
                }
            }
        }
        done.is_ok()
    }

    fn look(&mut self) {
        let bmc = "shelf".to_owned();
        if self.shelf_silent_until > self.now {
            self.input(&Input::BmcSilent {
                bmc,
                reason: NoData::Timeout,
                detail: "no answer".to_owned(),
            });
            return;
        }
        let supplies = supplies(&self.world);
        self.input(&Input::SuppliesSeen {
            bmc,
            supplies,
            read_at: moment(self.now),
        });
    }

    /// With everything whole, nothing is left to do and everybody has what was promised.
    fn come_to_rest(&mut self) {
        if self.world.supplies().iter().any(|supply| supply.part().is_none()) {
            self.supply();
        }
        self.pass(90_000);
        let rack = &self.controller.as_ref().expect("it is back").rack;
        let (orders, rations) = rack_controller::pools::power::plan::orders(rack, moment(self.now));
        assert!(orders.is_empty(), "{orders:?}");
        for node in &self.nodes {
            let (cap, _) = rations.caps[&node.name];
            assert_eq!(node.cap(&self.world), cap.milliwatts(), "{}", node.name);
        }
        let mut again = rack_controller::rack::Rack::new(&self.config);
        for event in &self.journal {
            evolve(&mut again, event);
        }
        assert_eq!(again.kept, rack.kept, "the journal gives another rack");
    }
}
