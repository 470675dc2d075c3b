//! A rack, a shelf of six supplies in the test's hands, and a clock.

use std::path::Path;

use facts::supply::{Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, Moment, NoData, Power, Reading};
use rack_api::v1::{BayLife, DrainRequest, Interlock, PowerAsk};
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal, decide, drain_answer, want};
use rack_controller::pools::power::plan;
use rack_controller::rack::{Action, BmcFacts, Event, Outcome, Rack, evolve};

pub struct Bench {
    pub rack: Rack,
    pub now: Moment,
    pub shelf: Vec<Option<SupplyState>>,
    pub led: Vec<bool>,
    pub events: Vec<Event>,
}

pub fn config(redundancy: &str, margin: &str, more: &str) -> RackConfig {
    let mut text = format!(
        "[rack]\nname = \"r\"\n[[feed]]\nname = \"A\"\nvolts = 230\nbreaker_amperes = 32\n[[feed]]\nname = \"B\"\nvolts = 230\nbreaker_amperes = 32\n\
[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"{redundancy}\"\nmargin = {margin}\n{more}\n"
    );
    for bay in 0..6 {
        let feed = if bay < 3 { "A" } else { "B" };
        text.push_str(&format!(
            "[[bay]]\nplace = \"shelf/psu-{bay}\"\nlabel = \"PSU {}\"\nfeed = \"{feed}\"\n",
            bay + 1
        ));
    }
    for node in 1..=4 {
        text.push_str(&format!(
            "[[node]]\nname = \"n0{node}\"\ndomain = \"shelf\"\nmax_draw_watts = 4000\n"
        ));
    }
    RackConfig::from_text(&text, Path::new("rack.toml")).unwrap()
}

pub fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

pub fn ask(name: &str, power: u64) -> PowerAsk {
    PowerAsk {
        watts: watts(power),
        purpose: name.to_owned(),
        node: None,
        domain: None,
        priority: None,
        ..PowerAsk::default()
    }
}

pub fn drain_of(place: &str) -> DrainRequest {
    DrainRequest {
        place: place.to_owned(),
        dry_run: false,
        exposed: false,
        force: false,
        reason: None,
        cancel: false,
        ..DrainRequest::default()
    }
}

impl Bench {
    pub fn new(config: &RackConfig) -> Bench {
        let mut bench = Bench {
            rack: Rack::new(config),
            now: Moment::from_millis(1_795_311_618_000),
            shelf: vec![Some(SupplyState::Ok); 6],
            led: vec![false; 6],
            events: Vec::new(),
        };
        bench.off();
        bench.look();
        bench.pass(5_000);
        bench
    }

    /// The nodes that no agent caps are off: they hold what is claimed on them, and not all that they can draw.
    pub fn off(&mut self) {
        let nodes: Vec<String> = self
            .rack
            .config
            .nodes
            .iter()
            .map(|node| node.name.clone())
            .collect();
        nodes.iter().for_each(|node| self.switched(node, false));
    }

    /// What the BMC of a node says of its power.
    pub fn switched(&mut self, node: &str, on: bool) {
        let facts = BmcFacts {
            powered_on: Some(on),
            ..BmcFacts::default()
        };
        let facts = Box::new(facts);
        let node = node.to_owned();
        self.run(&Input::NodeBmcSeen { node, facts }).unwrap();
    }

    pub fn run(&mut self, input: &Input) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.rack, input, self.now)?;
        for event in &events {
            evolve(&mut self.rack, event);
        }
        self.events.extend(events.clone());
        Ok(events)
    }

    pub fn supplies(&self) -> Supplies {
        let supplies = self
            .shelf
            .iter()
            .zip(&self.led)
            .enumerate()
            .map(|(bay, (state, led))| Supply {
                bay: format!("psu-{bay}"),
                resource: format!("/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies/psu-{bay}"),
                label: None,
                identity: match state {
                    Some(_) => Identity {
                        maker: Some("Maker".to_owned()),
                        model: Some("M3000".to_owned()),
                        serial: Some(format!("S{bay}")),
                    },
                    None => Identity::default(),
                },
                state: state.unwrap_or(SupplyState::Absent),
                is_filler: false,
                rated_watts: match state {
                    Some(_) => Reading::Value(watts(3_000)),
                    None => Reading::none(NoData::Absent),
                },
                output_watts: Reading::none(NoData::Unsupported),
                input_watts: Reading::none(NoData::Unsupported),
                hot_pluggable: Some(true),
                led: Some(*led),
            });
        Supplies {
            domains: vec![SupplyDomain {
                name: "shelf".to_owned(),
                supplies: supplies.collect(),
                ..SupplyDomain::default()
            }],
            doubts: Vec::new(),
        }
    }

    pub fn look(&mut self) -> Vec<Event> {
        let input = Input::SuppliesSeen {
            bmc: "shelf".to_owned(),
            supplies: self.supplies(),
            read_at: self.now,
        };
        self.run(&input).unwrap()
    }

    /// Time goes by, and whatever is wanted is done.
    pub fn pass(&mut self, millis: u64) -> Vec<Event> {
        self.now = Moment::from_millis(self.now.millis() + millis);
        let before = self.events.len();
        self.run(&Input::Tick).unwrap();
        for _ in 0..3 {
            for action in want(&self.rack, self.now) {
                match &action {
                    Action::SetLed { place, on } => {
                        let bay: usize = place.strip_prefix("shelf/psu-").unwrap().parse().unwrap();
                        self.led[bay] = *on;
                        let outcome = Outcome::Done;
                        self.run(&Input::ActionDone { action, outcome }).unwrap();
                    }
                    Action::ReadSupplies { .. } => {
                        self.look();
                    }
                    Action::SetCap { .. } | Action::SwitchNode { .. } => panic!("no node is on"),
                    Action::OrderDrive { .. } | Action::DetachDrive { .. } => panic!("no drive is there"),
                }
            }
        }
        self.events[before..].to_vec()
    }

    pub fn claim(&mut self, name: &str, power: u64) -> Result<Vec<Event>, Refusal> {
        self.run(&Input::ClaimPower {
            ask: ask(name, power),
            key: None,
        })
    }

    pub fn demo(&mut self) {
        for (name, power) in [("web", 6_000), ("db", 3_600), ("cache", 2_000), ("batch", 800)] {
            self.claim(name, power).unwrap();
        }
    }

    pub fn sums(&self) -> plan::Sums {
        plan::standing(&self.rack, "shelf").unwrap()
    }

    pub fn life(&self, bay: usize) -> BayLife {
        self.rack.kept.bays[&format!("shelf/psu-{bay}")].life.word()
    }

    pub fn drain(
        &mut self,
        change: impl FnOnce(&mut DrainRequest),
    ) -> (Interlock, String, Result<Vec<Event>, Refusal>) {
        let mut request = drain_of("shelf/psu-3");
        change(&mut request);
        let answer = drain_answer(&self.rack, &request, self.now).unwrap();
        let done = self.run(&Input::Drain(request));
        let began = done
            .as_ref()
            .is_ok_and(|events| events.iter().any(|event| event.kind() == "drain_begun"));
        assert_eq!(answer.begun, began, "{answer:?}");
        (answer.answer, answer.sentence, done)
    }
}

pub fn kinds(events: &[Event]) -> Vec<&'static str> {
    events
        .iter()
        .filter(|event| event.is_journaled())
        .map(Event::kind)
        .collect()
}
