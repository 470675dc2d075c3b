//! Answers that wait for an LED: somebody in the aisle goes where it is lit, so it is read back before they are told.

use std::time::Duration;

use facts::Moment;
use rack_api::v1::{DrainAnswer, LocateAnswer};
use tokio::time::Instant;

use super::{NoAnswer, Reply};
use crate::config::EnclosureConfig;
use crate::pools::power::act::Hand;
use crate::rack::{Action, Outcome, Rack};

/// How long an answer waits for its LED: longer than a slow BMC needs for a PATCH and its read-back.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that may wait at once; one more is given without waiting.
pub(super) const MOST_WAITING: usize = 64;

/// The answer that waits.
pub(super) enum About {
    Drain(DrainAnswer, Reply<DrainAnswer>),
    Locate(LocateAnswer, Reply<LocateAnswer>),
}

/// One answer that waits for its LED.
pub(super) struct Waiting {
    pub(super) place: String,
    pub(super) on: bool,
    pub(super) until: Instant,
    /// The event that the journal must have first, and how long that is awaited.
    pub(super) sequence: u64,
    pub(super) write_until: Instant,
    pub(super) about: About,
}

/// How a light stands.
pub(super) enum Light {
    /// As wanted, read back.
    AsWanted,
    /// Not known yet.
    Open,
    /// Not as wanted, and why.
    Not(String),
}

impl Waiting {
    /// How its light stands; `moving` where the hand is at it.
    pub(super) fn light(&self, rack: &Rack, hand: &Hand, moving: bool, wanted: bool, now: Moment) -> Light {
        let action = Action::SetLed {
            place: self.place.clone(),
            on: self.on,
        };
        if let Some((enclosure, _)) = rack.config.drive_bay(&self.place) {
            return self.light_of_drive(rack, hand, moving, enclosure, now);
        }
        let bay = rack.config.bay(&self.place);
        if !bay.is_some_and(|bay| rack.bmc_up(&bay.bmc)) {
            return Light::Not("its BMC cannot be read now".to_owned());
        }
        let led = rack.sight.bays.get(&self.place).and_then(|seen| seen.led);
        if led == Some(self.on) && !moving {
            return Light::AsWanted;
        }
        if led.is_none() {
            return Light::Not("it has none".to_owned());
        }
        if bay.is_some_and(|bay| rack.is_domain_paused(&bay.domain, now)) {
            return Light::Not("its domain is paused".to_owned());
        }
        if let Some(would) = hand.held_back(&action) {
            return Light::Not(format!("the actuator {} does not enforce", would.actuator));
        }
        let failed = rack
            .sight
            .attempts
            .get(&action)
            .and_then(|attempt| match &attempt.outcome {
                Outcome::Failed(why) => Some(why.clone()),
                Outcome::Done | Outcome::Would => None,
            });
        match failed {
            Some(why) => Light::Not(why),
            None if moving => Light::Open,
            None if wanted != self.on => Light::Not("the bay is being drained".to_owned()),
            None if !self.on => Light::Not("somebody else lit it".to_owned()),
            None => Light::Open,
        }
    }

    /// The same for a bay of drives, which its enclosure's agent or BMC lights. What it was read to be is known only since it was ordered.
    fn light_of_drive(
        &self,
        rack: &Rack,
        hand: &Hand,
        moving: bool,
        enclosure: &EnclosureConfig,
        now: Moment,
    ) -> Light {
        let agent = enclosure.agent.as_str();
        let lighter = enclosure.of_bmc().unwrap_or_else(|| agent.to_owned());
        let action = Action::SetLed {
            place: self.place.clone(),
            on: self.on,
        };
        let led = rack.sight.drives.leds.get(&self.place).copied();
        if led == Some(self.on) && !moving {
            return Light::AsWanted;
        }
        if rack.sight.drives.now(&lighter).is_none() {
            return Light::Not(format!("{} does not answer", enclosure.lighter_word()));
        }
        if rack.is_node_paused(agent, now) {
            return Light::Not(format!("{agent} is paused"));
        }
        if let Some(would) = hand.held_back(&action) {
            return Light::Not(format!("the actuator {} does not enforce", would.actuator));
        }
        if led.is_none() && !self.on && !moving {
            return Light::Not("nobody here lit it".to_owned());
        }
        match rack.sight.attempts.get(&action).map(|attempt| &attempt.outcome) {
            Some(Outcome::Failed(why)) => Light::Not(why.clone()),
            Some(Outcome::Done | Outcome::Would) | None => Light::Open,
        }
    }

    /// Says why there is none.
    pub(super) fn fail(self, why: NoAnswer) {
        // Who asked may have gone meanwhile.
        match self.about {
            About::Drain(_, reply) => drop(reply.send(Err(why))),
            About::Locate(_, reply) => drop(reply.send(Err(why))),
        }
    }

    /// Gives the answer.
    pub(super) fn tell(self, light: Light) {
        let word = if self.on { "lit" } else { "out" };
        let (led, said) = match light {
            Light::AsWanted => (Some(self.on), format!("LED {word}")),
            Light::Not(why) => (None, format!("LED not {word}: {why}")),
            Light::Open => (None, format!("LED not {word}: not read back within {PATIENCE:?}")),
        };
        // Who asked may have gone meanwhile; it is done all the same.
        match self.about {
            About::Drain(answer, reply) => {
                let sentence = format!("{}, {said}", answer.sentence);
                let _ = reply.send(Ok(DrainAnswer {
                    led,
                    sentence,
                    ..answer
                }));
            }
            About::Locate(answer, reply) => {
                let sentence = format!("{} ({}): {said}", answer.label, answer.place);
                let _ = reply.send(Ok(LocateAnswer {
                    led,
                    sentence,
                    ..answer
                }));
            }
        }
    }
}
