//! One busbar of the world: a shelf, or the two supplies of a server. What its BMC says of it, and what is left of it.

use facts::supply::{Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, NoData, Power, Reading};
use hw_fixtures::world::{Happening, Phase, Verb, World};

use crate::scene::{Kind, Scene};

/// A busbar and what the test knows of it.
pub struct Site {
    /// The name of the shelf, of its BMC and of its domain.
    pub name: String,
    pub world: World,
    pub next_poll: u64,
    /// Its BMC answers nothing until then.
    pub silent_until: u64,
    pub silent_since: u64,
    pub last_loss: Option<u64>,
    /// When something about its supplies changed last.
    pub changed: u64,
    /// More was lost than the policy covers: what is left is physics.
    pub uncovered: bool,
    /// A weaker part was put in than the one that was sold by.
    pub weaker: bool,
}

impl Site {
    pub fn new(name: &str, scene: &Scene, seed: u64) -> Site {
        Site {
            name: name.to_owned(),
            world: World::new(scene.plan(name, seed)),
            next_poll: 0,
            silent_until: 0,
            silent_since: 0,
            last_loss: None,
            changed: 0,
            uncovered: false,
            weaker: false,
        }
    }

    pub fn place(&self, bay: usize) -> String {
        format!("{}/psu-{bay}", self.name)
    }

    /// Whether every bay delivers.
    pub fn is_whole(&self) -> bool {
        let mut supplies = self.world.supplies().iter();
        supplies.all(|supply| supply.phase() == Phase::Running)
    }

    pub fn installed(&self) -> u64 {
        self.world.available()
    }

    /// What is left after the worst loss that the policy still covers; `None` where it covers none any more.
    pub fn after_a_loss(&self, scene: &Scene) -> Option<u64> {
        let available = || self.world.supplies().iter().map(|supply| supply.available());
        match scene.kind {
            Kind::Shelf | Kind::Floors | Kind::Servers => {
                let largest = available().max().unwrap_or_default();
                available()
                    .all(|watts| watts > 0)
                    .then(|| self.installed() - largest)
            }
            Kind::Feeds => {
                let feed = |feed: &str| -> (u64, bool) {
                    let mine = available()
                        .enumerate()
                        .filter(|(bay, _)| scene.feed_of(*bay) == feed);
                    mine.fold((0, true), |(sum, whole), (_, watts)| {
                        (sum + watts, whole && watts > 0)
                    })
                };
                let ((one, is_whole), (other, other_is_whole)) = (feed("A"), feed("B"));
                match (is_whole, other_is_whole) {
                    (true, true) => Some(one.min(other)),
                    // The rest of a feed that has begun to fail may go too.
                    (true, false) => Some(one),
                    (false, true) => Some(other),
                    (false, false) => None,
                }
            }
        }
    }

    /// What would be left of what there is after the worst unit of the policy.
    pub fn after_another_loss(&self, scene: &Scene) -> u64 {
        let available = || self.world.supplies().iter().map(|supply| supply.available());
        let worst = match scene.kind {
            Kind::Shelf | Kind::Floors | Kind::Servers => available().max().unwrap_or_default(),
            Kind::Feeds => {
                let of = |feed: &str| -> u64 {
                    let mine = available()
                        .enumerate()
                        .filter(|(bay, _)| scene.feed_of(*bay) == feed);
                    mine.map(|(_, watts)| watts).sum()
                };
                of("A").max(of("B"))
            }
        };
        self.installed() - worst
    }

    /// Time goes by; whether a BMC would tell of something.
    pub fn pass(&mut self, now: u64) -> bool {
        self.world.advance_to(now);
        let mut told = false;
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
            self.changed = now;
        }
        told
    }

    pub fn pull(&mut self, bay: usize, now: u64) {
        let place = self.place(bay);
        self.world.act(&Verb::Pull { place }).unwrap();
        self.changed = now;
    }

    /// Puts a part into an empty bay: the first one, or another of so many milliwatts.
    pub fn insert(&mut self, bay: usize, other: Option<(String, u64)>, now: u64) {
        let place = self.place(bay);
        let (serial, milliwatts) = other.unzip();
        let verb = Verb::Insert {
            place,
            maker: None,
            model: None,
            serial,
            milliwatts,
            bytes: None,
        };
        self.world.act(&verb).unwrap();
        self.changed = now;
    }

    /// The inlet of a bay loses its power, or has it again.
    pub fn inlet(&mut self, bay: usize, live: bool, now: u64) {
        let feed = format!("inlet-{bay}");
        if self.world.feed_live(&feed) != live {
            let verb = if live {
                Verb::FeedRestore { feed }
            } else {
                Verb::FeedLoss { feed }
            };
            self.world.act(&verb).unwrap();
            self.changed = now;
        }
    }

    /// What the BMC says.
    pub fn supplies(&self) -> Supplies {
        let one = |supply: &hw_fixtures::world::Supply| Supply {
            bay: supply.bay().to_owned(),
            resource: String::new(),
            label: None,
            identity: Identity {
                maker: supply.part().map(|part| part.maker.clone()),
                model: supply.part().map(|part| part.model.clone()),
                serial: supply.part().map(|part| part.serial.clone()),
            },
            state: match supply.phase() {
                Phase::Absent => SupplyState::Absent,
                Phase::Running => SupplyState::Ok,
                Phase::Starting => SupplyState::Off,
                Phase::HoldUp | Phase::NoInput => SupplyState::InputLost,
                Phase::Tripped | Phase::Failed => SupplyState::Faulted,
            },
            is_filler: false,
            rated_watts: match supply.part() {
                Some(part) => Reading::Value(Power::from_milliwatts(part.rated_milliwatts)),
                None => Reading::none(NoData::Absent),
            },
            output_watts: Reading::none(NoData::Unsupported),
            input_watts: Reading::none(NoData::Unsupported),
            hot_pluggable: Some(true),
            led: None,
        };
        Supplies {
            domains: vec![SupplyDomain {
                name: self.name.clone(),
                supplies: self.world.supplies().iter().map(one).collect(),
                ..SupplyDomain::default()
            }],
            doubts: Vec::new(),
        }
    }
}
