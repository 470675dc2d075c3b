//! The keeper itself, what it knows, and what it says of it. One task owns it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use agent_api::v1::{CgroupStatus, Exclusivity, PlannedStep, Workload};
use facts::{CpuSet, Inventory, Moment};
use intent::{Generation, Intent, Isolation, WorkloadId};
use isolators::cgroup::{CgroupMode, Controller, Layout};
use isolators::{Host, Phase, Step, cdi};

use super::entered::Awaited;
use super::regain::Again;
use super::{KeeperConfig, KeeperError, held};
use crate::drives::Lent;
use crate::ledger::{Entry, Ledger, Life, Lock};
use crate::place::{self, Machine, Pool, Taken};

/// Called before each step that changes the host.
pub type StepWatch = Box<dyn FnMut(&Step) + Send>;

/// Owns the ledger and the intent in force. Synchronous: its calls read and write small files and may take a second.
pub struct Keeper {
    pub(super) config: KeeperConfig,
    pub(super) host: Host,
    pub(super) layout: Layout,
    /// When the layout was last made of what the host says.
    pub(super) refreshed: Option<Instant>,
    pub(super) ledger: Ledger,
    pub(super) pool: Option<Pool>,
    /// What placement knows of the machine, and the moment of the inventory that it was made from.
    pub(super) machine: Machine,
    pub(super) machine_of: Option<Moment>,
    /// CPUs that a partition of ours held and that the inventory still shows as kept away from us.
    pub(super) lately: CpuSet,
    pub(super) found: Vec<String>,
    pub(super) watch: StepWatch,
    pub(super) last_trouble: String,
    /// When the kernel is asked again for partitions that it refused.
    pub(super) again: Again,
    /// Who is held back, and until when. In memory only: an agent that starts again lets everybody go.
    pub(super) held: BTreeMap<WorkloadId, Moment>,
    /// The intent of this generation was found fulfilled, and nothing was changed since by us.
    pub(super) met: Option<Generation>,
    /// Workloads whose first process is awaited: everything of them stands, and nobody is in them yet. In memory only: in the ledger
    /// they are as those that were never confirmed, and an agent that starts again undoes them.
    pub(super) awaited: BTreeMap<WorkloadId, Awaited>,
    /// The last start that came to nothing between its two halves, and why.
    pub(super) given_up: Option<(WorkloadId, String)>,
    /// Who stands still, as the kernel said at the last sweep, or since when we made it so.
    pub(super) still: BTreeSet<WorkloadId>,
    /// Containers of which their runtime said that they have ended. In memory only: it says so again to an agent that starts again.
    pub(super) leaving: BTreeSet<WorkloadId>,
    /// Workloads of which somebody speaks with their owner now. In memory only: an agent that starts again speaks with it anew.
    pub(super) asking: BTreeSet<WorkloadId>,
    /// What the sweep knows of the cap of power in force.
    pub(super) wish: super::cap::Wish,
    /// What is known of the lease of power beside the ledger.
    pub(super) lessee: super::lessee::Lessee,
    /// Whose memory traffic is not counted though it is wished.
    pub(super) uncounted: super::counting::Uncounted,
    /// The last word of each virtual machine's QEMU.
    pub(super) vms: BTreeMap<WorkloadId, super::vm::Known>,
    pub(super) _lock: Option<Lock>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("config", &self.config)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// What opening found and did: a sentence each, for the log.
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// Whether it is the one that writes to this state directory: it acts, and holds the lock.
    pub fn is_the_one(&self) -> bool {
        self._lock.is_some()
    }

    /// The drives that are the rack's to lend.
    pub(super) fn pooled(&self) -> Lent {
        Lent::new(self.config.root.clone(), self.config.pooled.clone())
    }

    /// Who holds which drive, by what the OS calls it.
    pub fn drives(&self) -> BTreeMap<String, WorkloadId> {
        drives_of(&self.ledger)
    }

    /// Takes note of the machine as it is now: from it follow the reserved and the shared CPUs. Changes nothing on the
    /// host; the next sweep does, where CPUs came or went.
    pub fn look(&mut self, inventory: &Inventory) {
        let shown: CpuSet = inventory
            .cpus
            .iter()
            .filter(|cpu| cpu.usable)
            .map(|cpu| cpu.id)
            .collect();
        self.lately = self.lately.difference(&shown);
        if self.machine_of.is_none() || self.machine_of != inventory.at {
            self.machine = self.machine_from(inventory);
            self.machine_of = inventory.at;
        }
        self.machine.lend_again(&self.lately);
        let pool = Pool::of(&self.machine, &taken(&self.ledger));
        // Before the topology is known nothing is usable; what was known stays.
        if !pool.usable.is_empty() {
            self.pool = Some(pool);
        }
    }

    /// What placement must know of this machine. The inventory may be older than the last end of a workload: what our own
    /// partitions kept away from us until then is ours to lend.
    pub(super) fn machine_from(&self, inventory: &Inventory) -> Machine {
        let mut machine =
            Machine::of(inventory, self.config.reserved_cpus.as_ref()).with_budget(place::budget(inventory));
        machine.lend_again(&self.lately);
        machine
    }

    /// The outstanding steps as the keeper saw them last: the host is read again only where it was not just found in order.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn outstanding(&self) -> Result<Vec<PlannedStep>, KeeperError> {
        let mut entries = self.ledger.workloads.iter();
        if self.met == Some(self.generation()) && entries.all(|entry| self.stands(entry)) {
            return Ok(Vec::new());
        }
        self.plan()
    }

    /// The outstanding steps; none means converged. Reads the host, changes nothing.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn plan(&self) -> Result<Vec<PlannedStep>, KeeperError> {
        self.host.forget();
        let mut steps: Vec<(Phase, Step)> = Vec::new();
        for entry in self.ledger.workloads.iter().filter(|entry| !self.stands(entry)) {
            let moves = self.moves_back(entry, 0)?;
            steps.extend(moves.into_iter().map(|step| (Phase::Release, step)));
        }
        steps.extend(self.missing(&self.settled())?);
        let told = steps.into_iter().map(|(phase, step)| PlannedStep {
            phase: phase.word().to_owned(),
            text: step.to_string(),
        });
        Ok(told.collect())
    }

    /// The intent without workloads that were never confirmed: what a crash now would lead to.
    pub(super) fn settled(&self) -> Intent {
        let mut intent = self.ledger.intent.clone();
        let stands = |id: &WorkloadId| self.ledger.entry(id).is_some_and(|entry| self.stands(entry));
        intent.isolations.retain(|isolation| stands(&isolation.workload));
        intent
    }

    /// Whether what it has is to stay: it runs, or its first process is awaited.
    pub(super) fn stands(&self, entry: &Entry) -> bool {
        entry.life == Life::Running || self.awaited.contains_key(&entry.id)
    }

    /// The workloads in force.
    pub fn workloads(&self) -> Vec<Workload> {
        let running = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.life == Life::Running);
        running
            .filter_map(|entry| Some(self.shown(entry, self.ledger.intent.of(&entry.id)?)))
            .collect()
    }

    pub(super) fn shown(&self, entry: &Entry, isolation: &Isolation) -> Workload {
        let cgroups: Vec<PathBuf> = match &entry.container {
            Some(container) => self
                .container_groups(container)
                .into_iter()
                .map(|(_, dir)| dir)
                .collect(),
            None => {
                let places = self.layout.hierarchies(isolation).unwrap_or_default();
                places
                    .into_iter()
                    .map(|place| self.layout.group(place, isolation))
                    .collect()
            }
        };
        Workload {
            id: entry.id.clone(),
            command: entry.command.clone(),
            uid: entry.uid,
            pid: entry.pid,
            cpus: isolation.cpus.clone(),
            numa_nodes: isolation.numa_nodes.clone(),
            exclusive: isolation.exclusive,
            memory_bytes: isolation.memory_max,
            since: entry.since,
            cgroups: cgroups.iter().map(|dir| dir.display().to_string()).collect(),
            exclusivity: entry.exclusivity,
            steps: entry.steps.clone(),
            frozen: self.still.contains(&entry.id),
            priority: isolation.priority,
            revocable: isolation.revocable == Some(true),
            watts: isolation.watts,
            squeezed: self.shown_squeeze(isolation),
            uncounted: self.why_uncounted(&entry.id),
            held_to_millicpus: isolation.cpu_time_held,
            vm: self.shown_vm(entry, isolation),
            adopted: entry.adopted,
            cdi: self.specification(isolation),
            held: held::grade(isolation),
            awaits: self.awaited.contains_key(&entry.id),
            container: entry
                .container
                .as_ref()
                .map(|one| format!("{} {}", one.runtime, one.id)),
        }
    }

    /// The specification for containers of what a workload may use, where it has one.
    fn specification(&self, isolation: &Isolation) -> Option<String> {
        let dir = self.layout.cdi.as_deref().filter(|_| cdi::has_file(isolation))?;
        Some(cdi::file_of(dir, &isolation.workload).display().to_string())
    }

    /// Who asked for this workload: its user.
    pub fn owner(&self, id: &WorkloadId) -> Option<u32> {
        self.ledger.entry(id).map(|entry| entry.uid)
    }

    /// The generation of the intent in force.
    pub fn generation(&self) -> Generation {
        self.ledger.intent.generation
    }

    /// CPUs that are kept for the host and never lent exclusively. Empty until `look`.
    pub fn reserved(&self) -> CpuSet {
        self.pool
            .as_ref()
            .map(|pool| pool.reserved.clone())
            .unwrap_or_default()
    }

    /// CPUs that every workload without exclusive ones shares, with the host. Empty until `look`.
    pub fn shared(&self) -> CpuSet {
        self.pool
            .as_ref()
            .map(|pool| pool.usable.difference(&lent(&self.ledger.intent)))
            .unwrap_or_default()
    }

    /// Which cgroups the host offers.
    pub fn cgroup_status(&self) -> CgroupStatus {
        let cgroups = &self.layout.cgroups;
        let controllers = cgroups
            .places
            .iter()
            .map(|(controller, place)| (controller.word().to_owned(), place.mount.display().to_string()));
        let refused: Vec<String> = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| !entry.refused.is_empty())
            .map(|entry| format!("{}: {}", entry.id, entry.refused))
            .collect();
        let (exclusivity, why) = if cgroups.mode == CgroupMode::None {
            let why = cgroups
                .missing
                .get(&Controller::Cpuset)
                .cloned()
                .unwrap_or_default();
            (Exclusivity::None, why)
        } else if let Some(why) = self.layout.why_no_partition() {
            (Exclusivity::AmongBusbar, why.to_owned())
        } else if refused.is_empty() {
            (Exclusivity::Partition, String::new())
        } else {
            (Exclusivity::AmongBusbar, refused.join("; "))
        };
        CgroupStatus {
            mode: cgroups.mode.word().to_owned(),
            controllers: controllers.collect(),
            exclusivity,
            why,
        }
    }
}

/// Who holds which drive by a ledger, by what the OS calls it.
pub(super) fn drives_of(ledger: &Ledger) -> BTreeMap<String, WorkloadId> {
    let each = taken(ledger).into_iter();
    let drives = each.flat_map(|one| {
        let names = one.drives.into_iter();
        let names = names.filter_map(|drive| drive.device);
        names.map(move |name| (name, one.workload.clone()))
    });
    drives.collect()
}

/// What everybody holds, with what each asked for.
pub(super) fn taken(ledger: &Ledger) -> Vec<Taken> {
    let each = ledger.intent.isolations.iter().map(|isolation| {
        let entry = ledger.entry(&isolation.workload);
        Taken::of_isolation(isolation, entry.and_then(|entry| entry.ask.as_deref()))
    });
    each.collect()
}

/// The CPUs that somebody has exclusively.
pub(super) fn lent(intent: &Intent) -> CpuSet {
    let mut all = CpuSet::new();
    let exclusive = intent.isolations.iter().filter(|isolation| isolation.exclusive);
    exclusive.for_each(|isolation| all.add(&isolation.cpus));
    all
}
