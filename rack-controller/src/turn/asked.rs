//! What people ask of the turn, and what they are told.

use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::{
    ClaimView, DrainAnswer, DrainRequest, LocateAnswer, LocateRequest, PowerAsk, PowerOnAnswer,
};
use tokio::time::Instant;

use super::light::{About, MOST_WAITING, PATIENCE, Waiting};
use super::round::{Turn, refused};
use super::store::STORE_PATIENCE;
use super::{NoAnswer, Question, Reply};
use crate::claim::{Claim, ClaimId, USUAL_PRIORITY};
use crate::decide::{self, Input, Refusal};
use crate::rack::{Rack, evolve};
use crate::view;

impl Turn {
    pub(super) fn answer(&mut self, question: Question) {
        match question {
            Question::Claim {
                ask,
                key,
                dry_run,
                reply,
            } => {
                if dry_run {
                    let _ = reply.send(self.preview(&ask));
                } else {
                    self.claim(ask, key, reply);
                }
            }
            Question::Release { claim, reply } => {
                let answer = self.release(&claim);
                self.tell(reply, answer);
            }
            Question::Apply {
                claim,
                dry_run,
                reply,
            } => {
                let input = Input::ApplyClaim { claim: claim.clone() };
                let answer = self.go_on(&claim, &input, dry_run);
                self.tell(reply, answer);
            }
            Question::Calibrate { node, dry_run, reply } => {
                let answer = self.calibrate(node, dry_run);
                self.tell(reply, answer);
            }
            Question::PowerOn { node, dry_run, reply } => self.switch_on(node, dry_run, reply),
            Question::Renew {
                claim,
                dry_run,
                reply,
            } => {
                let input = Input::RenewClaim { claim: claim.clone() };
                let answer = self.go_on(&claim, &input, dry_run);
                self.tell(reply, answer);
            }
            Question::Drain { request, reply } => match self.drain(&request) {
                // Nothing was begun by it, so nothing has to be written first.
                Ok(answer) if request.dry_run || !(answer.begun || request.cancel) => {
                    let _ = reply.send(Ok(answer));
                }
                Ok(answer) if answer.begun && !request.cancel => {
                    self.wait_for_light(request.place, true, About::Drain(answer, reply));
                }
                answer => self.tell(reply, answer),
            },
            Question::Drives(question) => self.answer_drives(question),
            Question::Swap { request, reply } => {
                let answer = self.swap(&request);
                self.tell(reply, answer);
            }
            Question::Acknowledge { request, reply } => {
                let answer = self.acknowledge(&request);
                self.tell(reply, answer);
            }
            Question::Pause { request, reply } => {
                let answer = self.pause(&request);
                self.tell(reply, answer);
            }
            Question::Locate { request, reply } => match self.locate(&request) {
                Ok(answer) => self.wait_for_light(request.place, request.on, About::Locate(answer, reply)),
                Err(why) => self.tell(reply, Err(why)),
            },
        }
    }

    fn calibrate(&mut self, node: String, dry_run: bool) -> Result<(), NoAnswer> {
        let input = Input::Calibrate { node };
        if dry_run {
            return self.after_all(&input).map(|_| ());
        }
        self.promise(&input)
    }

    fn switch_on(&mut self, node: String, dry_run: bool, reply: Reply<PowerOnAnswer>) {
        let answer = self.power_on(node, dry_run);
        self.tell(reply, answer);
    }

    fn power_on(&mut self, node: String, dry_run: bool) -> Result<PowerOnAnswer, NoAnswer> {
        let input = Input::PowerOn { node: node.clone() };
        let sentence = if dry_run {
            decide::power_on_answer(&self.after_all(&input)?, &node)
        } else {
            self.promise(&input)?;
            decide::power_on_answer(&self.rack, &node)
        };
        Ok(PowerOnAnswer { node, sentence })
    }

    /// The view first, so that whoever was answered sees what they did; and what they did is in the journal.
    pub(super) fn tell<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, NoAnswer>) {
        self.tell_of(None, reply, answer);
    }

    pub(super) fn tell_of<T: Send + 'static>(
        &mut self,
        claim: Option<ClaimId>,
        reply: Reply<T>,
        answer: Result<T, NoAnswer>,
    ) {
        if self.is_written() {
            self.after();
        } else {
            // What lowers is done at once; what waits for the disk is shown when it is there, before it is answered.
            self.act();
        }
        // Who asked may have gone meanwhile; it is done all the same.
        match answer {
            Ok(answer) => self.hold(claim, move |written| {
                let _ = reply.send(written.map(|()| answer));
            }),
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    /// Takes an input that promises something, as long as the journal can be written.
    pub(super) fn promise(&mut self, input: &Input) -> Result<(), NoAnswer> {
        self.may_promise()?;
        self.remembers(input)?;
        self.take(input)
    }

    fn wait_for_light(&mut self, place: String, on: bool, about: About) {
        let patience = if self.waiting.len() < MOST_WAITING {
            PATIENCE
        } else {
            Duration::ZERO
        };
        let now = Instant::now();
        self.waiting.push(Waiting {
            place,
            on,
            until: now + patience,
            sequence: self.rack.kept.sequence,
            write_until: now + STORE_PATIENCE,
            about,
        });
        self.after();
    }

    fn preview(&self, ask: &PowerAsk) -> Result<ClaimView, NoAnswer> {
        let now = self.clock.now();
        self.remembers(&Input::ClaimPower {
            ask: ask.clone(),
            key: None,
        })?;
        let offer = decide::preview(&self.rack, ask, now).map_err(refused)?;
        Ok(ClaimView {
            id: String::new(),
            purpose: ask.purpose.clone(),
            watts: ask.watts,
            revocable_watts: ask.revocable_watts,
            granted_watts: Power::ZERO,
            domain: offer.domain,
            node: ask.node.clone(),
            priority: ask.priority.unwrap_or(USUAL_PRIORITY),
            tenant: ask.tenant.clone(),
            reserved: ask.reserve_seconds.is_some(),
            since: now,
            until: None,
            shed: false,
            took: offer.takes.iter().map(Claim::taken).collect(),
            lendable: ask.lendable,
            lending: None,
        })
    }

    fn claim(&mut self, ask: PowerAsk, key: Option<String>, reply: Reply<ClaimView>) {
        let next = ClaimId(self.rack.kept.next_claim);
        let input = Input::ClaimPower {
            ask: ask.clone(),
            key: key.clone(),
        };
        let answer = self.promise(&input).and_then(|()| {
            decide::admitted(&self.rack, &ask, key.as_deref(), self.clock.now()).ok_or_else(|| {
                let gone = format!("the claim {:?} was admitted and released since", ask.purpose);
                refused(Refusal::Conflict(gone))
            })
        });
        // A claim that its asker never had is taken back where the journal does not get it; an older one is not.
        let claim = answer.as_ref().ok().and_then(|claim| ClaimId::read(&claim.id));
        let claim = claim.filter(|claim| *claim >= next || self.is_held(*claim));
        self.tell_of(claim, reply, answer);
    }

    /// A reservation is applied, or a claim renewed: answered with how it is then.
    fn go_on(&mut self, claim: &str, input: &Input, dry_run: bool) -> Result<ClaimView, NoAnswer> {
        let gone = || refused(Refusal::NotFound(format!("there is no claim {claim:?} any more")));
        if dry_run {
            let after = self.after_all(input)?;
            return claim_view(&after, claim, self.clock.now()).ok_or_else(gone);
        }
        // Whoever renews in time keeps what they have, also while the disk takes nothing: only the answer says so.
        if matches!(input, Input::RenewClaim { .. }) {
            self.take(input)?;
        } else {
            self.promise(input)?;
        }
        self.claim_view(claim).ok_or_else(gone)
    }

    /// The rack as it would be; nothing changes.
    pub(super) fn after_all(&self, input: &Input) -> Result<Rack, NoAnswer> {
        let events = decide::decide(&self.rack, input, self.clock.now()).map_err(refused)?;
        let mut after = self.rack.clone();
        events.iter().for_each(|event| evolve(&mut after, event));
        Ok(after)
    }

    fn claim_view(&self, claim: &str) -> Option<ClaimView> {
        claim_view(&self.rack, claim, self.clock.now())
    }

    fn release(&mut self, claim: &str) -> Result<ClaimView, NoAnswer> {
        let before = self.claim_view(claim);
        self.promise(&Input::ReleaseClaim {
            claim: claim.to_owned(),
        })?;
        before.ok_or_else(|| refused(Refusal::NotFound(format!("there is no claim {claim:?}"))))
    }

    fn drain(&mut self, request: &DrainRequest) -> Result<DrainAnswer, NoAnswer> {
        let answer = decide::drain_answer(&self.rack, request, self.clock.now()).map_err(refused)?;
        // The interlock's no is an answer, not an error, and nothing begins by it.
        let changes = !request.dry_run && (answer.begun || request.cancel);
        if changes {
            self.promise(&Input::Drain(request.clone()))?;
        }
        Ok(answer)
    }

    fn locate(&mut self, request: &LocateRequest) -> Result<LocateAnswer, NoAnswer> {
        self.promise(&Input::Locate(request.clone()))?;
        let config = &self.rack.config;
        let label = config.bay(&request.place).map(|bay| bay.label.clone());
        let of_drive = || config.drive_bay(&request.place).map(|(_, bay)| bay.label.clone());
        Ok(LocateAnswer {
            place: request.place.clone(),
            label: label.or_else(of_drive).unwrap_or_default(),
            on: request.on,
            led: None,
            sentence: String::new(),
        })
    }
}

fn claim_view(rack: &Rack, claim: &str, now: Moment) -> Option<ClaimView> {
    rack.claim(claim).map(|claim| view::claim(rack, claim, now))
}
