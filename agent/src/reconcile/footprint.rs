//! What Busbar placed on a host, and how it leaves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use collectors::Root;
use facts::Moment;
use intent::{Actuators, Mode, WorkloadId};
use isolators::cgroup::Layout;
use isolators::record::Record;
use isolators::{Host, Step, cdi, resctrl};
use serde::Serialize;

use super::config::{DEFAULT_CDI_DIR, OWN_CGROUP};
use super::hand::unplanned;
use super::keeper::drives_of;
use super::recover::unopened;
use super::{Keeper, KeeperConfig, KeeperError};
use crate::drives::{self, BooksError, Leaving};
use crate::interfere;
use crate::ledger::{Ledger, ORIGINALS_FILE, files};
use crate::owners::{Doors, give_back_now};

/// This boot.
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

/// Everything that Busbar placed on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Workloads that the ledger names.
    pub workloads: Vec<WorkloadId>,
    /// Cgroup directories: our own, and the workloads' in them; classes of resctrl and groups that count.
    pub cgroups: Vec<PathBuf>,
    /// Files of the host that are not ours and that were changed (interrupts, work queues, cache classes, power limits), with
    /// what they said before.
    pub changed: BTreeMap<PathBuf, String>,
    /// Pooled drives: subsystems of the kernel's NVMe target that are ours, and connections to other nodes' drives.
    pub drives: Vec<String>,
    /// Files of the state directory, and specifications for containers.
    pub files: Vec<PathBuf>,
}

/// What came of leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Processes that were moved back to where they came from.
    pub moved: usize,
    /// The workloads whose cgroups were removed.
    pub removed: Vec<WorkloadId>,
    /// Power limits that are again as they were found.
    pub limits: usize,
    /// Drives of this node to which nobody is let in any more.
    pub withdrawn: usize,
    /// Drives of other nodes that were let go.
    pub detached: usize,
    /// What could not be removed, and why.
    pub kept: Vec<String>,
}

impl fmt::Display for Left {
    /// `removed: 1 cgroup, 2 processes moved back; nothing left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.removed.len() == 1 { "" } else { "s" };
        write!(f, "removed: {} cgroup{plural}", self.removed.len())?;
        if self.moved > 0 {
            let plural = if self.moved == 1 { "" } else { "es" };
            write!(f, ", {} process{plural} moved back", self.moved)?;
        }
        if self.limits > 0 {
            let plural = if self.limits == 1 { "" } else { "s" };
            write!(f, ", {} power limit{plural} put back", self.limits)?;
        }
        for (count, what) in [(self.withdrawn, "withdrawn"), (self.detached, "detached")] {
            if count > 0 {
                let plural = if count == 1 { "" } else { "s" };
                write!(f, ", {count} pooled drive{plural} {what}")?;
            }
        }
        if self.kept.is_empty() {
            f.write_str("; nothing left")
        } else {
            write!(f, "; left: {}", self.kept.join("; "))
        }
    }
}

/// Lists everything that Busbar placed on this host. Writes nothing.
///
/// # Errors
/// When the ledger, or the record of what was changed, cannot be read.
pub fn footprint(root: &Root, state_dir: &Path) -> Result<Footprint, KeeperError> {
    let ledger = Ledger::read(state_dir).map_err(unopened)?;
    let name = ledger
        .as_ref()
        .map_or(OWN_CGROUP, |ledger| ledger.cgroup_name.as_str());
    let workloads = ledger
        .iter()
        .flat_map(|ledger| &ledger.workloads)
        .map(|entry| entry.id.clone());
    let host = Host::at(root.directory());
    let dir = ledger.as_ref().and_then(|ledger| ledger.cdi_dir.clone());
    let dir = dir.unwrap_or_else(|| PathBuf::from(DEFAULT_CDI_DIR));
    let mut files = files(state_dir);
    files.extend(interfere::files(state_dir));
    files.extend(drives::files(state_dir));
    files.extend(cdi::files(&host, &dir).map_err(unplanned)?);
    Ok(Footprint {
        workloads: workloads.collect(),
        cgroups: cgroups(
            &host,
            name,
            ledger.as_ref().and_then(|ledger| ledger.below.as_deref()),
        ),
        changed: Record::read(&host, &state_dir.join(ORIGINALS_FILE))
            .map_err(unplanned)?
            .originals,
        drives: drives::standing(root).map_err(unplanned)?,
        files,
    })
}

fn cgroups(host: &Host, name: &str, below: Option<&Path>) -> Vec<PathBuf> {
    let mut layout = Layout::find(host, name);
    if let Some(below) = below {
        layout = layout.working_below(below);
    }
    let mut found = Vec::new();
    for place in layout.all_hierarchies() {
        for own in layout.own(place).into_iter().filter(|own| host.is_dir(own)) {
            let below = host.directories(&own).unwrap_or_default();
            found.extend(below.iter().map(|name| own.join(name)));
            found.push(own);
        }
    }
    found.extend(resctrl::ours(host, name));
    found
}

/// Moves what still runs back to where it came from, removes every cgroup that the ledger names, puts power limits back that were
/// capped, puts out whoever is let in to this node's drives, and lets drives of other nodes go. It is an order of the person who calls
/// it, so it acts in every mode; the agent must have stopped.
///
/// # Errors
/// When the ledger cannot be read, an agent is running, a rack holds the node's lease of power, or somebody would lose a pooled drive.
pub fn leave(root: &Root, state_dir: &Path) -> Result<Left, KeeperError> {
    go(root, state_dir, false)
}

/// The same, although a rack holds the node's lease of power, which is forgotten, and although somebody loses a pooled drive.
///
/// # Errors
/// When the ledger cannot be read or an agent is running.
pub fn leave_leased(root: &Root, state_dir: &Path) -> Result<Left, KeeperError> {
    go(root, state_dir, true)
}

fn go(root: &Root, state_dir: &Path, forced: bool) -> Result<Left, KeeperError> {
    let ledger = Ledger::read(state_dir).map_err(unopened)?;
    let drives = Leaving::look(root, state_dir).map_err(unheld)?;
    let held = ledger.as_ref().map(drives_of).unwrap_or_default();
    let against = drives
        .as_ref()
        .map(|drives| drives.against(&held))
        .unwrap_or_default();
    if !against.is_empty() && !forced {
        return Err(KeeperError::Refused(format!(
            "{}. Release that first; or take it from its holder with --force: what is on a drive stays as it is",
            against.join("; ")
        )));
    }
    let mut left = leave_workloads(root, state_dir, ledger, forced)?;
    if let Some(drives) = drives {
        let gone = drives.go();
        (left.withdrawn, left.detached) = (gone.withdrawn, gone.detached);
        left.kept.extend(gone.kept);
    }
    Ok(left)
}

fn unheld(error: BooksError) -> KeeperError {
    match error {
        BooksError::Held { .. } => KeeperError::Conflict(error.to_string()),
        BooksError::Damaged { .. } => KeeperError::Refused(error.to_string()),
        BooksError::Io { ref cause, .. } => KeeperError::Failed(format!("{error}: {cause}")),
    }
}

fn leave_workloads(
    root: &Root,
    state_dir: &Path,
    ledger: Option<Ledger>,
    forced: bool,
) -> Result<Left, KeeperError> {
    let boot_id = root.read(BOOT_ID).ok();
    let ledger = match ledger {
        Some(ledger) => ledger,
        // Who only ever capped power has no ledger.
        None if Host::at(root.directory()).has(&state_dir.join(ORIGINALS_FILE)) => {
            Ledger::new(boot_id.as_deref().unwrap_or_default(), OWN_CGROUP)
        }
        None => return Ok(Left::default()),
    };
    let boot_id = boot_id.unwrap_or_else(|| ledger.boot_id.clone());
    let actuators = Actuators::new(Mode::Enforce, BTreeMap::new())
        .map_err(|error| KeeperError::Failed(error.to_string()))?;
    let mut config = KeeperConfig {
        actuators,
        cgroup_name: ledger.cgroup_name.clone(),
        ..KeeperConfig::new(root.clone(), state_dir.to_owned(), boot_id)
    };
    config.below.clone_from(&ledger.below);
    config.cdi_dir = ledger.cdi_dir.clone().or(config.cdi_dir);
    let mut left = Left::default();
    let mut keeper = Keeper::open(config)?;
    if let Some(holder) = keeper.lease_holder().filter(|_| !forced) {
        return Err(KeeperError::Refused(format!(
            "{holder}. Let the rack end it, as its controller does when the node leaves the rack; or take the node from it with \
             --force: the rack then counts it as uncapped"
        )));
    }
    keeper.forget_lease();
    if keeper.layout.record.is_some() {
        // Before the workloads: who stands still for the cap goes on first. A release asks for no moment.
        let now = Moment::from_millis(0);
        match keeper.release_power(now) {
            Ok(done) => left.limits = limits(&done),
            Err(error) => left.kept.push(format!("power limits: {error}")),
        }
        keeper.squeeze(now);
    }
    undo_all(&mut keeper, root, &ledger, &mut left);
    let rest = cgroups(
        &keeper.host,
        &keeper.config.cgroup_name,
        keeper.config.below.as_deref(),
    );
    left.kept
        .extend(rest.iter().map(|dir| format!("{} is still there", dir.display())));
    Ok(left)
}

/// Ends every workload of the ledger.
fn undo_all(keeper: &mut Keeper, root: &Root, ledger: &Ledger, left: &mut Left) {
    let known: Vec<WorkloadId> = ledger.workloads.iter().map(|entry| entry.id.clone()).collect();
    for id in known {
        if keeper.ledger.entry(&id).is_some() {
            // Its owner first: while it holds what it was given, that is not free.
            if let Some(asked) = keeper.asked_of(&id)
                && let Err(why) = give_back_now(&Doors::of(root), &asked)
            {
                left.kept.push(format!("workload {id}: {why}"));
                continue;
            }
            match keeper.undo(&id) {
                Ok(undone) => left.moved += moves(&undone),
                Err(error) => {
                    left.kept.push(format!("workload {id}: {error}"));
                    continue;
                }
            }
        }
        left.removed.push(id);
    }
}

fn limits(steps: &[Step]) -> usize {
    let is_limit = |step: &&Step| matches!(step, Step::WriteFile { .. } | Step::LimitGpu { .. });
    let writes = steps.iter().filter(is_limit);
    writes.count()
}

fn moves(steps: &[Step]) -> usize {
    let mut pids: Vec<u32> = steps
        .iter()
        .filter_map(|step| {
            let Step::MoveProcess { pid, .. } = step else {
                return None;
            };
            Some(*pid)
        })
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids.len()
}
