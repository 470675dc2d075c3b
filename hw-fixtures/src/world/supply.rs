//! A bay of the shelf and the supply in it: input, hold-up, start, overload, trip.

use serde::{Deserialize, Serialize};

use crate::plan::{ShelfPlan, SupplyPlan};

/// Who a supply is, wherever it sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Who made it.
    pub maker: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Its part number.
    pub part_number: String,
    /// The firmware in it.
    pub firmware: String,
    /// What it can deliver, in milliwatts.
    pub rated_milliwatts: u64,
}

/// What a bay is doing; everything else about it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No supply is in the bay.
    Absent,
    /// The supply has input and will deliver soon.
    Starting,
    /// The supply delivers.
    Running,
    /// The supply's input is gone and it still delivers from its capacitors.
    HoldUp,
    /// The supply's input is gone and it delivers nothing.
    NoInput,
    /// The supply switched itself off because it carried too much; it stays off until it is reset.
    Tripped,
    /// The supply is broken.
    Failed,
}

/// A bay with the supply in it, if any.
#[derive(Debug, Clone)]
pub struct Supply {
    bay: String,
    feed: String,
    /// Who is in the bay.
    pub(super) part: Option<Part>,
    pub(super) failed: bool,
    pub(super) tripped: bool,
    pub(super) locate: bool,
    /// Whether the inlet had power in the last step.
    pub(super) input: bool,
    /// When the output is up, if the supply is on its way.
    pub(super) ready_at_ms: Option<u64>,
    /// Whether the output was up in the last step.
    pub(super) up: bool,
    /// What is left in the capacitors, in milliwatt-milliseconds.
    pub(super) stored: u64,
    /// For how long it has carried more than its rating.
    pub(super) overloaded_ms: u64,
    /// What it delivers, in milliwatts.
    pub(super) output: u64,
    hold_up_ms: u64,
}

impl Supply {
    pub(super) fn new(plan: &SupplyPlan, shelf: &ShelfPlan) -> Self {
        let part = Part {
            maker: plan.maker.clone(),
            model: plan.model.clone(),
            serial: plan.serial.clone(),
            part_number: plan.part_number.clone(),
            firmware: plan.firmware.clone(),
            rated_milliwatts: plan.rated.0,
        };
        let hold_up_ms = shelf.hold_up.0;
        Self {
            bay: plan.bay.get_ref().clone(),
            feed: plan.feed.get_ref().clone(),
            stored: part.rated_milliwatts.saturating_mul(hold_up_ms),
            part: Some(part),
            failed: false,
            tripped: false,
            locate: false,
            input: true,
            ready_at_ms: None,
            up: true,
            overloaded_ms: 0,
            output: 0,
            hold_up_ms,
        }
    }

    /// The bay's name.
    #[must_use]
    pub fn bay(&self) -> &str {
        &self.bay
    }

    /// The feed that the bay's inlet hangs on.
    #[must_use]
    pub fn feed(&self) -> &str {
        &self.feed
    }

    /// Who is in the bay.
    #[must_use]
    pub fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// Whether the bay's locate light is on.
    #[must_use]
    pub fn locate(&self) -> bool {
        self.locate
    }

    /// Whether the bay's inlet has power.
    #[must_use]
    pub fn input(&self) -> bool {
        self.input
    }

    /// What the supply delivers now, in milliwatts.
    #[must_use]
    pub fn output(&self) -> u64 {
        self.output
    }

    /// What the supply can deliver, in milliwatts; zero for an empty bay.
    #[must_use]
    pub fn rated(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.rated_milliwatts)
    }

    /// What the bay is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.part.is_none() {
            Phase::Absent
        } else if self.failed {
            Phase::Failed
        } else if self.tripped {
            Phase::Tripped
        } else if self.up && self.input {
            Phase::Running
        } else if self.up {
            Phase::HoldUp
        } else if self.input {
            Phase::Starting
        } else {
            Phase::NoInput
        }
    }

    /// What the supply adds to what is available now, in milliwatts.
    #[must_use]
    pub fn available(&self) -> u64 {
        if self.up { self.rated() } else { 0 }
    }

    /// Puts a supply into the bay, with empty capacitors.
    pub(super) fn put(&mut self, part: Part) {
        self.part = Some(part);
        self.failed = false;
        self.tripped = false;
        self.stop();
    }

    /// Takes the supply out of the bay.
    pub(super) fn take(&mut self) -> Option<Part> {
        self.failed = false;
        self.tripped = false;
        self.stop();
        self.part.take()
    }

    /// Ends the output at once.
    pub(super) fn stop(&mut self) {
        self.up = false;
        self.ready_at_ms = None;
        self.stored = 0;
        self.overloaded_ms = 0;
        self.output = 0;
    }

    /// Takes what the last `dt_ms` did to input, start and capacitors. Answers whether the output came up.
    pub(super) fn flow(&mut self, now_ms: u64, dt_ms: u64, start_ms: u64) -> bool {
        if self.part.is_none() || self.failed || self.tripped {
            return false;
        }
        if self.input {
            if self.up {
                self.stored = self.rated().saturating_mul(self.hold_up_ms);
                return false;
            }
            let ready_at = *self.ready_at_ms.get_or_insert(now_ms.saturating_add(start_ms));
            if now_ms < ready_at {
                return false;
            }
            self.ready_at_ms = None;
            self.up = true;
            self.stored = self.rated().saturating_mul(self.hold_up_ms);
            return true;
        }
        self.stored = self.stored.saturating_sub(self.output.saturating_mul(dt_ms));
        if self.stored == 0 || !self.up {
            self.stop();
        }
        false
    }
}
