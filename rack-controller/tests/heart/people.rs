//! What people ask of the rack on a random day, and what they must be answered.

use facts::Power;
use rack_api::v1::{BayLife, DomainState, DrainRequest, Interlock, LocateRequest, PowerAsk};
use rack_controller::decide::{Input, Refusal, drain_answer};
use rack_controller::rack::{Rack, What};

use super::oracle::{self};

use super::day::Day;

impl Day {
    pub(super) fn claim(&mut self) {
        if self.dice.one_in(8) && !self.keys.is_empty() {
            let (key, ask) = self.dice.pick(&self.keys).clone();
            let events = self.input(&Input::ClaimPower { ask, key: Some(key) }).unwrap();
            assert!(
                !events.iter().any(|event| event.kind() == "claim_admitted"),
                "a repeated ask is no new claim"
            );
            self.counted.count("replayed");
            return;
        }
        self.names += 1;
        let node = *self
            .dice
            .pick(&[None, None, Some("n01"), Some("n02"), Some("n03"), Some("n99")]);
        let domain = *self.dice.pick(&["shelf", "shelf", "box", "contract", "roof"]);
        let ask = PowerAsk {
            watts: Power::from_milliwatts(self.dice.below(4_000_000)),
            purpose: format!("w{}", self.dice.below(self.names) + self.dice.below(2) * 10_000),
            node: node.map(str::to_owned),
            domain: node.is_none().then(|| domain.to_owned()),
            priority: None,
            ..PowerAsk::default()
        };
        let key = self.dice.one_in(2).then(|| format!("k{}", self.names));
        let asked = Input::ClaimPower {
            ask: ask.clone(),
            key: key.clone(),
        };
        let domains: Vec<String> = self
            .config
            .domains
            .iter()
            .map(|domain| domain.name.clone())
            .collect();
        match self.input(&asked) {
            Ok(events) => {
                let What::ClaimAdmitted { claim, .. } = &events[0].what else {
                    panic!("{events:?}")
                };
                assert!(!self.book.contains_key(&ask.purpose), "two claims of one name");
                let entry = (
                    u128::from(ask.watts.milliwatts()),
                    claim.domain.clone(),
                    ask.node.clone(),
                );
                self.book.insert(ask.purpose.clone(), entry);
                for domain in domains {
                    let above = domain == claim.domain || domain == "contract";
                    assert!(
                        !above || oracle::keeps_its_policy(&self.rack, &domain, &self.book),
                        "{domain} oversold"
                    );
                }
                assert_ne!(self.rack.kept.domains[&claim.domain].state, DomainState::Blind);
                if let Some(key) = key {
                    self.keys.push((key, ask));
                }
            }
            Err(Refusal::Shortfall { shortfall, .. }) => {
                self.counted.count("refused");
                assert_eq!(
                    shortfall.short_watts,
                    ask.watts.saturating_sub(shortfall.headroom_watts)
                );
            }
            Err(refused) => assert!(["bad_request", "conflict"].contains(&refused.code()), "{refused}"),
        }
    }

    pub(super) fn release(&mut self) {
        let names: Vec<String> = self.book.keys().cloned().collect();
        if names.is_empty() || self.dice.one_in(10) {
            let refused = self
                .input(&Input::ReleaseClaim {
                    claim: "nobody".to_owned(),
                })
                .unwrap_err();
            assert_eq!(refused.code(), "not_found");
            return;
        }
        let name = self.dice.pick(&names).clone();
        let by = if self.dice.one_in(2) {
            self.rack.claim(&name).unwrap().id.to_string()
        } else {
            name.clone()
        };
        self.input(&Input::ReleaseClaim { claim: by }).unwrap();
        self.book.remove(&name);
    }

    pub(super) fn drain(&mut self) {
        let places: Vec<String> = self.rack.kept.bays.keys().cloned().collect();
        let force = self.dice.one_in(4);
        let request = DrainRequest {
            place: self.dice.pick(&places).clone(),
            dry_run: self.dice.one_in(5),
            exposed: self.dice.one_in(2),
            force,
            reason: force.then(|| "smoke".to_owned()),
            cancel: self.dice.one_in(5),
            ..DrainRequest::default()
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
                    assert!(
                        [BayLife::Draining, BayLife::ReadyToPull].contains(&after),
                        "{after:?}"
                    );
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

    pub(super) fn locate(&mut self) {
        let places: Vec<String> = self.rack.kept.bays.keys().cloned().collect();
        let request = LocateRequest {
            place: self.dice.pick(&places).clone(),
            on: self.dice.one_in(2),
            for_seconds: Some(30),
        };
        self.input(&Input::Locate(request)).unwrap();
    }
}
