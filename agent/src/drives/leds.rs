//! Locate LEDs of bays: lit and put out by order, and put out by nobody's order half an hour later. Whoever lit one may have died, or may
//! have forgotten it, and a light that everybody has learnt to overlook leads nobody to a bay.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use agent_api::v1::{BayLed, DriveAnswer};
use facts::Moment;
use intent::Actuator;
use isolators::{Host, IsolateError, Phase, locate};

use super::refusal::{Refusal, told};
use super::state::Lit;
use super::{Drives, Inner};

/// How long an LED stays lit when nobody orders it again.
pub(super) const LONGEST: Duration = Duration::from_secs(1_800);

/// An LED that was lit by order and was not seen to be out since.
#[derive(Clone, Debug)]
pub(super) struct Light {
    /// When it is put out.
    until: Moment,
    /// As it was read back last; `None` before, and where it cannot be read.
    lit: Option<bool>,
    /// Why it is not as it should be.
    trouble: Option<String>,
}

/// By the bay, as it was named in the order.
pub(super) type Lights = BTreeMap<String, Light>;

/// Those of an earlier run. The wall clock may have been set meanwhile: none gets more than its usual time.
pub(super) fn kept(lit: &[Lit], now: Moment) -> Lights {
    let light = |one: &Lit| Light {
        until: one.until.min(now.after(LONGEST)),
        lit: None,
        trouble: None,
    };
    lit.iter().map(|one| (one.slot.clone(), light(one))).collect()
}

/// The lane of a bay's LED: it waits for no drive.
pub(super) fn lane_of(slot: &str) -> String {
    format!("the locate LED of bay {slot}")
}

impl Inner {
    fn lights<T>(&self, change: impl FnOnce(&mut Lights) -> T) -> T {
        let mut lights = self.lights.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(&mut lights);
        let now: Vec<Lit> = lights
            .iter()
            .map(|(slot, light)| Lit {
                slot: slot.clone(),
                until: light.until,
            })
            .collect();
        // Without the books it is kept in memory alone: an LED is lit for whoever stands in front of the rack with a broken disk.
        if let Ok(books) = &mut *self.books()
            && let Err(error) = books.change_anyway(|state| state.lit = now)
        {
            tracing::warn!(error = %told(&error), "locate LEDs that are lit are not kept over a restart");
        }
        done
    }

    /// Lights a bay's locate LED, or puts it out; the bay may be empty. An LED that does not do as it was told is an error, and one that
    /// shall be out and is not is tried again.
    pub(super) fn locate(&self, slot: &str, lit: bool) -> Result<DriveAnswer, Refusal> {
        if lit {
            // A bay that has no LED is refused before anything is kept of it.
            locate::is_lit(&self.host, slot).map_err(|error| Refusal::Conflict(told(&error)))?;
            let light = Light {
                until: self.place.clock.now().after(LONGEST),
                lit: None,
                trouble: None,
            };
            // Kept before it is lit: one that is lit when the power fails is known to the next run.
            self.lights(|lights| lights.insert(slot.to_owned(), light));
        }
        let done = self.set(slot, lit);
        let is_lit = self.look_at_light(slot, done.as_ref().err())?;
        done?;
        let slot = slot.to_owned();
        Ok(DriveAnswer::Located { slot, lit: is_lit })
    }

    fn set(&self, slot: &str, lit: bool) -> Result<(), Refusal> {
        self.converge(Actuator::Led, || {
            let steps = locate::steps(&self.host, slot, lit)?;
            Ok(steps.into_iter().map(|step| (Phase::Grant, step)).collect())
        })
    }

    /// Reads an LED, and forgets one that is out.
    fn look_at_light(&self, slot: &str, trouble: Option<&Refusal>) -> Result<bool, Refusal> {
        let read = locate::is_lit(&self.host, slot);
        self.lights(|lights| {
            // A bay that has gone with its enclosure has no LED that could be put out.
            if matches!(&read, Ok(false) | Err(IsolateError::Lacks { .. })) {
                lights.remove(slot);
            } else if let Some(light) = lights.get_mut(slot) {
                light.lit = read.as_ref().ok().copied();
                let unread = || read.as_ref().err().map(|error| told(error));
                light.trouble = trouble.map(ToString::to_string).or_else(unread);
            }
        });
        read.map_err(|error| Refusal::Conflict(told(&error)))
    }

    /// An LED whose time is over is put out, every other one is read back.
    fn tend(&self, slot: &str) -> Result<(), Refusal> {
        let until = self.lights(|lights| lights.get(slot).map(|light| light.until));
        let Some(until) = until else { return Ok(()) };
        let is_over = self.place.clock.now() >= until;
        let done = if is_over { self.set(slot, false) } else { Ok(()) };
        let is_lit = self.look_at_light(slot, done.as_ref().err())?;
        done?;
        if is_over && !is_lit {
            let message = format!("the locate LED of bay {slot} is put out: nobody asked for it in its time");
            self.place.events.tell("bay_led_timed_out", message);
        }
        Ok(())
    }

    /// LEDs that were lit by order and are not out, as they were read back.
    pub(super) fn leds(&self) -> Vec<BayLed> {
        let lights = self.lights.lock().unwrap_or_else(PoisonError::into_inner);
        let led = |(slot, light): (&String, &Light)| BayLed {
            slot: slot.clone(),
            lit: light.lit,
            until: light.until,
            trouble: light.trouble.clone(),
        };
        lights.iter().map(led).collect()
    }
}

impl Drives {
    /// Each LED in its own lane: an enclosure that does not answer holds up no drive.
    pub(super) fn tend_lights(&self) {
        if !self.0.lets(Actuator::Led) {
            return;
        }
        for led in self.0.leds() {
            let (inner, of) = (self.0.clone(), lane_of(&led.slot));
            self.spawn(&of.clone(), of, move || inner.tend(&led.slot));
        }
    }
}

/// Puts out what was lit by order, while no agent runs: what it was not able to put out, and why.
pub(super) fn put_out(host: &Host, lit: &[Lit]) -> Vec<String> {
    let dark = |one: &&Lit| {
        let plan = || {
            let steps = locate::steps(host, &one.slot, false)?;
            Ok(steps.into_iter().map(|step| (Phase::Release, step)).collect())
        };
        super::leave::acted(host, Actuator::Led, plan)
    };
    let left = lit
        .iter()
        .filter_map(|one| Some(format!("{}: {}", lane_of(&one.slot), dark(&one).err()?)));
    left.collect()
}
