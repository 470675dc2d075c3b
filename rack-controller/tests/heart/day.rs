//! One random day of one rack, and what must hold after each happening.

use std::collections::BTreeMap;
use std::path::Path;

use facts::supply::SupplyState;
use facts::{Moment, NoData, Power, Reading};
use rack_api::v1::{BayLife, DomainState, DrainRequest, Interlock, LocateRequest, PowerAsk};
use rack_controller::bay::Life;
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal, decide, drain_answer, want};
use rack_controller::pools::power::plan;
use rack_controller::rack::{Action, BmcFacts, Event, NodeSide, Outcome, Rack, What, evolve};
use rack_controller::view::view;

use super::oracle::{self, Book};
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

    fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn assert_everything_happened(&self) {
        for kind in [
            "happening", "restart", "claim_admitted", "claim_released", "refused", "replayed", "supply_lost", "supply_pulled",
            "supply_inserted", "supply_in_service", "supply_faulted", "drain_begun", "ready_to_pull", "drain_ended",
            "bmc_silent", "domain_blind", "domain_exposed", "domain_deficit", "domain_redundant", "led_lit", "led_out",
            "cap_set", "action_failed", "yes", "yes, exposed", "no",
        ] {
            assert!(self.0.get(kind).is_some_and(|times| *times > 20), "too few of {kind}: {self:?}");
        }
    }
}

pub struct Day {
    dice: Dice,
    config: RackConfig,
    rack: Rack,
    /// A second rack that only ever sees what the journal holds, through its JSON.
    shadow: Rack,
    journal: Vec<Event>,
    now: Moment,
    shelves: [Shelf; 2],
    caps: BTreeMap<String, u64>,
    /// The test's own book of promises.
    book: Book,
    keys: Vec<(String, PowerAsk)>,
    names: u64,
    counted: Counted,
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
            text.push_str(&format!("[[bay]]\nplace = \"{shelf}/psu-{bay}\"\nfeed = \"{feed}\"\n"));
        }
    }
    for (node, domain) in [("n01", "shelf"), ("n02", "shelf"), ("n03", "box")] {
        text.push_str(&format!(
            "[[node]]\nname = \"{node}\"\ndomain = \"{domain}\"\nmax_draw_watts = 4000\nfloor_watts = {floor}\nbmc = \"https://192.0.2.7\"\n"
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
            dice,
        }
    }

    pub fn live(mut self, happenings: usize) -> Counted {
        self.input(&Input::Started { version: "0".to_owned() }).unwrap();
        for _ in 0..happenings {
            self.counted.count("happening");
            let ahead = *self.dice.pick(&[0, 5, 200, 1_000, 4_000, 60_000]);
            self.now = Moment::from_millis(self.now.millis() + self.dice.below(ahead + 1));
            self.happen();
            self.check();
        }
        self.restart();
        self.comes_to_rest();
        self.counted
    }

    fn input(&mut self, input: &Input) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.rack, input, self.now)?;
        for event in &events {
            evolve(&mut self.rack, event);
            if event.is_journaled() {
                let json = serde_json::to_string(event).unwrap();
                let again: Event = serde_json::from_str(&json).unwrap();
                assert_eq!(again, *event, "{json}");
                evolve(&mut self.shadow, &again);
                self.journal.push(again);
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

    fn look(&mut self, which: usize) {
        let name = self.shelves[which].name.to_owned();
        if self.shelves[which].silent {
            let claims = self.rack.kept.claims.clone();
            let lives = self.lives();
            let reason = NoData::Timeout;
            self.input(&Input::BmcSilent { bmc: name, reason, detail: "no answer".to_owned() }).unwrap();
            assert_eq!(self.rack.kept.claims, claims, "blindness takes no promise");
            for (place, life) in self.lives() {
                let back = lives[&place].leaving().is_some();
                assert!(back || life == lives[&place], "blindness changes no life: {place}");
            }
            return;
        }
        let before = self.rack.kept.bays.clone();
        let supplies = self.shelves[which].say(&mut self.dice);
        let read_at = self.now;
        self.input(&Input::SuppliesSeen { bmc: name.clone(), supplies, read_at }).unwrap();
        self.shelves[which].looked = Some(self.shelves[which].bays.clone());
        for (bay, part) in self.shelves[which].bays.iter().enumerate() {
            let place = format!("{name}/psu-{bay}");
            let kept = &self.rack.kept.bays[&place];
            match part {
                None => assert_eq!(kept.life, Life::Empty, "{place}"),
                Some(part) => {
                    assert_eq!(kept.part.as_ref().unwrap().serial, Some(format!("S{}", part.serial)));
                    assert!(!kept.life.counts() || part.state == SupplyState::Ok, "{place} counts");
                }
            }
            let was = &before[&place];
            if kept.life.counts() && !was.life.counts() && name == "shelf" {
                let tried = matches!(was.life, Life::Probation { until } if until <= self.now);
                let given_back = was.life.leaving().is_some();
                assert!(tried || given_back, "{place} counts without a trial: {:?}", was.life);
            }
        }
    }

    fn lives(&self) -> BTreeMap<String, Life> {
        self.rack.kept.bays.iter().map(|(place, bay)| (place.clone(), bay.life.clone())).collect()
    }

    fn claim(&mut self) {
        if self.dice.one_in(8) && !self.keys.is_empty() {
            let (key, ask) = self.dice.pick(&self.keys).clone();
            let events = self.input(&Input::ClaimPower { ask, key: Some(key) }).unwrap();
            assert!(!events.iter().any(|event| event.kind() == "claim_admitted"), "a repeated ask is no new claim");
            self.counted.count("replayed");
            return;
        }
        self.names += 1;
        let node = *self.dice.pick(&[None, None, Some("n01"), Some("n02"), Some("n03"), Some("n99")]);
        let domain = *self.dice.pick(&["shelf", "shelf", "box", "contract", "roof"]);
        let ask = PowerAsk {
            watts: Power::from_milliwatts(self.dice.below(4_000_000)),
            purpose: format!("w{}", self.dice.below(self.names) + self.dice.below(2) * 10_000),
            node: node.map(str::to_owned),
            domain: node.is_none().then(|| domain.to_owned()),
            priority: None,
        };
        let key = self.dice.one_in(2).then(|| format!("k{}", self.names));
        let asked = Input::ClaimPower { ask: ask.clone(), key: key.clone() };
        let domains: Vec<String> = self.config.domains.iter().map(|domain| domain.name.clone()).collect();
        match self.input(&asked) {
            Ok(events) => {
                let What::ClaimAdmitted { claim, .. } = &events[0].what else { panic!("{events:?}") };
                assert!(!self.book.contains_key(&ask.purpose), "two claims of one name");
                let entry = (u128::from(ask.watts.milliwatts()), claim.domain.clone(), ask.node.clone());
                self.book.insert(ask.purpose.clone(), entry);
                for domain in domains {
                    let above = domain == claim.domain || domain == "contract";
                    assert!(!above || oracle::keeps_its_policy(&self.rack, &domain, &self.book), "{domain} oversold");
                }
                assert_ne!(self.rack.kept.domains[&claim.domain].state, DomainState::Blind);
                if let Some(key) = key {
                    self.keys.push((key, ask));
                }
            }
            Err(Refusal::Shortfall { shortfall, .. }) => {
                self.counted.count("refused");
                assert_eq!(shortfall.short_watts, ask.watts.saturating_sub(shortfall.headroom_watts));
            }
            Err(refused) => assert!(["bad_request", "conflict"].contains(&refused.code()), "{refused}"),
        }
    }

    fn release(&mut self) {
        let names: Vec<String> = self.book.keys().cloned().collect();
        if names.is_empty() || self.dice.one_in(10) {
            let refused = self.input(&Input::ReleaseClaim { claim: "nobody".to_owned() }).unwrap_err();
            assert_eq!(refused.code(), "not_found");
            return;
        }
        let name = self.dice.pick(&names).clone();
        let by = if self.dice.one_in(2) { self.rack.claim(&name).unwrap().id.to_string() } else { name.clone() };
        self.input(&Input::ReleaseClaim { claim: by }).unwrap();
        self.book.remove(&name);
    }

    fn drain(&mut self) {
        let places: Vec<String> = self.rack.kept.bays.keys().cloned().collect();
        let force = self.dice.one_in(4);
        let request = DrainRequest {
            place: self.dice.pick(&places).clone(),
            dry_run: self.dice.one_in(5),
            exposed: self.dice.one_in(2),
            force,
            reason: force.then(|| "smoke".to_owned()),
            cancel: self.dice.one_in(5),
        };
        let answer = drain_answer(&self.rack, &request, self.now);
        if let Ok(answer) = &answer
            && !request.cancel
        {
            self.counted.count(answer.answer.words());
            let bay = &self.rack.kept.bays[&request.place];
            let domain = &self.config.bay(&request.place).unwrap().domain;
            let expected = if !bay.life.counts() {
                Interlock::Yes
            } else if !self.rack.sees(&request.place) {
                Interlock::No
            } else {
                oracle::interlock(&self.rack, domain, &request.place, &self.book)
            };
            assert_eq!(answer.answer, expected, "{answer:?}");
        }
        let word = |rack: &Rack| rack.kept.bays[&request.place].life.word();
        let before = word(&self.rack);
        let done = self.input(&Input::Drain(request.clone()));
        let after = word(&self.rack);
        match (answer, done) {
            (Ok(answer), Ok(_)) if !request.cancel => {
                assert!(request.dry_run || answer.begun);
                if answer.begun && before == BayLife::InService {
                    assert!([BayLife::Draining, BayLife::ReadyToPull].contains(&after), "{after:?}");
                }
            }
            (Ok(answer), Err(Refusal::Interlock(said))) => {
                assert!(!answer.begun && *said == answer);
                assert_eq!(before, after);
            }
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
            (answer, done) => panic!("{answer:?} {done:?}"),
        }
    }

    fn locate(&mut self) {
        let places: Vec<String> = self.rack.kept.bays.keys().cloned().collect();
        let request = LocateRequest {
            place: self.dice.pick(&places).clone(),
            on: self.dice.one_in(2),
            for_seconds: Some(30),
        };
        self.input(&Input::Locate(request)).unwrap();
    }

    /// Whatever is wanted is done, fails, or is held back.
    fn act(&mut self) {
        let wanted = want(&self.rack, self.now);
        self.never_raises_before_lowering(&wanted);
        for action in wanted {
            let outcome = match self.dice.below(8) {
                0 => Outcome::Failed("the BMC said no".to_owned()),
                1 => Outcome::Would,
                _ => Outcome::Done,
            };
            self.one_act(action, outcome);
        }
    }

    fn one_act(&mut self, action: Action, outcome: Outcome) {
        let done = outcome == Outcome::Done;
        match &action {
            Action::SetLed { place, on } if done => {
                let (name, bay) = place.split_once("/psu-").unwrap();
                let shelf = self.shelves.iter_mut().find(|shelf| shelf.name == name).unwrap();
                shelf.leds[bay.parse::<usize>().unwrap()] = *on;
            }
            Action::SetCap { node, watts } if done => {
                self.caps.insert(node.clone(), watts.milliwatts());
            }
            Action::ReadSupplies { bmc } => {
                let which = usize::from(bmc == "box");
                self.look(which);
            }
            _ => {}
        }
        self.input(&Input::ActionDone { action, outcome }).unwrap();
    }

    fn never_raises_before_lowering(&self, wanted: &[Action]) {
        let mut lowers = 0;
        let mut raises = 0;
        for action in wanted {
            let Action::SetCap { node, watts } = action else { continue };
            if self.config.node(node).unwrap().domain != "shelf" {
                continue;
            }
            let cap = self.rack.sight.nodes[node].bmc.as_ref().unwrap().cap.value();
            match cap {
                Some(cap) if cap < *watts => raises += 1,
                _ => lowers += 1,
            }
        }
        assert!(lowers == 0 || raises == 0, "{wanted:?}");
    }

    fn node(&mut self) {
        let node = (*self.dice.pick(&["n01", "n02", "n03"])).to_owned();
        if self.dice.one_in(4) {
            let reason = "no answer".to_owned();
            self.input(&Input::NodeSilent { node, side: NodeSide::Bmc, reason }).unwrap();
            return;
        }
        let facts = BmcFacts {
            cap: match self.caps.get(&node) {
                Some(cap) => Reading::Value(Power::from_milliwatts(*cap)),
                None => Reading::none(NoData::Off),
            },
            ..BmcFacts::default()
        };
        self.input(&Input::NodeBmcSeen { node, facts: Box::new(facts) }).unwrap();
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
        self.input(&Input::Started { version: "0".to_owned() }).unwrap();
        for shelf in &mut self.shelves {
            shelf.looked = None;
        }
        for domain in ["shelf", "box"] {
            assert_eq!(self.rack.kept.domains[domain].state, DomainState::Blind, "{domain} sees before it looked");
        }
    }

    fn check(&self) {
        assert_eq!(self.shadow.kept, self.rack.kept, "what is not journaled has changed what is kept");
        assert_eq!(self.rack.kept.sequence, self.journal.len() as u64);
        let claims: Book = self
            .rack
            .kept
            .claims
            .values()
            .map(|claim| {
                let entry = (u128::from(claim.watts.milliwatts()), claim.domain.clone(), claim.node.clone());
                (claim.purpose.clone(), entry)
            })
            .collect();
        assert_eq!(claims, self.book, "a claim has vanished, or one came from nowhere");
        let seen = view(&self.rack, self.now);
        let mut headrooms = BTreeMap::new();
        for domain in &seen.domains {
            let blind = domain.source != "budget"
                && self.shelves.iter().any(|shelf| {
                    shelf.name == domain.name && (shelf.looked.is_none() || !self.rack.bmc_up(shelf.name))
                });
            let expected = oracle::opinion(&self.rack, &domain.name, &self.book, blind);
            let sums = plan::standing(&self.rack, &domain.name).unwrap();
            let got = oracle::Opinion {
                installed: u128::from(sums.installed.milliwatts()),
                surviving: u128::from(sums.surviving.milliwatts()),
                held: u128::from(sums.held.milliwatts()),
                headroom: u128::from(sums.headroom.milliwatts()),
                deficit: u128::from(sums.deficit.milliwatts()),
                state: sums.state,
            };
            assert_eq!(got, expected, "{}", domain.name);
            headrooms.insert(domain.name.clone(), expected.headroom);
        }
        for domain in &seen.domains {
            let tightest = headrooms[&domain.name].min(headrooms["contract"]);
            assert_eq!(u128::from(domain.headroom_watts.milliwatts()), tightest, "{}", domain.name);
        }
    }

    /// With everybody answering and every action done, nothing is wanted any more.
    fn comes_to_rest(&mut self) {
        for shelf in &mut self.shelves {
            shelf.silent = false;
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
