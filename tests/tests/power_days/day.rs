//! One random day.

use std::collections::BTreeMap;

use facts::{NoData, Power};
use hw_fixtures::world::{STEP_MS, Verb, World};
use rack_controller::config::RackConfig;
use rack_controller::decide::Input;
use rack_controller::rack::state::Proof;
use rack_controller::rack::{Action, Event, What, evolve};

use crate::controller::{Controller, Sent, moment};
use crate::dice::Dice;
use crate::judge::Judge;
use crate::lent::Meters;
use crate::node::{Node, Refused, State};
use crate::scene::{Kind, Scene};
use crate::site::Site;

/// How soon a BMC shows a loss, at the latest.
pub const DETECT_MS: u64 = 250;
/// How often it is read where no event calls.
const POLL_MS: u64 = 5_000;
/// How often everything is judged.
const JUDGE_MS: u64 = 50;

/// How often each kind of happening came about.
#[derive(Debug, Default)]
pub struct Counted(pub BTreeMap<&'static str, u64>);

impl Counted {
    pub fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: &Counted) {
        for (kind, times) in &other.0 {
            *self.0.entry(kind).or_default() += times;
        }
    }
}

/// What is on its way, or about to happen.
pub enum Mail {
    ToAgent(Sent),
    ToLessor(String, u64, Result<Box<agent_api::v1::LeaseView>, Refused>),
    Look(usize),
    ControllerBack,
    /// An inlet of a site loses its power, or has it again.
    Inlet(usize, usize, bool),
    /// A node's BMC does what it was asked by the controller that ran since then.
    Switch(Action, u64),
    /// A hand pulls what is in a bay of a site, or puts its part in.
    Contact(usize, usize, bool),
}

pub struct Day {
    pub scene: Scene,
    pub dice: Dice,
    pub config: RackConfig,
    pub sites: Vec<Site>,
    pub nodes: Vec<Node>,
    pub controller: Option<Controller>,
    /// Since when it runs.
    pub controller_since: u64,
    pub journal: Vec<Event>,
    pub now: u64,
    pub mail: Vec<(u64, Mail)>,
    pub names: u64,
    /// When a supply, an inlet or a feed was lost last, and when somebody was made silent.
    pub last_loss: Option<u64>,
    pub last_trouble: u64,
    /// A feed is failing, or contacts flap, until then.
    pub busy_until: u64,
    /// What BMCs of nodes were asked to do and have not done yet.
    pub asked: Vec<Action>,
    /// Events whose switching was judged.
    pub judged: usize,
    judge: Judge,
    /// What node BMCs told of draws.
    pub meters: Meters,
    pub counted: Counted,
    /// Whether the network loses, delays and doubles messages.
    pub loses_messages: bool,
}

impl Day {
    pub fn new(kind: Kind, seed: u64) -> Day {
        let mut dice = Dice::new(seed);
        let scene = Scene::new(kind, &mut dice);
        let config = scene.config();
        let sites: Vec<Site> = scene
            .sites()
            .iter()
            .map(|name| Site::new(name, &scene, seed))
            .collect();
        let site_of = |domain: &str| sites.iter().position(|site| site.name == domain).unwrap();
        let mut nodes: Vec<Node> = config
            .nodes
            .iter()
            .map(|node| Node::new(&node.name, site_of(&node.domain)))
            .collect();
        // Where the controller starts for the first time, some agents are not there yet: nothing limits their nodes.
        for node in &mut nodes {
            if dice.one_in(8) {
                node.state = State::NoAgent(1_000 + dice.below(5_000));
            }
        }
        let mut journal = Vec::new();
        Day {
            controller: Some(Controller::start(&config, &mut journal, 0)),
            controller_since: 0,
            scene,
            sites,
            nodes,
            journal,
            now: 0,
            mail: Vec::new(),
            names: 0,
            last_loss: None,
            last_trouble: 0,
            busy_until: 0,
            asked: Vec::new(),
            judged: 0,
            judge: Judge::default(),
            meters: Meters::default(),
            counted: Counted::default(),
            loses_messages: true,
            config,
            dice,
        }
    }

    pub fn live(mut self, happenings: u64) -> Counted {
        // The rack starts idle; supplies pass their trial, agents take their first leases, drills are over.
        self.pass(8_000);
        self.prove();
        self.pass(2_000);
        for node in 0..self.scene.nodes {
            let watts = if self.scene.lends(node) {
                self.scene.floor
            } else {
                self.scene.wants()
            };
            self.wants(node, watts * 1_000);
        }
        // It is sold out from the beginning: where nothing is scarce, no rule is needed.
        (0..5 * self.scene.nodes).for_each(|_| self.claim());
        for _ in 0..happenings {
            self.happen();
            let ahead = *self.dice.pick(&[5, 5, 5, 40, 40, 40, 300, 300, 1_500, 3_000]);
            let ahead = 1 + self.dice.below(ahead);
            self.pass(ahead);
            if self.went_dark() {
                return self.counted;
            }
        }
        self.come_to_rest();
        self.counted
    }

    /// Whether this day ends because more was lost than the policy covers.
    pub fn went_dark(&mut self) -> bool {
        if self.is_dark() {
            self.counted.count("went_dark_uncovered");
        }
        self.is_dark()
    }

    /// Whether some site is dark; the judge has let that pass because more was lost than the policy covers.
    fn is_dark(&self) -> bool {
        self.sites.iter().any(|site| site.world.is_dark())
    }

    pub fn world_of(&mut self, node: usize) -> &mut World {
        &mut self.sites[self.nodes[node].site].world
    }

    /// A node's load wants so many milliwatts.
    pub fn wants(&mut self, node: usize, milliwatts: u64) {
        let name = self.nodes[node].name.clone();
        let verb = Verb::Demand {
            node: name,
            milliwatts,
        };
        self.world_of(node).act(&verb).unwrap();
    }

    /// A drill of each node is over, as if its cap had been held at its floor.
    fn prove(&mut self) {
        let (rack, at) = (&mut self.controller.as_mut().unwrap().rack, moment(self.now));
        let cap = Power::from_watts(self.scene.floor).unwrap();
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
    pub fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until && !self.is_dark() {
            self.now += STEP_MS;
            for site in 0..self.sites.len() {
                self.watch(site);
            }
            for node in &mut self.nodes {
                node.pass(self.now, &mut self.sites[node.site].world);
            }
            self.deliver();
            self.read_meters();
            self.turn();
            if self.scene.switches() {
                self.switch();
            }
            if self.now.is_multiple_of(JUDGE_MS) {
                let mut judge = std::mem::take(&mut self.judge);
                judge.check(self);
                self.judge = judge;
                self.counted.count("judged");
            }
        }
    }

    fn watch(&mut self, which: usize) {
        let site = &mut self.sites[which];
        let mut told = site.pass(self.now);
        if site.next_poll <= self.now {
            site.next_poll = self.now + POLL_MS;
            told = true;
        }
        // What the policy covers is asked for again as soon as everything delivers again.
        site.uncovered &= !site.is_whole() || self.busy_until > self.now;
        if told {
            let at = self.now + 1 + self.dice.below(DETECT_MS - STEP_MS);
            self.mail.push((at, Mail::Look(which)));
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
                    let input = controller.hear(&node, ticket, answer, &self.journal, now);
                    if let Some(input) = input {
                        self.input(&input);
                    }
                }
                Mail::Look(site) => self.look(site),
                Mail::ControllerBack => {
                    self.controller = Some(Controller::start(&self.config, &mut self.journal, now));
                    self.controller_since = now;
                    self.asked.clear();
                    (0..self.sites.len()).for_each(|site| self.look(site));
                }
                Mail::Inlet(site, bay, live) => self.inlet(site, bay, live),
                Mail::Switch(action, since) => self.does(&action, since),
                Mail::Contact(site, bay, is_in) => self.contact(site, bay, is_in),
            }
        }
    }

    /// An input of which nobody is told the answer.
    pub fn input(&mut self, input: &Input) -> bool {
        let write_ms = if self.dice.one_in(30) {
            3_000
        } else {
            1 + self.dice.below(20)
        };
        let Some(controller) = &mut self.controller else {
            return false;
        };
        let done = controller.input(input, &mut self.journal, self.now, write_ms);
        for event in done.iter().flatten() {
            self.meters.lending_is_right(event, self.now, &mut self.counted);
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

    pub fn look(&mut self, which: usize) {
        let site = &self.sites[which];
        let bmc = site.name.clone();
        if site.silent_until > self.now {
            self.input(&Input::BmcSilent {
                bmc,
                reason: NoData::Timeout,
                detail: "no answer".to_owned(),
            });
            return;
        }
        let supplies = site.supplies();
        self.input(&Input::SuppliesSeen {
            bmc,
            supplies,
            read_at: moment(self.now),
        });
    }
}
