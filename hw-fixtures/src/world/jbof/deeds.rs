//! What a hand can do to drives: the verbs of supplies, where the place is a bay of an enclosure.

use super::{DriveManner, DrivePart, Jbof};
use crate::world::{Happening, Refusal, Verb, World};

impl World {
    /// Places of all bays of drives.
    pub(in crate::world) fn drive_places(&self) -> impl Iterator<Item = String> {
        let bays = |jbof: &Jbof| {
            let name = jbof.name.clone();
            let names = jbof.bays.iter().map(|bay| bay.name.clone());
            names
                .map(move |bay| format!("{name}/{bay}"))
                .collect::<Vec<String>>()
        };
        self.jbofs.iter().flat_map(bays)
    }

    /// Does a deed where it is about a bay of drives; `None` where it is about something else.
    pub(in crate::world) fn act_on_drive(&mut self, verb: &Verb) -> Option<Result<String, Refusal>> {
        let (Verb::Pull { place }
        | Verb::Insert { place, .. }
        | Verb::Fail { place }
        | Verb::Repair { place }
        | Verb::Drive { place, .. }) = verb
        else {
            return None;
        };
        let place = place.clone();
        let (jbof, bay) = place.split_once('/')?;
        let at = self.jbofs.iter().position(|known| known.name == jbof)?;
        let index = self.jbofs[at].bays.iter().position(|known| known.name == bay)?;
        let said = self.deed((at, index), verb, &place)?;
        if said.is_ok() {
            self.say(Happening::DriveChanged {
                jbof: jbof.to_owned(),
                bay: bay.to_owned(),
            });
        }
        Some(said)
    }

    fn deed(&mut self, at: (usize, usize), verb: &Verb, place: &str) -> Option<Result<String, Refusal>> {
        Some(match verb {
            Verb::Pull { .. } => self.pull_drive(at, place),
            Verb::Insert {
                maker,
                model,
                serial,
                bytes,
                ..
            } => self.insert_drive(at, place, [maker, model, serial], *bytes),
            Verb::Drive { manner, .. } => Ok(self.set_manner(at, place, *manner)),
            Verb::Fail { .. } => self.set_failing(at, place, true),
            Verb::Repair { .. } => self.set_failing(at, place, false),
            Verb::Restart
            | Verb::FeedLoss { .. }
            | Verb::FeedRestore { .. }
            | Verb::Demand { .. }
            | Verb::Bmc { .. }
            | Verb::Reboot { .. }
            | Verb::Power { .. } => return None,
        })
    }

    fn pull_drive(&mut self, (at, index): (usize, usize), place: &str) -> Result<String, Refusal> {
        let part = self.jbofs[at].bays[index].part.take();
        let part =
            part.ok_or_else(|| Refusal::NotNow(format!("{place} is empty already; nothing was pulled")))?;
        // Its erasure ends with it, in this very moment: another drive in the bay is not erased in its place.
        let _ = self.jbofs[at].flow(self.now_ms);
        Ok(format!("pulled {place}: {} serial {:?}", part.model, part.serial))
    }

    fn insert_drive(
        &mut self,
        (at, index): (usize, usize),
        place: &str,
        [maker, model, serial]: [&Option<String>; 3],
        bytes: Option<u64>,
    ) -> Result<String, Refusal> {
        if let Some(part) = self.jbofs[at].bays[index].part() {
            let what = format!("{place} holds serial {:?} already; pull it first", part.serial);
            return Err(Refusal::NotNow(what));
        }
        let first = self.plan.jbofs[at].bays[index].drive.as_ref().map(DrivePart::of);
        let named = serial.clone().map(|serial| DrivePart {
            maker: "Simulated".to_owned(),
            model: "Drive".to_owned(),
            serial,
            bytes: 0,
            life_left_percent: 100,
            predicts_failure: false,
            erased: 0,
        });
        let Some(mut part) = first.or(named) else {
            let what =
                format!("no drive stood in {place} at first; expected --serial of the one to put there");
            return Err(Refusal::NotNow(what));
        };
        for (told, own) in [
            (maker, &mut part.maker),
            (model, &mut part.model),
            (serial, &mut part.serial),
        ] {
            if let Some(told) = told {
                own.clone_from(told);
            }
        }
        part.bytes = bytes.unwrap_or(part.bytes);
        let said = format!(
            "inserted {place}: {} serial {:?}, {} bytes",
            part.model, part.serial, part.bytes
        );
        self.jbofs[at].bays[index].part = Some(part);
        Ok(said)
    }

    fn set_manner(&mut self, (at, index): (usize, usize), place: &str, manner: DriveManner) -> String {
        let manners = &mut self.jbofs[at].bays[index].manners;
        if manner == DriveManner::Proper {
            manners.clear();
            return format!("{place} behaves as it should from now on");
        }
        manners.insert(manner);
        format!("{place} behaves so from now on: {manner:?}")
    }

    fn set_failing(&mut self, (at, index): (usize, usize), place: &str, on: bool) -> Result<String, Refusal> {
        let Some(part) = self.jbofs[at].bays[index].part.as_mut() else {
            return Err(Refusal::NotNow(format!(
                "{place} is empty; there is no drive in it"
            )));
        };
        if part.predicts_failure == on {
            let is = if on { "says so already" } else { "is whole" };
            return Err(Refusal::NotNow(format!("the drive in {place} {is}")));
        }
        part.predicts_failure = on;
        let word = if on {
            "says that it will fail"
        } else {
            "is whole again"
        };
        Ok(format!("the drive in {place} {word}"))
    }
}
