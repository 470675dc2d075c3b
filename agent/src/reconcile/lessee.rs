//! What the keeper knows of its lease beside the ledger, and what it says of it.

use std::collections::BTreeMap;
use std::path::Path;

use agent_api::v1::{AgentEvent, Head, LeaseInForce, LeaseView, PowerCap};
use facts::{Moment, Power};
use isolators::{nvml, powercap};

use super::cap::once;
use super::hand::{told, unplanned};
use super::{Keeper, KeeperError};
use crate::lease::{Held, Leases};
use crate::ledger::{self, CapInForce, Lately};

/// What is known of the lease of power beside the ledger. In memory only.
#[derive(Debug, Default)]
pub(super) struct Lessee {
    /// All limits together as they were read back last, or why they were not.
    read: Option<Result<Power, String>>,
    /// Parts that take no limit, a sentence each.
    not_capped: Vec<String>,
    /// Why the last writes failed.
    pub(super) failed: Option<String>,
    /// Whether the ledger on disk is older than the lease in force.
    pub(super) unwritten: bool,
    /// Whether caps changed, and neither the ledger nor whoever is to be squeezed knows yet.
    pub(super) is_urgent: bool,
    /// The last trouble with writing it that was told.
    trouble: String,
    /// How often a lease was refused, by reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
}

/// How a node stands to its lease, as every face shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// What the API answers.
    pub view: LeaseView,
    /// How often a lease was refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Whether the ledger on disk is older than the lease in force.
    pub unwritten: bool,
}

impl Keeper {
    /// How this node stands to its lease, at this reading of its clock.
    pub fn leased(&self, reading: u64) -> Leased {
        Leased {
            view: self.lease_view(reading),
            refused: self.lessee.refused.clone(),
            unwritten: self.lessee.unwritten,
        }
    }

    /// What the API answers.
    pub fn lease_view(&self, reading: u64) -> LeaseView {
        let leases = &self.ledger.leases;
        LeaseView {
            boot_id: self.config.boot_id.clone(),
            node: None,
            now_millis: reading,
            lease: leases.held.as_ref().map(|held| self.lease_in_force(held)),
            head: leases.seen.as_ref().map(|seen| Head::clone(&seen.head)),
            not_capped: self.lessee.not_capped.clone(),
        }
    }

    fn lease_in_force(&self, held: &Held) -> LeaseInForce {
        let why_not = self.why_not_applied(held.target);
        let holds = held.holds();
        LeaseInForce {
            rack: held.rack.clone(),
            sequence: held.sequence,
            cap_watts: holds.cap_watts,
            levels: holds.levels.clone(),
            level: holds.level,
            expired: held.expired,
            expires_millis: held.expires_millis,
            in_force_watts: self.lessee.read.clone().and_then(Result::ok),
            applied: why_not.is_none(),
            why_not,
        }
    }

    /// Why the limits are not those of the lease, as they were read back last.
    fn why_not_applied(&self, target: Power) -> Option<String> {
        if let Err(refused) = self.gate_power(&[]) {
            return Some(refused.to_string());
        }
        let read = match &self.lessee.read {
            None => return Some("the limits have not been read back yet".to_owned()),
            Some(Err(error)) => return Some(format!("the limits cannot be read back: {error}")),
            Some(Ok(read)) => *read,
        };
        if self.lessee.failed.is_some() {
            return self.lessee.failed.clone();
        }
        (read > target).then(|| format!("the limits read back are {read} together, above {target}"))
    }

    /// When the lease in force ends, as a reading of this boot's clock; `None` where none does.
    pub fn lease_ends(&self) -> Option<u64> {
        let held = self.ledger.leases.held.as_ref()?;
        (!held.expired).then_some(held.expires_millis)
    }

    /// Reads back what the hardware says of all limits together.
    pub(super) fn read_limits(&mut self) {
        let read = self.limits_read();
        self.lessee.read = Some(match read {
            Ok((watts, not_capped)) => {
                self.lessee.not_capped = not_capped;
                Ok(watts)
            }
            Err(error) => Err(error.to_string()),
        });
    }

    pub(super) fn limits_read(&self) -> Result<(Power, Vec<String>), KeeperError> {
        let packages = powercap::in_force(&self.host).map_err(unplanned)?;
        let gpus = nvml::gpus(&self.host).map_err(|error| KeeperError::Failed(told(&error)))?;
        let each = packages.into_values();
        let each = each.chain(gpus.limited.iter().map(|gpu| gpu.limit));
        let watts = each.fold(Power::ZERO, Power::saturating_add);
        Ok((watts, gpus.unlimited))
    }

    /// The sweep's part: what the limits are now, and the ledger where it is behind.
    pub(super) fn keep_lease(&mut self, now: Moment) -> Vec<AgentEvent> {
        if self.ledger.leases.held.is_some() {
            let trouble = self.wish.trouble.clone();
            self.lessee.failed = Some(trouble).filter(|trouble| !trouble.is_empty());
            self.read_limits();
        }
        self.settle_lease(now)
    }

    /// Writes the ledger down where it is behind: a cap that falls does not wait for that. Call it after each lease.
    pub fn settle_lease(&mut self, now: Moment) -> Vec<AgentEvent> {
        self.lessee.is_urgent = false;
        if !self.lessee.unwritten || !self.is_the_one() {
            return Vec::new();
        }
        match self.save_lease() {
            Ok(()) => Vec::new(),
            Err(error) => {
                let message = format!(
                    "the lease in force stands in memory only, the ledger is older: {error}; it is tried again each second, and \
                     nothing is raised until then"
                );
                once(&mut self.lessee.trouble, now, "lease_unwritten", message)
            }
        }
    }

    /// Writes the ledger down, so that it stands after the machine's own end too.
    pub(super) fn save_lease(&mut self) -> Result<(), KeeperError> {
        self.save()?;
        let state_dir = &self.config.state_dir;
        ledger::flush(state_dir).map_err(|error| KeeperError::Failed(told(&error)))?;
        self.lessee.unwritten = false;
        self.lessee.trouble.clear();
        Ok(())
    }

    /// Notes how the leases stand, without a flush. Where that fails the ledger is older than it could be, which costs watts after a
    /// new start and no promise.
    pub(super) fn note_lately(&mut self) {
        let lately = Lately {
            boot_id: self.config.boot_id.clone(),
            leases: self.ledger.leases.clone(),
        };
        if self.is_the_one()
            && let Err(error) = lately.write(&self.config.state_dir)
        {
            tracing::debug!("cannot note the renewal: {error}");
        }
    }

    /// These leases from now on, and the cap that they put in force.
    pub(super) fn install(&mut self, leases: Leases, now: Moment) {
        let stands = |cap: &CapInForce| Some(cap.cap.watts) == leases.target();
        if !self.ledger.cap.as_ref().is_some_and(stands) {
            self.ledger.cap = leases.target().map(|watts| CapInForce::of(watts, now));
        }
        self.ledger.leases = leases;
    }

    /// A new start in the same boot: what was noted last holds, and nothing rises above what the hardware is found with until a lease
    /// says so. A cap that fell while the disk was full stands in the hardware only.
    pub(super) fn resume_lease(&mut self) {
        let lately = Lately::read(&self.config.state_dir);
        let lately = lately.filter(|lately| lately.boot_id == self.config.boot_id);
        let mut leases = self.ledger.leases.clone();
        if let Some(lately) = lately {
            leases = leases.or_later(lately.leases);
        }
        let Some(target) = leases.target() else {
            return;
        };
        if let Some(found) = self.found_below(target) {
            leases = leases.no_higher_than(found);
            self.found.push(format!(
                "the limits are {found} together, and the lease of {target} was never written to them, or they fell after the \
                 ledger was written: {found} is in force until the rack renews"
            ));
        }
        let since = self.ledger.cap.as_ref().map(|cap| cap.cap.since);
        let now = since.unwrap_or_else(|| crate::clock::Clock::start().now());
        self.install(leases, now);
    }

    /// What the hardware limits all parts to, where that is less than the lease would have them at.
    fn found_below(&self, target: Power) -> Option<Power> {
        let limits = self.limits().ok()?;
        let (found, _) = self.limits_read().ok()?;
        let most = limits.parts.iter().map(|part| part.most);
        let most = most.fold(Power::ZERO, Power::saturating_add);
        // Each part rounds down to its unit, of a watt at most.
        let watts = u64::try_from(limits.parts.len()).unwrap_or(u64::MAX);
        let units = Power::from_watts(watts).unwrap_or(Power::ZERO);
        (found.saturating_add(units) < target.min(most)).then_some(found)
    }

    /// The cap in force in words, with the rack by whose lease it is.
    pub(super) fn cap_words(&self, cap: PowerCap) -> String {
        let text = format!("the cap of {} since {}", cap.watts, cap.since);
        match &self.ledger.leases.held {
            None => text,
            Some(held) if held.expired => {
                format!(
                    "{text} (what is left of a lease that rack {:?} did not renew)",
                    held.rack
                )
            }
            Some(held) => format!(
                "{text} (leased by rack {:?}, level {})",
                held.rack,
                held.holds().level
            ),
        }
    }

    /// A person's cap has no place beside a lease.
    pub(super) fn not_leased(&self) -> Result<(), KeeperError> {
        match &self.ledger.leases.held {
            None => Ok(()),
            Some(held) => Err(KeeperError::Refused(holder(held))),
        }
    }
}

/// Who holds a node, and how it becomes free.
pub(super) fn holder(held: &Held) -> String {
    format!(
        "rack {:?} holds this node's lease of power (lease {}, {} in force); the limits are its matter until it ends the lease, or \
         until busbar-agent leave --force",
        held.rack, held.sequence, held.target
    )
}

/// Takes what was noted of leases away.
pub(super) fn forget_lately(state_dir: &Path) {
    if let Err(error) = ledger::Lately::remove(state_dir) {
        tracing::warn!("cannot remove what was noted of the lease: {error}");
    }
}
