//! Leases of power: what a rack grants becomes the cap in force.
//!
//! What falls is written to the hardware and read back first, and to the disk after it: lowering waits for nobody. What rises is on
//! disk first. What is in force by a lease is a cap like a person's: the same limits, shares and squeezes, the same record of what
//! was found, and the same sweep that keeps it.

use agent_api::v1::{AgentEvent, Lease, LeaseEnd};
use facts::{Moment, Power};
use isolators::powercap;

use super::cap::{Counted, ORDER, too_little};
use super::hand::unplanned;
use super::lessee::{forget_lately, holder};
use super::limited::Limits;
use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::lease::{Here, Moves, Next, Refusal};

/// Why a lease was not taken.
enum NotTaken {
    Refusal(Refusal),
    Keeper(KeeperError),
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> NotTaken {
        NotTaken::Refusal(refusal)
    }
}

impl From<KeeperError> for NotTaken {
    fn from(error: KeeperError) -> NotTaken {
        NotTaken::Keeper(error)
    }
}

impl Keeper {
    /// Takes a lease, or renews one, at this reading of this boot's clock. Gives what there is to tell.
    ///
    /// # Errors
    /// Where the lease is refused; what was in force stays in force.
    pub fn take_lease(
        &mut self,
        lease: &Lease,
        now: Moment,
        reading: u64,
    ) -> Result<Vec<AgentEvent>, KeeperError> {
        let taken = self.taken(lease, now, reading);
        self.counted_refusal(taken)
    }

    /// Ends the lease in order: what was found before the first cap comes back.
    ///
    /// # Errors
    /// Where the end is refused, or the hardware keeps another limit. The lease is in force still then.
    pub fn end_lease(
        &mut self,
        end: &LeaseEnd,
        now: Moment,
        reading: u64,
    ) -> Result<Vec<AgentEvent>, KeeperError> {
        let ended = self.ended(end, now, reading);
        self.counted_refusal(ended)
    }

    fn counted_refusal(
        &mut self,
        came: Result<Vec<AgentEvent>, NotTaken>,
    ) -> Result<Vec<AgentEvent>, KeeperError> {
        let (word, error) = match came {
            Ok(events) => return Ok(events),
            Err(NotTaken::Keeper(error)) => (error.code(), error),
            Err(NotTaken::Refusal(refusal)) => {
                let text = refusal.to_string();
                let error = if refusal.is_the_asks() {
                    KeeperError::BadAsk(text)
                } else {
                    KeeperError::Conflict(text)
                };
                (refusal.word(), error)
            }
        };
        *self.lessee.refused.entry(word).or_default() += 1;
        Err(error)
    }

    fn taken(&mut self, lease: &Lease, now: Moment, reading: u64) -> Result<Vec<AgentEvent>, NotTaken> {
        self.record()?;
        self.gate_power(&[])?;
        let next = self.ledger.leases.take(lease, &self.here(reading))?;
        let events = told(&next, now);
        if next.moves == Moves::Nothing {
            // The sweep writes the ledger: a renewal waits for no disk.
            let was = &self.ledger.leases;
            let has_ended =
                |leases: &crate::lease::Leases| leases.held.as_ref().is_some_and(|held| held.expired);
            self.lessee.unwritten |=
                was.seen != next.leases.seen || has_ended(was) != has_ended(&next.leases);
            self.ledger.leases = next.leases;
        } else {
            self.moved(next, now)?;
        }
        self.note_lately();
        Ok(events)
    }

    /// Brings about what changes the caps.
    fn moved(&mut self, next: Next, now: Moment) -> Result<(), KeeperError> {
        let limits = self.limits()?;
        if limits.what.is_empty() {
            return Err(KeeperError::Refused(limits.nothing_to_cap()));
        }
        let lowest = next.leases.held.as_ref().map(|held| held.holds().lowest());
        if let Some(lowest) = lowest
            && limits.shares(lowest).is_none()
        {
            return Err(too_little(lowest, &limits.parts));
        }
        if let Some(owner) = limits.owner(&self.host) {
            return Err(KeeperError::Refused(owner));
        }
        let is_first = self.ledger.leases.held.is_none();
        match self.note_originals(&limits) {
            Err(error) if is_first => return Err(error),
            // Whatever was noted before can fall; the rest says so when it is written to.
            Ok(()) | Err(_) => {}
        }
        let before = (self.ledger.leases.clone(), self.ledger.cap.clone());
        let moves = next.moves;
        self.install(next.leases, now);
        if moves == Moves::Up
            && let Err(error) = self.save_lease()
        {
            (self.ledger.leases, self.ledger.cap) = before;
            return Err(error);
        }
        let brought = self.bring_lease(limits, now);
        if let Err(error) = brought
            && is_first
        {
            (self.ledger.leases, self.ledger.cap) = before;
            self.lessee.unwritten = true;
            return Err(error);
        }
        self.lessee.unwritten |= moves == Moves::Down;
        self.lessee.is_urgent = true;
        Ok(())
    }

    /// Notes what is found of all parts, while there is time for a disk.
    fn note_originals(&mut self, limits: &Limits) -> Result<(), KeeperError> {
        let noted = powercap::noted(&self.host, self.record()?, &limits.gpus).map_err(unplanned)?;
        let steps: Vec<_> = noted.into_iter().collect();
        self.bring_power(&steps).map(|_| ())
    }

    /// Writes the limits of the cap in force, and reads them back.
    fn bring_lease(&mut self, limits: Limits, now: Moment) -> Result<(), KeeperError> {
        let Some(target) = self.ledger.leases.target() else {
            return Ok(());
        };
        let brought = self.bring_limits(limits, target, now);
        self.lessee.failed = brought.as_ref().err().map(KeeperError::to_string);
        self.read_limits();
        brought
    }

    fn bring_limits(&mut self, limits: Limits, target: Power, now: Moment) -> Result<(), KeeperError> {
        let least = limits.parts.iter().map(|part| part.least);
        let least = least.fold(Power::ZERO, Power::saturating_add);
        // A part that came lately may take no limit that is low enough: then all are at their lowest, and the sum says so.
        let shares = limits.shares(target.max(least));
        let shares = shares.ok_or_else(|| too_little(target, &limits.parts))?;
        let steps = self.power_steps(&limits.cap(&shares, now.after(ORDER)), now)?;
        self.bring_power(&steps)?;
        self.wish.counted = Some(Counted {
            generation: self.generation(),
            at: now,
            watts: target,
            limits,
            shares,
        });
        Ok(())
    }

    /// What time has made of the lease. Call it when it ends, and whenever nobody looked for a while.
    pub fn expire_lease(&mut self, now: Moment, reading: u64) -> Vec<AgentEvent> {
        let Some(next) = self.ledger.leases.expire(reading) else {
            return Vec::new();
        };
        let mut events = told(&next, now);
        self.install(next.leases, now);
        self.lessee.unwritten = true;
        if self.gate_power(&[]).is_ok() {
            let brought = self.limits().and_then(|limits| self.bring_lease(limits, now));
            if let Err(error) = brought {
                let message = format!("cannot lower the limits after the lease ended: {error}");
                events.push(event(now, "trouble", message));
                self.lessee.failed = Some(error.to_string());
            }
            self.note_lately();
        }
        events
    }

    fn ended(&mut self, end: &LeaseEnd, now: Moment, reading: u64) -> Result<Vec<AgentEvent>, NotTaken> {
        let Some(next) = self.ledger.leases.end(end, &self.here(reading))? else {
            return Ok(Vec::new());
        };
        self.gate_power(&[])?;
        let events = told(&next, now);
        // The ledger is written last: a kill before that leaves the lease in force, and the next agent's sweep lowers again.
        let before = std::mem::replace(&mut self.ledger.leases, next.leases);
        if let Err(error) = self.release_power(now) {
            self.ledger.leases = before;
            return Err(error.into());
        }
        self.lessee.failed = None;
        self.lessee.unwritten = true;
        forget_lately(&self.config.state_dir);
        Ok(events)
    }

    fn here(&self, reading: u64) -> Here<'_> {
        Here {
            boot_id: &self.config.boot_id,
            now: reading,
            cap: self.power_cap().map(|cap| cap.watts),
        }
    }

    /// Whether the ledger waits to be written for what fell.
    pub fn is_lease_to_settle(&self) -> bool {
        self.lessee.is_urgent
    }

    /// Who holds this node, and how it becomes free; `None` where nobody does.
    pub(super) fn lease_holder(&self) -> Option<String> {
        self.ledger.leases.held.as_ref().map(holder)
    }

    /// A person ends the lease without its rack.
    pub(super) fn forget_lease(&mut self) {
        self.ledger.leases = crate::lease::Leases::default();
        forget_lately(&self.config.state_dir);
    }
}

fn told(next: &Next, now: Moment) -> Vec<AgentEvent> {
    let told = next.told.iter();
    told.map(|(kind, message)| event(now, kind, message.clone()))
        .collect()
}
