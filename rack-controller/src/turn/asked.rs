//! What people ask of the turn, and what they are told.

use std::time::Duration;

use facts::Power;
use rack_api::v1::{ClaimView, DrainAnswer, DrainRequest, LocateAnswer, LocateRequest, PowerAsk};
use tokio::time::Instant;

use super::light::{About, MOST_WAITING, PATIENCE, Waiting};
use super::round::{Turn, refused};
use super::{NoAnswer, Question, Reply};
use crate::claim::USUAL_PRIORITY;
use crate::decide::{self, Input, Refusal};
use crate::rack::{Rack, evolve};

impl Turn {
    pub(super) fn answer(&mut self, question: Question) {
        match question {
            Question::Claim {
                ask,
                key,
                dry_run,
                reply,
            } => {
                let answer = if dry_run {
                    self.preview(&ask)
                } else {
                    self.claim(ask, key)
                };
                self.tell(reply, answer);
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
                let input = Input::Calibrate { node };
                let answer = if dry_run {
                    self.after_all(&input).map(|_| ())
                } else {
                    self.take(&input)
                };
                self.tell(reply, answer);
            }
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
                Ok(answer) if answer.begun && !request.cancel => {
                    self.wait_for_light(request.place, true, About::Drain(answer, reply));
                }
                answer => self.tell(reply, answer),
            },
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

    /// The view first, so that whoever was answered sees what they did.
    fn tell<T>(&mut self, reply: Reply<T>, answer: Result<T, NoAnswer>) {
        self.after();
        // Who asked may have gone meanwhile; it is done all the same.
        let _ = reply.send(answer);
    }

    fn wait_for_light(&mut self, place: String, on: bool, about: About) {
        let patience = if self.waiting.len() < MOST_WAITING {
            PATIENCE
        } else {
            Duration::ZERO
        };
        let until = Instant::now() + patience;
        self.waiting.push(Waiting {
            place,
            on,
            until,
            about,
        });
        self.after();
    }

    fn preview(&self, ask: &PowerAsk) -> Result<ClaimView, NoAnswer> {
        let now = self.clock.now();
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
        })
    }

    fn claim(&mut self, ask: PowerAsk, key: Option<String>) -> Result<ClaimView, NoAnswer> {
        self.take(&Input::ClaimPower {
            ask: ask.clone(),
            key: key.clone(),
        })?;
        decide::admitted(&self.rack, &ask, key.as_deref()).ok_or_else(|| {
            let gone = format!("the claim {:?} was admitted and released since", ask.purpose);
            refused(Refusal::Conflict(gone))
        })
    }

    /// A reservation is applied, or a claim renewed: answered with how it is then.
    fn go_on(&mut self, claim: &str, input: &Input, dry_run: bool) -> Result<ClaimView, NoAnswer> {
        let gone = || refused(Refusal::NotFound(format!("there is no claim {claim:?} any more")));
        if dry_run {
            let after = self.after_all(input)?;
            return claim_view(&after, claim).ok_or_else(gone);
        }
        self.take(input)?;
        self.claim_view(claim).ok_or_else(gone)
    }

    /// The rack as it would be; nothing changes.
    fn after_all(&self, input: &Input) -> Result<Rack, NoAnswer> {
        let events = decide::decide(&self.rack, input, self.clock.now()).map_err(refused)?;
        let mut after = self.rack.clone();
        events.iter().for_each(|event| evolve(&mut after, event));
        Ok(after)
    }

    fn claim_view(&self, claim: &str) -> Option<ClaimView> {
        claim_view(&self.rack, claim)
    }

    fn release(&mut self, claim: &str) -> Result<ClaimView, NoAnswer> {
        let before = self.claim_view(claim);
        self.take(&Input::ReleaseClaim {
            claim: claim.to_owned(),
        })?;
        before.ok_or_else(|| refused(Refusal::NotFound(format!("there is no claim {claim:?}"))))
    }

    fn drain(&mut self, request: &DrainRequest) -> Result<DrainAnswer, NoAnswer> {
        let answer = decide::drain_answer(&self.rack, request, self.clock.now()).map_err(refused)?;
        // The interlock's no is an answer, not an error, and nothing begins by it.
        let changes = !request.dry_run && (answer.begun || request.cancel);
        if changes {
            self.take(&Input::Drain(request.clone()))?;
        }
        Ok(answer)
    }

    fn locate(&mut self, request: &LocateRequest) -> Result<LocateAnswer, NoAnswer> {
        self.take(&Input::Locate(request.clone()))?;
        let label = self.rack.config.bay(&request.place).map(|bay| bay.label.clone());
        Ok(LocateAnswer {
            place: request.place.clone(),
            label: label.unwrap_or_default(),
            on: request.on,
            led: None,
            sentence: String::new(),
        })
    }
}

fn claim_view(rack: &Rack, claim: &str) -> Option<ClaimView> {
    let granted = |id| rack.kept.granted.contains(id);
    rack.claim(claim).map(|claim| claim.view(granted(&claim.id)))
}
