//! Opening: the ledger first, then the host, then what an earlier run left half done.

use std::path::{Path, PathBuf};

use facts::Moment;
use intent::{Actuator, WorkloadId};
use isolators::Host;
use isolators::apply::held;
use isolators::cgroup::strangers;

use super::config::DEFAULT_CDI_DIR;
use super::hand::{after, shown, told};
use super::keeper::StepWatch;
use super::regain::Again;
use super::{Keeper, KeeperConfig, KeeperError};
use crate::ledger::{CapInForce, Entry, Ledger, LedgerError, Life, Lock};
use crate::place::Machine;

impl Keeper {
    /// Opens the ledger, takes its lock, and finishes what an earlier run left half done. Where the mode forbids to act it
    /// only reads: no lock, no directory, no file.
    ///
    /// # Errors
    /// When the ledger is damaged, in use, or of another cgroup.
    pub fn open(config: KeeperConfig) -> Result<Keeper, KeeperError> {
        Keeper::open_watched(config, Box::new(|_| ()))
    }

    /// The same, and `watch` is called before each step that changes the host.
    ///
    /// # Errors
    /// As [`Keeper::open`].
    pub fn open_watched(config: KeeperConfig, watch: StepWatch) -> Result<Keeper, KeeperError> {
        let may = |actuator| held(&config.actuators, actuator, &[]).is_none();
        let acts = may(Actuator::Cpu) || may(Actuator::PowerCap);
        let lock = if acts {
            Some(Lock::take(&config.state_dir).map_err(unopened)?)
        } else {
            None
        };
        let ledger = Ledger::read(&config.state_dir).map_err(unopened)?;
        let ledger = ledger.unwrap_or_else(|| Ledger::new(&config.boot_id, &config.cgroup_name));
        fits(&ledger, &config)?;
        let host = Host::at(config.root.directory()).remembering();
        let mut layout = config.layout(&host);
        let refused = ledger.workloads.iter().filter(|entry| !entry.refused.is_empty());
        layout.refused = refused.map(|entry| entry.id.clone()).collect();
        let mut keeper = Keeper {
            config,
            host,
            layout,
            refreshed: None,
            ledger,
            pool: None,
            machine: Machine::default(),
            machine_of: None,
            lately: facts::CpuSet::new(),
            found: Vec::new(),
            watch,
            last_trouble: String::new(),
            again: Again::default(),
            held: std::collections::BTreeMap::new(),
            met: None,
            still: std::collections::BTreeSet::new(),
            awaited: std::collections::BTreeMap::new(),
            given_up: None,
            wish: super::cap::Wish::default(),
            lessee: super::lessee::Lessee::default(),
            uncounted: super::counting::Uncounted::default(),
            vms: std::collections::BTreeMap::new(),
            leaving: std::collections::BTreeSet::new(),
            asking: std::collections::BTreeSet::new(),
            _lock: lock,
        };
        keeper.ledger.cgroup_name.clone_from(&keeper.config.cgroup_name);
        keeper.ledger.below.clone_from(&keeper.config.below);
        let usual = Some(PathBuf::from(DEFAULT_CDI_DIR));
        keeper.ledger.cdi_dir = keeper
            .config
            .cdi_dir
            .clone()
            .filter(|_| keeper.config.cdi_dir != usual);
        keeper.step_aside()?;
        keeper.recover();
        Ok(keeper)
    }

    /// A cgroup that passes controllers on holds no processes: the agent leaves the one that was given to it.
    fn step_aside(&mut self) -> Result<(), KeeperError> {
        let steps = if self.gate_is_open() {
            isolators::cgroup::step_aside(&self.host, &self.layout)
        } else {
            Vec::new()
        };
        if !steps.is_empty() {
            self.act(&steps)?;
        }
        Ok(())
    }

    fn recover(&mut self) {
        if self.ledger.boot_id != self.config.boot_id {
            self.forget_the_boot_before();
        } else {
            self.resume_lease();
        }
        if self.ledger.workloads.is_empty()
            && let Ok(Some(stranger)) = strangers(&self.host, &self.layout)
        {
            self.found
                .push(format!("{stranger}; until then nothing is started here"));
        }
        let finished = self.finished();
        for id in finished {
            self.finish(&id);
        }
        let kept: Vec<Entry> = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.life == Life::Running)
            .cloned()
            .collect();
        for entry in kept {
            let members = self.members(&entry).map_or(0, |members| members.len());
            let cpus = self
                .ledger
                .intent
                .of(&entry.id)
                .map(|isolation| isolation.cpus.to_string());
            self.found.push(format!(
                "workload {} runs on with CPUs {} ({members} process{})",
                entry.id,
                cpus.unwrap_or_default(),
                if members == 1 { "" } else { "es" }
            ));
        }
        self.recover_held();
        if !self.config.counts_traffic
            && self.gate_is_open()
            && let Err(error) = self.count_no_more()
        {
            self.found.push(format!(
                "groups of resctrl that an earlier run counted by are left: {error}"
            ));
        }
        self.see_who_stands();
        if self.gate_is_open() {
            for id in self.on_their_way() {
                match self.arrive(&id) {
                    Ok(_) => self
                        .found
                        .push(format!("workload {id} was on its way to other CPUs; it is there")),
                    Err(error) => self
                        .found
                        .push(format!("workload {id} is on its way to other CPUs: {error}")),
                }
            }
        }
        if self.gate_is_open() && !self.ledger.workloads.is_empty() {
            match self.converge() {
                Ok(done) if done.is_empty() => {}
                Ok(done) => self.found.push(format!("put right: {}", shown(&done))),
                Err(error) => self
                    .found
                    .push(format!("cannot bring the host to the intent: {error}")),
            }
        }
    }

    fn finish(&mut self, id: &WorkloadId) {
        let orphan = self.orphan(id);
        let what = match self.ledger.entry(id).map(|entry| entry.life) {
            _ if orphan.is_some() => {
                "lost its cgroups to somebody else, and its process runs on without its CPUs"
            }
            Some(Life::Starting) => "was never confirmed to who asked",
            Some(Life::Ending) => "was being undone",
            Some(Life::Running) | None => "has ended while no agent ran",
        };
        if !self.gate_is_open() {
            self.found.push(format!(
                "workload {id} {what}; the mode keeps it from being undone"
            ));
            return;
        }
        let came = match self.undo(id) {
            Ok(undone) => format!("undone: {} steps", undone.len()),
            Err(error) => format!("cannot undo it: {error}"),
        };
        self.found.push(format!("workload {id} {what}; {came}"));
    }

    /// No cgroup outlives its kernel: what the ledger says of an earlier boot is over.
    fn forget_the_boot_before(&mut self) {
        let gone: Vec<String> = self
            .ledger
            .workloads
            .iter()
            .map(|entry| entry.id.to_string())
            .collect();
        if !gone.is_empty() {
            let names = gone.join(", ");
            self.found.push(format!(
                "the node was started again: gone with the boot before are {names}"
            ));
        }
        let cap = self.ledger.cap.take();
        let leases = self.ledger.leases.after_boot();
        if let Some(held) = &leases.held {
            self.found.push(format!(
                "the node was started again: rack {:?} granted lease {} to the boot before; {} is in force until it grants another",
                held.rack, held.sequence, held.target
            ));
        } else if let Some(in_force) = &cap {
            self.found.push(format!(
                "the node was started again: the cap of {} since {} went with the boot before, and so did its power limits",
                in_force.cap.watts, in_force.cap.since
            ));
        }
        let intent = after(self.ledger.intent.generation);
        let drained = self.ledger.drained.take();
        let cdi_dir = self.ledger.cdi_dir.take();
        self.ledger = Ledger::new(&self.config.boot_id, &self.config.cgroup_name);
        self.ledger.drained = drained;
        self.ledger.cdi_dir = cdi_dir;
        if let Some(held) = &leases.held {
            let since = cap.as_ref().map_or(Moment::EPOCH, |cap| cap.cap.since);
            self.ledger.cap = Some(CapInForce::of(held.target, since));
        }
        self.ledger.leases = leases;
        self.ledger.below.clone_from(&self.config.below);
        self.ledger.intent = intent;
        self.layout.refused.clear();
        let is_due = self.gate_is_open() && !gone.is_empty();
        if (is_due || (cap.is_some() && self._lock.is_some()))
            && let Err(error) = self.save()
        {
            self.found.push(error.to_string());
        }
    }
}

pub(super) fn unopened(error: LedgerError) -> KeeperError {
    match error {
        LedgerError::Held { .. } => KeeperError::Conflict(told(&error)),
        LedgerError::Damaged { .. } => KeeperError::Refused(told(&error)),
        LedgerError::Io { .. } => KeeperError::Failed(told(&error)),
    }
}

/// Whether an agent of this configuration may go on with that ledger.
fn fits(ledger: &Ledger, config: &KeeperConfig) -> Result<(), KeeperError> {
    if ledger.cgroup_name != config.cgroup_name && !ledger.workloads.is_empty() {
        return Err(KeeperError::Refused(format!(
            "the ledger in {} is of the cgroup {:?} and names {} workloads; this agent is to use {:?}. \
             Use the old name until they have ended, or let the old agent leave",
            config.state_dir.display(),
            ledger.cgroup_name,
            ledger.workloads.len(),
            config.cgroup_name
        )));
    }
    if ledger.below != config.below && !ledger.workloads.is_empty() {
        let place = |below: &Option<PathBuf>| below.as_deref().unwrap_or(Path::new("")).display().to_string();
        return Err(KeeperError::Refused(format!(
            "the ledger in {} names {} workloads below the cgroup /{}; this agent is to work below /{}. End them first, or go on as \
             before",
            config.state_dir.display(),
            ledger.workloads.len(),
            place(&ledger.below),
            place(&config.below)
        )));
    }
    Ok(())
}
