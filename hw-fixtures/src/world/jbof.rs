//! An enclosure of drives: who sits in which bay, which light is lit, and what its BMC erases.

mod deeds;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Happening, World};
use crate::plan::{DriveBayPlan, DrivePlan, JbofPlan};

/// An erasure that is to fail does so here, and one that is to stop stops there, in percent.
const FAILS_AT: u64 = 50;
const STOPS_AT: u64 = 99;
/// Erasures that an enclosure remembers; those that are over go first.
const MOST_TASKS: usize = 64;

/// Who a drive is, wherever it sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrivePart {
    /// Who made it.
    pub maker: String,
    /// Its model.
    pub model: String,
    /// Its serial number, as it says it itself: also spaces.
    pub serial: String,
    /// How much it says that it holds.
    pub bytes: u64,
    /// Percent of its rated endurance that is left.
    pub life_left_percent: u8,
    /// Whether it says of itself that it will fail.
    pub predicts_failure: bool,
    /// How often it was erased whole since it came into this world.
    pub erased: u32,
}

impl DrivePart {
    fn of(plan: &DrivePlan) -> DrivePart {
        DrivePart {
            maker: plan.maker.clone(),
            model: plan.model.clone(),
            serial: plan.serial.clone(),
            bytes: plan.bytes,
            life_left_percent: plan.life_left_percent,
            predicts_failure: false,
            erased: 0,
        }
    }
}

/// How a bay, its drive or its erasure behaves otherwise than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DriveManner {
    /// As it should: ends every other manner.
    Proper,
    /// Its light takes no order: the BMC refuses it.
    LightRefuses,
    /// Its light takes the order and stays as it is.
    LightStays,
    /// The BMC refuses to erase it.
    EraseRefused,
    /// The BMC erases it and names no task.
    EraseWithoutTask,
    /// Its erasure fails half-way.
    EraseFails,
    /// Its erasure stops at 99 % and never ends.
    EraseStops,
}

/// One bay with the drive in it, if any.
#[derive(Debug, Clone)]
pub struct DriveBay {
    name: String,
    pub(super) part: Option<DrivePart>,
    pub(super) locate: bool,
    pub(super) manners: BTreeSet<DriveManner>,
}

impl DriveBay {
    fn new(plan: &DriveBayPlan) -> DriveBay {
        DriveBay {
            name: plan.name.get_ref().clone(),
            part: plan.drive.as_ref().map(DrivePart::of),
            locate: false,
            manners: BTreeSet::new(),
        }
    }

    /// The bay's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who is in the bay.
    #[must_use]
    pub fn part(&self) -> Option<&DrivePart> {
        self.part.as_ref()
    }

    /// Whether the bay's locate light is on.
    #[must_use]
    pub fn locate(&self) -> bool {
        self.locate
    }

    /// Whether it behaves so.
    #[must_use]
    pub fn is(&self, manner: DriveManner) -> bool {
        self.manners.contains(&manner)
    }
}

/// How an erasure stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EraseState {
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed, and why.
    Failed(&'static str),
}

/// An erasure that the enclosure's BMC does or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// Its number.
    pub id: u64,
    /// The bay.
    pub bay: String,
    /// When it began.
    pub began_ms: u64,
    /// When it ended, where it has.
    pub ended_ms: Option<u64>,
    /// How far it is.
    pub percent: u64,
    /// How it stands.
    pub state: EraseState,
}

/// One enclosure.
#[derive(Debug, Clone)]
pub struct Jbof {
    name: String,
    erase_ms: u64,
    pub(super) bays: Vec<DriveBay>,
    erases: Vec<Erase>,
    next: u64,
}

impl Jbof {
    pub(super) fn new(plan: &JbofPlan) -> Jbof {
        Jbof {
            name: plan.name.get_ref().clone(),
            erase_ms: plan.erase_time.0,
            bays: plan.bays.iter().map(DriveBay::new).collect(),
            erases: Vec::new(),
            next: 1,
        }
    }

    /// The enclosure's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bays, in the order of their positions.
    #[must_use]
    pub fn bays(&self) -> &[DriveBay] {
        &self.bays
    }

    /// The bay of that name.
    #[must_use]
    pub fn bay(&self, name: &str) -> Option<&DriveBay> {
        self.bays.iter().find(|bay| bay.name == name)
    }

    /// The erasures that it knows of, oldest first.
    #[must_use]
    pub fn erases(&self) -> &[Erase] {
        &self.erases
    }

    fn begin(&mut self, bay: &str, now_ms: u64) -> u64 {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        if self.erases.len() >= MOST_TASKS {
            let over = self.erases.iter().position(|one| one.ended_ms.is_some());
            self.erases.remove(over.unwrap_or(0));
        }
        self.erases.push(Erase {
            id,
            bay: bay.to_owned(),
            began_ms: now_ms,
            ended_ms: None,
            percent: 0,
            state: EraseState::Running,
        });
        id
    }

    /// Whether the drive of a bay is being erased.
    fn is_busy(&self, bay: &str) -> bool {
        self.erases
            .iter()
            .any(|one| one.bay == bay && one.state == EraseState::Running)
    }

    /// Takes what the time did to the erasures. Answers the bays whose erasure ended.
    fn flow(&mut self, now_ms: u64) -> Vec<String> {
        let mut ended = Vec::new();
        for one in self.erases.iter_mut().filter(|one| one.ended_ms.is_none()) {
            let bay = self.bays.iter_mut().find(|bay| bay.name == one.bay);
            let gone = now_ms.saturating_sub(one.began_ms);
            let percent = gone.saturating_mul(100).checked_div(self.erase_ms).unwrap_or(100);
            let (percent, state) = match &bay {
                None => (one.percent, EraseState::Failed("There is no such bay.")),
                Some(bay) if bay.part.is_none() => {
                    (one.percent, EraseState::Failed("The drive was removed."))
                }
                Some(bay) if bay.is(DriveManner::EraseFails) && percent >= FAILS_AT => (
                    FAILS_AT,
                    EraseState::Failed("The drive did not complete the sanitize operation."),
                ),
                Some(bay) if bay.is(DriveManner::EraseStops) => (percent.min(STOPS_AT), EraseState::Running),
                Some(_) if percent >= 100 => (100, EraseState::Done),
                Some(_) => (percent, EraseState::Running),
            };
            (one.percent, one.state) = (percent, state);
            if one.state == EraseState::Running {
                continue;
            }
            one.ended_ms = Some(now_ms);
            ended.push(one.bay.clone());
            if let Some(part) = bay.and_then(|bay| bay.part.as_mut())
                && one.state == EraseState::Done
            {
                part.erased = part.erased.saturating_add(1);
            }
        }
        ended
    }
}

impl World {
    /// Moves the erasures of all enclosures.
    pub(super) fn erase_on(&mut self) {
        let now = self.now_ms;
        let mut ended = Vec::new();
        for jbof in &mut self.jbofs {
            let name = jbof.name.clone();
            ended.extend(jbof.flow(now).into_iter().map(|bay| (name.clone(), bay)));
        }
        for (jbof, bay) in ended {
            self.say(Happening::DriveChanged { jbof, bay });
        }
    }

    /// Has the BMC of an enclosure erase the drive in a bay. Only that BMC's face calls this, for an action that was posted to it.
    /// Answers the number of the erasure.
    ///
    /// # Errors
    /// A sentence where there is no drive, it is being erased, or it was told to refuse.
    pub fn erase_drive(&mut self, jbof: &str, bay: &str) -> Result<u64, String> {
        let now = self.now_ms;
        let found = self.jbofs.iter_mut().find(|known| known.name == jbof);
        let found = found.ok_or_else(|| format!("there is no enclosure {jbof}"))?;
        if found.bay(bay).is_none_or(|bay| bay.part.is_none()) {
            return Err(format!("{jbof}/{bay} holds no drive"));
        }
        if found
            .bay(bay)
            .is_some_and(|bay| bay.is(DriveManner::EraseRefused))
        {
            return Err(format!("the drive in {jbof}/{bay} does not take the command"));
        }
        if found.is_busy(bay) {
            return Err(format!("the drive in {jbof}/{bay} is being erased already"));
        }
        Ok(found.begin(bay, now))
    }

    /// Switches the locate light of a bay of drives; answers whether the bay takes such orders.
    pub fn set_drive_locate(&mut self, jbof: &str, bay: &str, on: bool) -> bool {
        let found = self.jbofs.iter_mut().find(|known| known.name == jbof);
        let bay = found.and_then(|found| found.bays.iter_mut().find(|known| known.name == bay));
        let Some(bay) = bay.filter(|bay| !bay.is(DriveManner::LightRefuses)) else {
            return false;
        };
        if !bay.is(DriveManner::LightStays) {
            bay.locate = on;
        }
        let bay = bay.name.clone();
        self.say(Happening::DriveChanged {
            jbof: jbof.to_owned(),
            bay,
        });
        true
    }
}
