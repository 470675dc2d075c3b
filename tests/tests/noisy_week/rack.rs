//! The real core by a virtual clock: what the script does reaches it as its eyes would tell it, and its page is taken each minute.

mod deeds;

use std::collections::BTreeMap;
use std::path::Path;

use facts::supply::{Doubt, Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, Moment, NoData, Power, Reading};
use rack_api::v1::Asked;
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, decide_for, want};
use rack_controller::metrics::{Format, Own, render};
use rack_controller::rack::state::Proof;
use rack_controller::rack::{
    Action, AgentFacts, BmcFacts, Event, LeaseSight, NodeSide, Outcome, Rack, What, evolve,
};
use rack_controller::view::{drives, view};

use super::pages::Pages;
use super::script::{MINUTE, Script, WEEK};

const BAYS: usize = 6;
const NODES: usize = 4;
/// Between two looks at the shelf while nothing happens, in seconds; after a deed it is looked at each second for a while.
const QUIET: u64 = 20;
const WATCHFUL: u64 = 45;

fn config() -> RackConfig {
    let mut text = "[rack]\nname = \"r12\"\nmode = \"enforce\"\n[[feed]]\nname = \"A\"\nvolts = 230\nphases = 3\nbreaker_amperes = 63\n\
                    [[feed]]\nname = \"B\"\nvolts = 230\nphases = 3\nbreaker_amperes = 63\n\
                    [[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n\
                    [[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"n+1\"\nmargin = 0\n"
        .to_owned();
    for bay in 0..BAYS {
        let (label, feed) = (bay + 1, if bay < 3 { "A" } else { "B" });
        text.push_str(&format!(
            "[[bay]]\nplace = \"shelf/psu-{bay}\"\nlabel = \"PSU {label}\"\nfeed = \"{feed}\"\n"
        ));
    }
    for node in 1..=NODES {
        text.push_str(&format!(
            "[[bmc]]\nname = \"n0{node}\"\nurl = \"https://192.0.2.1{node}\"\n[[node]]\nname = \"n0{node}\"\ndomain = \"shelf\"\n\
             bmc = \"n0{node}\"\nagent = \"https://192.0.2.2{node}:9711\"\nmax_draw_watts = 3600\nfloor_watts = 120\nrest_watts = 40\n"
        ));
    }
    RackConfig::from_text(&text, Path::new("rack.toml")).unwrap()
}

fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

fn node(number: usize) -> String {
    format!("n0{number}")
}

/// A BMC by its number: 0 is the shelf's.
fn bmc(number: usize) -> String {
    if number == 0 {
        "shelf".to_owned()
    } else {
        node(number)
    }
}

struct Site {
    rack: Rack,
    own: Own,
    start: Moment,
    second: u64,
    shelf: Vec<Option<(String, SupplyState)>>,
    led: Vec<bool>,
    parts: u64,
    silent_bmcs: Vec<usize>,
    silent_agents: Vec<usize>,
    refusing: Vec<usize>,
    overdrawn: Vec<usize>,
    claims_wrong: bool,
    is_away: bool,
    /// Something was done a moment ago.
    is_watchful: bool,
    happened: BTreeMap<&'static str, usize>,
}

/// Lives the week; how often what happened.
pub fn live(script: &Script, pages: &mut Pages) -> BTreeMap<&'static str, usize> {
    let mut site = Site::new();
    let mut watchful = 0;
    let mut deeds = script.deeds.iter().peekable();
    for second in 0..WEEK {
        site.second = second;
        while let Some((_, now)) = deeds.next_if(|(at, _)| **at <= second) {
            site.is_watchful = true;
            for deed in now {
                site.suffer(deed);
            }
            watchful = second + WATCHFUL;
        }
        site.is_watchful = second <= watchful;
        if !site.is_away && (site.is_watchful || second.is_multiple_of(QUIET)) {
            site.look();
        }
        if second.is_multiple_of(MINUTE) {
            let page = (!site.is_away).then(|| site.page());
            pages.take(page.as_deref());
        }
    }
    site.happened
}

impl Site {
    fn new() -> Site {
        let start = Moment::from_millis(1_795_311_600_000);
        let mut site = Site {
            rack: Rack::new(&config()),
            own: Own::new().unwrap(),
            start,
            second: 0,
            shelf: (0..BAYS)
                .map(|bay| Some((format!("S{bay}"), SupplyState::Ok)))
                .collect(),
            led: vec![false; BAYS],
            parts: 0,
            silent_bmcs: Vec::new(),
            silent_agents: Vec::new(),
            refusing: Vec::new(),
            overdrawn: Vec::new(),
            claims_wrong: false,
            is_away: false,
            is_watchful: true,
            happened: BTreeMap::new(),
        };
        site.begin();
        for number in 1..=NODES {
            site.prove(number);
        }
        site
    }

    fn now(&self) -> Moment {
        Moment::from_millis(self.start.millis() + self.second * 1_000)
    }

    fn page(&self) -> String {
        let shown = view(&self.rack, self.now());
        render(
            &shown,
            &drives(&self.rack, self.now()),
            &[],
            &self.own,
            &[],
            Format::Text,
        )
    }

    fn run(&mut self, input: &Input) {
        self.run_for(input, None);
    }

    fn run_for(&mut self, input: &Input, asked: Option<&Asked>) {
        let now = self.now();
        let events = decide_for(&self.rack, input, now, asked);
        for event in events.unwrap_or_else(|refusal| panic!("second {}: {input:?}: {refusal}", self.second)) {
            evolve(&mut self.rack, &event);
        }
    }

    fn begin(&mut self) {
        let version = "0".to_owned();
        self.run(&Input::Started { version });
        self.look();
    }

    fn prove(&mut self, number: usize) {
        let proof = Proof {
            cap: watts(160),
            before: watts(600),
            under: watts(160),
            at: self.now(),
        };
        let what = What::CapProven {
            node: node(number),
            proof,
        };
        let event = Event::new(self.now(), what);
        evolve(&mut self.rack, &event);
    }

    /// Everything is looked at once, whatever is wanted is done, and agents answer.
    fn look(&mut self) {
        self.look_at_bmc(0);
        if self.is_watchful || self.second.is_multiple_of(MINUTE) {
            for number in 1..=NODES {
                self.look_at_bmc(number);
                self.look_at_agent(number);
            }
        }
        self.run(&Input::Tick);
        for _ in 0..3 {
            for action in want(&self.rack, self.now()) {
                match &action {
                    Action::SetLed { place, on } => {
                        let bay: usize = place.strip_prefix("shelf/psu-").unwrap().parse().unwrap();
                        self.led[bay] = *on;
                        self.own.action("led", "done");
                        let outcome = Outcome::Done;
                        self.run(&Input::ActionDone { action, outcome });
                    }
                    Action::ReadSupplies { .. } => self.look_at_bmc(0),
                    Action::SetCap { .. } | Action::SwitchNode { .. } => {
                        panic!("agents hold the caps here, and nobody is switched: {action:?}")
                    }
                    Action::OrderDrive { .. } | Action::DetachDrive { .. } => {
                        panic!("no drive is there: {action:?}")
                    }
                }
            }
            for number in 1..=NODES {
                if self.has_an_order(number) {
                    self.look_at_agent(number);
                }
            }
        }
    }

    /// Whether an agent has an order that it has not answered.
    fn has_an_order(&self, number: usize) -> bool {
        let name = node(number);
        let seen = self
            .rack
            .sight
            .nodes
            .get(&name)
            .and_then(|seen| seen.lease.as_ref());
        let order = self.rack.kept.orders.get(&name);
        order.is_some_and(|order| seen.is_none_or(|seen| seen.answered != order.number))
    }

    fn look_at_bmc(&mut self, number: usize) {
        if self.silent_bmcs.contains(&number) {
            let (bmc, reason, detail) = (bmc(number), NoData::Timeout, "no answer".to_owned());
            self.run(&Input::BmcSilent { bmc, reason, detail });
            if number > 0 {
                self.silent(number, NodeSide::Bmc);
            }
            return;
        }
        let supplies = if number == 0 {
            self.supplies()
        } else {
            Supplies::default()
        };
        let (bmc, read_at) = (bmc(number), self.now());
        self.run(&Input::SuppliesSeen {
            bmc,
            supplies,
            read_at,
        });
        if number > 0 {
            let facts = BmcFacts {
                powered_on: Some(true),
                drawn: Reading::Value(self.draw(number)),
                ..BmcFacts::default()
            };
            let (node, facts) = (node(number), Box::new(facts));
            self.run(&Input::NodeBmcSeen { node, facts });
        }
    }

    /// What a node draws: what its load wants, at most what its cap lets it; but where that does not bite.
    fn draw(&self, number: usize) -> Power {
        if self.overdrawn.contains(&number) {
            return watts(3_500);
        }
        let order = self.rack.kept.orders.get(&node(number));
        watts(900).min(order.map_or(Power::MAX, |order| order.cap))
    }

    fn silent(&mut self, number: usize, side: NodeSide) {
        let (node, reason) = (node(number), "no answer".to_owned());
        self.run(&Input::NodeSilent { node, side, reason });
    }

    fn look_at_agent(&mut self, number: usize) {
        let name = node(number);
        let before = self
            .rack
            .sight
            .nodes
            .get(&name)
            .and_then(|seen| seen.lease.clone());
        let mut seen: LeaseSight = before.unwrap_or_default();
        let is_silent = self.silent_agents.contains(&number);
        if is_silent {
            self.silent(number, NodeSide::Agent);
        } else {
            let (node, facts) = (name.clone(), Box::<AgentFacts>::default());
            self.run(&Input::AgentSeen { node, facts });
        }
        if is_silent || self.refusing.contains(&number) {
            seen.silent_since = seen.silent_since.or(Some(self.now()));
        } else if let Some(order) = self.rack.kept.orders.get(&name) {
            seen = LeaseSight {
                answered: order.number,
                in_force: Some(order.cap),
                applied: true,
                ..LeaseSight::default()
            };
        }
        self.run(&Input::LeaseSeen { node: name, seen });
    }

    fn supplies(&self) -> Supplies {
        let supplies = self
            .shelf
            .iter()
            .zip(&self.led)
            .enumerate()
            .map(|(bay, (part, led))| Supply {
                bay: format!("psu-{bay}"),
                resource: format!("/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies/psu-{bay}"),
                label: None,
                identity: part
                    .as_ref()
                    .map_or_else(Identity::default, |(serial, _)| Identity {
                        maker: Some("Maker".to_owned()),
                        model: Some("M3000".to_owned()),
                        serial: Some(serial.clone()),
                    }),
                state: part.as_ref().map_or(SupplyState::Absent, |(_, state)| *state),
                is_filler: false,
                rated_watts: match part {
                    Some(_) => Reading::Value(watts(3_000)),
                    None => Reading::none(NoData::Absent),
                },
                output_watts: Reading::none(NoData::Unsupported),
                input_watts: Reading::none(NoData::Unsupported),
                hot_pluggable: Some(true),
                led: Some(*led),
            });
        let doubt = Doubt {
            kind: "redundancy".to_owned(),
            message: "the BMC claims that 2 of 6 may fail; 1 may".to_owned(),
            resource: "/redfish/v1/Chassis/shelf/PowerSubsystem".to_owned(),
        };
        Supplies {
            domains: vec![SupplyDomain {
                name: "shelf".to_owned(),
                supplies: supplies.collect(),
                ..SupplyDomain::default()
            }],
            doubts: if self.claims_wrong {
                vec![doubt]
            } else {
                Vec::new()
            },
        }
    }
}
