//! A rack's core with the world around it: everything is looked at and acted on as the turn does, on a clock that is turned by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use facts::Moment;
use rack_api::v1::{DriveClaimAsk, EraseDrive};
use rack_controller::config::RackConfig;
use rack_controller::decide::{DrivesInput, Input, Refusal, decide_for, seen_again, want};
use rack_controller::pools::drives::{Drive, DriveId, Tenancy, plan};
use rack_controller::rack::{Event, Outcome, Rack, evolve};

use crate::world::{Part, World};

pub const CONFIG: &str = r#"
[rack]
name = "r1"
mode = "enforce"

[[domain]]
name = "shelf"
source = "budget"
budget_watts = 3000

[[tenant]]
name = "research"
drives = 3

[[tenant]]
name = "web"

[[node]]
name = "box"
domain = "shelf"
max_draw_watts = 300
agent = "http://127.0.0.1:1"

[[node]]
name = "n01"
domain = "shelf"
max_draw_watts = 800
agent = "http://127.0.0.1:1"

[[node]]
name = "n02"
domain = "shelf"
max_draw_watts = 800
agent = "http://127.0.0.1:1"

[[enclosure]]
name = "jbof"
agent = "box"
bays = 8
"#;

pub struct Bench {
    pub rack: Rack,
    pub world: World,
    pub now: Moment,
    /// Every journaled event.
    pub events: Vec<Event>,
}

impl Bench {
    /// A rack with an enclosure of these drives and two nodes, looked at once.
    pub fn new(serials: &[&str]) -> Bench {
        Bench::configured(CONFIG, serials)
    }

    /// The same with another configuration.
    pub fn configured(config: &str, serials: &[&str]) -> Bench {
        let config = RackConfig::from_text(config, Path::new("rack.toml")).unwrap();
        let mut world = World::default();
        world.node("box", Some("127.0.0.1:4420".parse().unwrap()));
        world.node("n01", None);
        world.node("n02", None);
        for (index, serial) in serials.iter().enumerate() {
            world.put("box", &(index + 1).to_string(), Part::new(serial));
        }
        let mut bench = Bench {
            rack: Rack::new(&config),
            world,
            now: Moment::from_millis(1_800_000_000_000),
            events: Vec::new(),
        };
        let version = "1".to_owned();
        bench.run(&Input::Started { version }).unwrap();
        bench.look();
        bench
    }

    /// The same on another configuration: another controller on the same journal.
    pub fn on(mut self, config: &str) -> Bench {
        let config = RackConfig::from_text(config, Path::new("rack.toml")).unwrap();
        self.rack = Rack::restored(&config, self.rack.kept);
        self.look();
        self
    }

    /// The same, with each of them enrolled and erased.
    pub fn with_pool(serials: &[&str]) -> Bench {
        let mut bench = Bench::new(serials);
        for serial in serials {
            bench.enrol(serial).unwrap();
        }
        bench.settle();
        for serial in serials {
            assert!(
                matches!(bench.drive(serial).tenancy, Tenancy::Free { .. }),
                "{:?}",
                bench.drive(serial)
            );
        }
        bench.world.erased.clear();
        bench
    }

    pub fn run(&mut self, input: &Input) -> Result<Vec<Event>, Refusal> {
        let again = seen_again(&self.rack, input, self.now);
        let events = match again {
            Some(event) => vec![event],
            None => decide_for(&self.rack, input, self.now, None)?,
        };
        for event in &events {
            evolve(&mut self.rack, event);
            if event.is_journaled() {
                self.events.push(event.clone());
            }
        }
        Ok(events)
    }

    /// Every agent is looked at.
    pub fn look(&mut self) {
        let nodes: Vec<String> = self.world.nodes.keys().cloned().collect();
        for node in nodes {
            let input = if self.world.nodes[&node].is_silent {
                let reason = "it does not answer".to_owned();
                DrivesInput::Silent { node, reason }
            } else {
                let view = Arc::new(self.world.view(&node));
                DrivesInput::Seen { node, view }
            };
            self.run(&Input::Drives(input)).unwrap();
        }
    }

    /// Whatever is wanted is ordered.
    pub fn act(&mut self) {
        for action in want(&self.rack, self.now) {
            let Some((node, order)) = plan::order(&self.rack, &action) else {
                continue;
            };
            let outcome = match self.world.obey(&node, &order, self.now) {
                Ok(_) => Outcome::Done,
                Err(why) => Outcome::Failed(why),
            };
            self.run(&Input::ActionDone { action, outcome }).unwrap();
        }
    }

    /// Time goes by, second by second, and everybody does what they should.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            self.world.write();
            self.look();
            self.run(&Input::Tick).unwrap();
            self.act();
        }
    }

    /// Time goes by without anybody being looked at but at the end.
    pub fn skip(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.look();
        self.run(&Input::Tick).unwrap();
    }

    pub fn settle(&mut self) {
        self.pass(12);
    }

    pub fn enrol(&mut self, serial: &str) -> Result<Vec<Event>, Refusal> {
        let request = EraseDrive {
            serial: serial.to_owned(),
            model: None,
        };
        let serial = serial.to_owned();
        self.run(&Input::Drives(DrivesInput::Enrol { serial, request }))
    }

    pub fn erase(&mut self, serial: &str) -> Result<Vec<Event>, Refusal> {
        let request = EraseDrive {
            serial: serial.to_owned(),
            model: None,
        };
        let serial = serial.to_owned();
        self.run(&Input::Drives(DrivesInput::Erase { serial, request }))
    }

    pub fn claim(&mut self, ask: &DriveClaimAsk) -> Result<Vec<Event>, Refusal> {
        self.claim_with(ask, None)
    }

    pub fn claim_with(&mut self, ask: &DriveClaimAsk, key: Option<&str>) -> Result<Vec<Event>, Refusal> {
        let ask = Box::new(ask.clone());
        let key = key.map(str::to_owned);
        self.run(&Input::Drives(DrivesInput::Claim { ask, key }))
    }

    pub fn release(&mut self, claim: &str, erase_after_seconds: Option<u32>) -> Result<Vec<Event>, Refusal> {
        let claim = claim.to_owned();
        self.run(&Input::Drives(DrivesInput::Release {
            claim,
            erase_after_seconds,
        }))
    }

    pub fn drive(&self, serial: &str) -> &Drive {
        let mut drives = self.rack.kept.drives.of_serial(serial);
        drives.next().unwrap_or_else(|| panic!("nobody knows {serial}"))
    }

    /// Its tenancy in a word, with its stage where it is claimed.
    pub fn word(&self, serial: &str) -> String {
        let tenancy = &self.drive(serial).tenancy;
        if let Tenancy::Claimed(grant) = tenancy {
            return format!("{:?}", grant.stage).to_lowercase();
        }
        tenancy.word().to_owned()
    }

    pub fn id(&self, serial: &str) -> DriveId {
        self.drive(serial).id.clone()
    }

    /// The kinds of the journaled events from one on.
    pub fn kinds(&self, from: usize) -> Vec<&'static str> {
        self.events[from..].iter().map(Event::kind).collect()
    }

    /// What was journaled, read back from JSON, makes the same rack again; and so does a snapshot of it.
    pub fn replays(&self) {
        let config = Arc::clone(&self.rack.config);
        let mut again = Rack::new(&config);
        for event in &self.events {
            let json = serde_json::to_string(event).unwrap();
            let read: Event = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
            assert_eq!(read, *event);
            assert!(!event.message().is_empty(), "{event:?}");
            evolve(&mut again, &read);
        }
        assert_eq!(again.kept, self.rack.kept);
        let snapshot = serde_json::to_string(&self.rack.kept).unwrap();
        let kept = serde_json::from_str(&snapshot).unwrap();
        assert_eq!(Rack::restored(&config, kept).kept, self.rack.kept);
    }
}

pub fn ask(purpose: &str, node: &str, tenant: &str) -> DriveClaimAsk {
    let ask = serde_json::json!({"for": purpose, "node": node, "tenant": tenant});
    serde_json::from_value(ask).unwrap()
}
