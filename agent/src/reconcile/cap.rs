//! The power cap of what can be limited on this node, CPU packages and GPUs: who else sets limits is asked first, what was found is
//! noted, and it comes back only on an orderly release. A cap that nobody renews stands: silence frees nothing, and neither does
//! the agent's end. The cap in force is in the ledger before the first write, and the sweep keeps it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_api::v1::{AgentEvent, Capped, CappedPart, PowerCap};
use facts::{Moment, Power};
use intent::{Actuator, Generation, Intent, Isolation, WorkloadId};
use isolators::apply::held;
use isolators::powercap::{self, Cap};
use isolators::{Host, Step};

use super::hand::{outcome_of, shown, steps_of, unplanned};
use super::limited::Limits;
use super::share::Part;
use super::sweep::event;
use super::{Drift, Keeper, KeeperError};
use crate::ledger::CapInForce;

/// How long an order for a cap is worth following. It is followed at once.
pub(super) const ORDER: Duration = Duration::from_secs(1);
/// How often the parts are counted again although no workload came or went: one may have been plugged in.
const COUNT_AGAIN: Duration = Duration::from_secs(10);

/// What the sweep knows of the cap in force. In memory only.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// Of which intent and when the parts were counted, and what each of them shall have; `None` before the first time.
    pub(super) counted: Option<Counted>,
    /// Why each workload is squeezed.
    pub(super) because: BTreeMap<WorkloadId, String>,
    /// The last trouble that was told with the limits, and the last one with squeezing.
    pub(super) trouble: String,
    pub(super) not_squeezed: String,
}

/// The parts, and what each of them shall have.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) generation: Generation,
    pub(super) at: Moment,
    pub(super) watts: Power,
    pub(super) limits: Limits,
    pub(super) shares: Vec<Power>,
}

impl Keeper {
    /// Caps all packages and GPUs together, until the cap is released. Nobody gets more than was found there; what was promised in
    /// watts is kept first, and workloads that are shed first are squeezed first.
    ///
    /// # Errors
    /// When nothing here takes a limit, somebody else sets them, the mode forbids it, or the hardware keeps another limit. In the
    /// last case a lower cap stands, and the sweep tries again; a higher one does not.
    pub fn cap(&mut self, watts: Power, now: Moment) -> Result<Capped, KeeperError> {
        self.not_leased()?;
        let limits = self.limits()?;
        if limits.what.is_empty() {
            return Err(KeeperError::Refused(limits.nothing_to_cap()));
        }
        let shares = limits
            .shares(watts)
            .ok_or_else(|| too_little(watts, &limits.parts))?;
        if let Some(owner) = limits.owner(&self.host) {
            return Err(KeeperError::Refused(owner));
        }
        let steps = self.power_steps(&limits.cap(&shares, now.after(ORDER)), now)?;
        let before = self.ledger.cap.clone();
        let is_new = before.as_ref().is_none_or(|before| before.cap.watts != watts);
        if is_new {
            self.gate_power(&steps)?;
            let cap = PowerCap { watts, since: now };
            self.note_cap(Some(CapInForce {
                cap,
                spared: Vec::new(),
            }))?;
        }
        let done = match self.bring_power(&steps) {
            Ok(done) => done,
            Err(error) => {
                let raised = before.filter(|before| is_new && before.cap.watts < watts);
                if let Some(before) = raised {
                    self.note_cap(Some(before))?;
                }
                return Err(error);
            }
        };
        let told = limits.what.iter().zip(&shares).zip(&limits.holders);
        let told = told.map(|((what, watts), holder)| CappedPart {
            part: what.to_string(),
            watts: *watts,
            holder: holder.clone(),
        });
        let capped = Capped {
            watts: Some(watts),
            done: lines(&done),
            parts: told.collect(),
            not_capped: limits.gpus.unlimited.clone(),
        };
        self.wish.counted = Some(Counted {
            generation: self.generation(),
            at: now,
            watts,
            limits,
            shares,
        });
        Ok(capped)
    }

    /// Puts back what was found before the first cap; then none is in force.
    ///
    /// # Errors
    /// When the mode forbids it, or the hardware keeps another limit. The cap is in force still then.
    pub fn uncap(&mut self, now: Moment) -> Result<Capped, KeeperError> {
        self.not_leased()?;
        let done = self.release_power(now)?;
        Ok(Capped {
            watts: None,
            done: lines(&done),
            parts: Vec::new(),
            not_capped: Vec::new(),
        })
    }

    pub(super) fn release_power(&mut self, now: Moment) -> Result<Vec<Step>, KeeperError> {
        let steps = self.power_steps(&Cap::Release, now)?;
        if self.ledger.cap.is_some() {
            self.gate_power(&steps)?;
        }
        let done = self.bring_power(&steps)?;
        // Last: a kill before this leaves the cap in force, and the next agent's sweep lowers again what was raised.
        self.wish.counted = None;
        if self.ledger.cap.is_some() {
            self.note_cap(None)?;
        }
        Ok(done)
    }

    /// The cap in force.
    pub fn power_cap(&self) -> Option<PowerCap> {
        self.ledger.cap.as_ref().map(|in_force| in_force.cap)
    }

    /// The sweep's part: shares follow the workloads that come and go, a limit that somebody else changed is put right, and
    /// whoever the cap asks is squeezed. Costs nothing where no cap is in force. Call it after an order for a cap too.
    pub fn keep_power(&mut self, now: Moment) -> Vec<AgentEvent> {
        let mut events = self.keep_cap(now);
        events.extend(self.squeeze(now));
        events.extend(self.keep_lease(now));
        events
    }

    fn keep_cap(&mut self, now: Moment) -> Vec<AgentEvent> {
        let Some(PowerCap { watts, .. }) = self.power_cap() else {
            return Vec::new();
        };
        let may = held(&self.config.actuators, Actuator::PowerCap, &[]).is_none();
        // Before the topology is known nobody knows whose package is whose: what stands stands.
        let is_known = self.pool.is_some() || self.ledger.workloads.is_empty();
        if !may || !is_known || self.layout.record.is_none() {
            return Vec::new();
        }
        match self.keep_shares(watts, now) {
            Ok(events) => events,
            Err(error) => {
                self.wish.counted = None;
                let message = format!("cannot keep the cap of {watts}: {error}");
                once(&mut self.wish.trouble, now, "trouble", message)
            }
        }
    }

    fn keep_shares(&mut self, watts: Power, now: Moment) -> Result<Vec<AgentEvent>, KeeperError> {
        let before = self.wish.counted.take();
        let mut is_first = false;
        let is_fresh = |counted: &Counted| {
            let is_recent = now >= counted.at && now.since(counted.at) < COUNT_AGAIN;
            counted.generation == self.generation() && counted.watts == watts && is_recent
        };
        let (counted, is_same) = match before {
            Some(counted) if is_fresh(&counted) => (counted, true),
            before => {
                let counted = self.counted(watts, now)?;
                is_first = before.is_none();
                let is_same = before.is_some_and(|before| {
                    let are_same =
                        before.limits.what == counted.limits.what && before.shares == counted.shares;
                    before.watts == watts && are_same
                });
                (counted, is_same)
            }
        };
        let steps = self.power_steps(&counted.limits.cap(&counted.shares, now.after(ORDER)), now)?;
        if steps.is_empty() {
            self.wish.trouble.clear();
            self.wish.counted = Some(counted);
            return Ok(Vec::new());
        }
        if is_same && self.config.drift == Drift::Report {
            let message = format!(
                "power limits are not those of the cap of {watts}; drift = \"report\" leaves it so; to be put right: {}",
                shown(&steps)
            );
            self.wish.counted = Some(counted);
            return Ok(once(&mut self.wish.trouble, now, "drift", message));
        }
        if let Some(owner) = counted.limits.owner(&self.host) {
            return Err(KeeperError::Refused(owner));
        }
        let done = self.bring_power(&steps)?;
        self.wish.trouble.clear();
        self.wish.counted = Some(counted);
        let (kind, why) = if is_same || is_first {
            ("drift_repaired", "power limits were not those of")
        } else {
            (
                "power_shares_changed",
                "workloads or parts came, went or changed under",
            )
        };
        let message = format!("{why} the cap of {watts}; done: {}", shown(&done));
        Ok(vec![event(now, kind, message)])
    }

    fn counted(&self, watts: Power, now: Moment) -> Result<Counted, KeeperError> {
        let limits = self.limits()?;
        let shares = limits
            .shares(watts)
            .ok_or_else(|| too_little(watts, &limits.parts))?;
        Ok(Counted {
            generation: self.generation(),
            at: now,
            watts,
            limits,
            shares,
        })
    }

    pub(super) fn limits(&self) -> Result<Limits, KeeperError> {
        Limits::of(&self.host, self.record()?, &self.machine, &self.ledger.intent)
    }

    /// Why the watts that a workload was promised would not be kept here.
    pub(super) fn refuse_unkept_watts(&self, isolation: &Isolation) -> Result<(), KeeperError> {
        if isolation.watts.is_none() {
            return Ok(());
        }
        if let Some(outcome) = held(&self.config.actuators, Actuator::PowerCap, &[]) {
            return outcome_of(Actuator::PowerCap, outcome).map(|_| ());
        }
        let intent = self.placed_at(isolation);
        let cap = self.ledger.cap.as_ref();
        match unkept(
            &self.host,
            self.record()?,
            &self.machine,
            &intent,
            cap,
            &isolation.workload,
        )? {
            Some(why) => Err(KeeperError::Shortfall(why)),
            None => Ok(()),
        }
    }

    /// The steps of a cap.
    pub(super) fn power_steps(&self, cap: &Cap, now: Moment) -> Result<Vec<Step>, KeeperError> {
        let steps = powercap::steps(&self.host, self.record()?, cap, now).map_err(unplanned)?;
        Ok(steps_of(steps))
    }

    pub(super) fn gate_power(&self, steps: &[Step]) -> Result<(), KeeperError> {
        match held(&self.config.actuators, Actuator::PowerCap, steps) {
            None => Ok(()),
            Some(outcome) => outcome_of(Actuator::PowerCap, outcome).map(|_| ()),
        }
    }

    pub(super) fn bring_power(&mut self, steps: &[Step]) -> Result<Vec<Step>, KeeperError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        self.act_by(Actuator::PowerCap, steps)
    }

    /// Writes down which cap is in force, or leaves what stood there.
    fn note_cap(&mut self, cap: Option<CapInForce>) -> Result<(), KeeperError> {
        let before = std::mem::replace(&mut self.ledger.cap, cap);
        self.save().inspect_err(|_| self.ledger.cap = before)
    }

    pub(super) fn record(&self) -> Result<&PathBuf, KeeperError> {
        self.layout.record.as_ref().ok_or_else(|| {
            KeeperError::Refused(format!(
                "an agent whose cgroup is called {:?} is not the host's own and caps nothing",
                self.config.cgroup_name
            ))
        })
    }
}

/// One event for one trouble, however many sweeps it lasts.
pub(super) fn once(last: &mut String, now: Moment, kind: &str, message: String) -> Vec<AgentEvent> {
    if *last == message {
        return Vec::new();
    }
    last.clone_from(&message);
    vec![event(now, kind, message)]
}

/// Why the watts that a workload of this intent was promised would not be kept.
pub(super) fn unkept(
    host: &Host,
    record: &std::path::Path,
    machine: &crate::place::Machine,
    intent: &Intent,
    cap: Option<&CapInForce>,
    id: &WorkloadId,
) -> Result<Option<String>, KeeperError> {
    Ok(Limits::of(host, record, machine, intent)?.unkept(intent, id, cap))
}

pub(super) fn too_little(watts: Power, parts: &[Part]) -> KeeperError {
    let least = parts.iter().map(|part| part.least.milliwatts());
    let least = Power::from_milliwatts(least.fold(0, u64::saturating_add));
    KeeperError::BadAsk(format!(
        "asked a cap of {watts} for {} CPU packages and GPUs; expected at least {least}, the lowest limits that they take together",
        parts.len()
    ))
}

fn lines(done: &[Step]) -> Vec<String> {
    done.iter().map(Step::to_string).collect()
}
