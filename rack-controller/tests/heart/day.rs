//! One random day of one rack, and what must hold after each happening.

use std::collections::BTreeMap;
use std::path::Path;

use facts::supply::SupplyState;
use facts::{Moment, NoData};
use rack_api::v1::{DomainState, PowerAsk};
use rack_controller::bay::Life;
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal, decide, want};
use rack_controller::rack::{Event, Outcome, Rack, evolve};

use super::oracle::Book;
use super::shelf::{Dice, Part, Shelf};

/// How often each kind of happening came about: a day on which nothing happens proves nothing.
#[derive(Debug, Default)]
pub struct Counted(BTreeMap<&'static str, u64>);

impl Counted {
    pub fn add(&mut self, other: &Counted) {
        for (kind, times) in &other.0 {
            *self.0.entry(kind).or_default() += times;
        }
    }

    pub(super) fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn assert_everything_happened(&self) {
        for kind in [
            "happening",
            "restart",
            "claim_admitted",
            "claim_released",
            "refused",
            "replayed",
            "supply_lost",
            "supply_pulled",
            "supply_inserted",
            "supply_in_service",
            "supply_faulted",
            "drain_begun",
            "ready_to_pull",
            "drain_ended",
            "bmc_silent",
            "domain_blind",
            "domain_exposed",
            "domain_deficit",
            "domain_redundant",
            "led_lit",
            "led_out",
            "cap_set",
            "action_failed",
            "yes",
            "yes, exposed",
            "no",
        ] {
            assert!(
                self.0.get(kind).is_some_and(|times| *times > 20),
                "too few of {kind}: {self:?}"
            );
        }
    }
}

pub struct Day {
    pub(super) dice: Dice,
    pub(super) config: RackConfig,
    pub(super) rack: Rack,
    /// A second rack that only ever sees what the journal holds, through its JSON.
    pub(super) shadow: Rack,
    pub(super) journal: Vec<Event>,
    pub(super) now: Moment,
    pub(super) shelves: [Shelf; 2],
    pub(super) caps: BTreeMap<String, u64>,
    /// The test's own book of promises.
    pub(super) book: Book,
    pub(super) keys: Vec<(String, PowerAsk)>,
    pub(super) names: u64,
    pub(super) counted: Counted,
    /// Whether something was journaled since the last look at everything.
    pub(super) changed: bool,
}

fn config(dice: &mut Dice) -> RackConfig {
    let policy = *dice.pick(&["n", "n+1", "n+1", "n+2", "n+n"]);
    let margin = *dice.pick(&["0", "0.03", "0.2"]);
    let fixed = *dice.pick(&[0, 700]);
    let budget = *dice.pick(&[9_000, 40_000]);
    let floor = *dice.pick(&[0, 120, 300]);
    let mut text = format!(
        "[rack]\nname = \"r\"\n[[feed]]\nname = \"A\"\nvolts = 230\nbreaker_amperes = 32\n[[feed]]\nname = \"B\"\nvolts = 230\nbreaker_amperes = 32\n\
[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n[[bmc]]\nname = \"box\"\nurl = \"https://192.0.2.6\"\n\
[[domain]]\nname = \"contract\"\nsource = \"budget\"\nbudget_watts = {budget}\nmargin = 0\n\
[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"{policy}\"\nmargin = {margin}\nfixed_load_watts = {fixed}\nwithin = \"contract\"\n\
[[domain]]\nname = \"box\"\nsource = \"chassis\"\nredundancy = \"n+n\"\nsettle = \"0s\"\nprobation = \"0s\"\nwithin = \"contract\"\n"
    );
    for (shelf, bays) in [("shelf", 6), ("box", 2)] {
        for bay in 0..bays {
            let feed = if bay * 2 < bays { "A" } else { "B" };
            text.push_str(&format!(
                "[[bay]]\nplace = \"{shelf}/psu-{bay}\"\nfeed = \"{feed}\"\n"
            ));
        }
    }
    for (node, domain) in [("n01", "shelf"), ("n02", "shelf"), ("n03", "box")] {
        text.push_str(&format!(
            "[[node]]\nname = \"{node}\"\ndomain = \"{domain}\"\nmax_draw_watts = 1000\nfloor_watts = {floor}\nbmc = \"https://192.0.2.7\"\n"
        ));
    }
    RackConfig::from_text(&text, Path::new("rack.toml")).unwrap()
}

impl Day {
    pub fn new(seed: u64) -> Day {
        let mut dice = Dice::new(seed);
        let config = config(&mut dice);
        let tells = dice.one_in(2);
        Day {
            rack: Rack::new(&config),
            shadow: Rack::new(&config),
            config,
            journal: Vec::new(),
            now: Moment::from_millis(1_795_311_618_000),
            shelves: [Shelf::new("shelf", 6, tells), Shelf::new("box", 2, false)],
            caps: BTreeMap::new(),
            book: Book::new(),
            keys: Vec::new(),
            names: 0,
            counted: Counted::default(),
            changed: true,
            dice,
        }
    }

    pub fn live(mut self, happenings: u64) -> Counted {
        self.input(&Input::Started {
            version: "0".to_owned(),
        })
        .unwrap();
        for _ in 0..happenings {
            self.counted.count("happening");
            let ahead = *self.dice.pick(&[0, 5, 200, 1_000, 4_000, 60_000]);
            self.now = Moment::from_millis(self.now.millis() + self.dice.below(ahead + 1));
            self.happen();
            if std::mem::take(&mut self.changed) || self.dice.one_in(8) {
                self.check();
            }
        }
        self.restart();
        self.comes_to_rest();
        self.counted
    }

    pub(super) fn input(&mut self, input: &Input) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.rack, input, self.now)?;
        for event in &events {
            evolve(&mut self.rack, event);
            if event.is_journaled() {
                let json = serde_json::to_string(event).unwrap();
                let again: Event = serde_json::from_str(&json).unwrap();
                assert_eq!(again, *event, "{json}");
                evolve(&mut self.shadow, &again);
                self.journal.push(again);
                self.changed = true;
                self.counted.count(event.kind());
                assert!(!event.message().is_empty() && !event.subject().is_empty());
            }
        }
        Ok(events)
    }

    fn happen(&mut self) {
        let which = self.dice.below(2) as usize;
        match self.dice.below(24) {
            0..=2 => self.hands(which),
            3..=8 => self.look(which),
            9 => self.shelves[which].silent = !self.shelves[which].silent && self.dice.one_in(2),
            10..=12 => self.claim(),
            13..=14 => self.release(),
            15 => self.drain(),
            16 => self.locate(),
            17..=20 => self.act(),
            21 => self.node(),
            22 if self.dice.one_in(4) => self.restart(),
            22 => self.blur(which),
            _ => {
                self.input(&Input::Tick).unwrap();
            }
        }
    }

    /// Somebody does something to a bay with their hands, or it does it by itself.
    fn hands(&mut self, which: usize) {
        let bay = self.dice.below(self.shelves[which].bays.len() as u64) as usize;
        let serial = 100 + self.dice.below(1_000);
        let watts = *self.dice.pick(&[3_000, 3_000, 2_000, 1_400]);
        let works = !self.dice.one_in(6);
        let state = *self.dice.pick(&[
            SupplyState::Ok,
            SupplyState::Ok,
            SupplyState::Ok,
            SupplyState::Faulted,
            SupplyState::InputLost,
            SupplyState::Off,
        ]);
        let bay = &mut self.shelves[which].bays[bay];
        match bay {
            Some(part) if serial < 500 => {
                part.state = state;
                part.works = works;
            }
            Some(_) if serial < 900 => *bay = None,
            Some(part) => part.serial = serial,
            None => {
                *bay = Some(Part {
                    serial,
                    watts,
                    state: SupplyState::Ok,
                    works: true,
                });
            }
        }
    }

    /// The BMC says too little of one bay, or says enough again.
    fn blur(&mut self, which: usize) {
        let bays = self.shelves[which].bays.len() as u64;
        let bay = self.dice.below(bays * 2);
        self.shelves[which].unclear = (bay < bays).then_some(bay as usize);
    }

    pub(super) fn look(&mut self, which: usize) {
        let name = self.shelves[which].name.to_owned();
        if self.shelves[which].silent {
            let claims = std::sync::Arc::clone(&self.rack.kept.claims);
            let lives = self.lives();
            let reason = NoData::Timeout;
            self.input(&Input::BmcSilent {
                bmc: name,
                reason,
                detail: "no answer".to_owned(),
            })
            .unwrap();
            assert_eq!(self.rack.kept.claims, claims, "blindness takes no promise");
            for (place, life) in self.lives() {
                let back = lives[&place].leaving().is_some();
                assert!(
                    back || life == lives[&place],
                    "blindness changes no life: {place}"
                );
            }
            return;
        }
        let before = self.rack.kept.bays.clone();
        let supplies = self.shelves[which].say(&mut self.dice);
        let read_at = self.now;
        self.input(&Input::SuppliesSeen {
            bmc: name.clone(),
            supplies,
            read_at,
        })
        .unwrap();
        self.shelves[which].looked = Some(self.shelves[which].bays.clone());
        for (bay, part) in self.shelves[which].bays.iter().enumerate() {
            let place = format!("{name}/psu-{bay}");
            let kept = &self.rack.kept.bays[&place];
            if self.shelves[which].unclear == Some(bay) {
                let back = before[&place].life.leaving().is_some();
                assert!(back || kept.life == before[&place].life, "{place} moved unseen");
                assert!(!self.rack.sees(&place));
                continue;
            }
            match part {
                None => assert_eq!(kept.life, Life::Empty, "{place}"),
                Some(part) => {
                    assert_eq!(
                        kept.part.as_ref().unwrap().serial,
                        Some(format!("S{}", part.serial))
                    );
                    assert!(
                        !kept.life.counts() || part.state == SupplyState::Ok,
                        "{place} counts"
                    );
                }
            }
            let was = &before[&place];
            if kept.life.counts() && !was.life.counts() && name == "shelf" {
                let tried = matches!(was.life, Life::Probation { until } if until <= self.now);
                let given_back = was.life.leaving().is_some();
                assert!(
                    tried || given_back,
                    "{place} counts without a trial: {:?}",
                    was.life
                );
            }
        }
    }

    fn lives(&self) -> BTreeMap<String, Life> {
        self.rack
            .kept
            .bays
            .iter()
            .map(|(place, bay)| (place.clone(), bay.life.clone()))
            .collect()
    }

    /// The controller dies and starts again: everything comes from the journal.
    fn restart(&mut self) {
        self.counted.count("restart");
        let mut again = Rack::new(&self.config);
        for event in &self.journal {
            evolve(&mut again, event);
        }
        assert_eq!(again.kept, self.rack.kept, "the journal gives another rack");
        self.rack = again;
        self.input(&Input::Started {
            version: "0".to_owned(),
        })
        .unwrap();
        for shelf in &mut self.shelves {
            shelf.looked = None;
        }
        for domain in ["shelf", "box"] {
            assert_eq!(
                self.rack.kept.domains[domain].state,
                DomainState::Blind,
                "{domain} sees before it looked"
            );
        }
    }

    /// With everybody answering and every action done, nothing is wanted any more.
    fn comes_to_rest(&mut self) {
        for shelf in &mut self.shelves {
            shelf.silent = false;
            shelf.unclear = None;
        }
        for _ in 0..20 {
            self.now = Moment::from_millis(self.now.millis() + 700_000);
            for which in [0, 1] {
                self.look(which);
            }
            self.input(&Input::Tick).unwrap();
            let wanted = want(&self.rack, self.now);
            if wanted.is_empty() {
                self.check();
                return;
            }
            for action in wanted {
                self.one_act(action, Outcome::Done);
            }
        }
        panic!("the rack does not come to rest: {:?}", want(&self.rack, self.now));
    }
}
