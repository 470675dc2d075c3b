//! The ledger: the intent in force and what was found before it, on disk, so that neither a crash nor a kill loses a promise.
//!
//! One JSON file, written whole beside the old one, flushed and renamed: after any crash there is the old file or the new one. A
//! file that cannot be read is never written over.

mod container;
mod lately;
mod lock;
mod power;
mod vm;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use agent_api::v1::{Ask, Drained, Exclusivity};
use facts::{CpuSet, Moment};
use intent::{Intent, Isolation, WorkloadId};
use isolators::affinity::Affinity;
use isolators::cgroup::Origin;
use serde::{Deserialize, Serialize};

use crate::lease::Leases;

pub use container::{ContainerEntry, Had};
pub use lately::Lately;
pub use lock::Lock;
pub use power::CapInForce;
pub use vm::VmEntry;

/// The ledger's file in the state directory.
pub const LEDGER_FILE: &str = "ledger.json";
/// The ledger before the last change, for people: the agent never reads it by itself.
pub const PREVIOUS_FILE: &str = "ledger.json.prev";
/// What files of the host said before isolators changed them: interrupts, work queues, cache classes.
pub const ORIGINALS_FILE: &str = "originals.json";
/// The next ledger while it is written.
const NEXT_FILE: &str = "ledger.json.next";
/// Held by the agent that runs: two agents would undo each other's work.
const LOCK_FILE: &str = "ledger.lock";
/// The format; a file with another number is refused.
const VERSION: u32 = 1;
/// The longest ledger that is read: a thousand workloads take less than 2 MiB.
const LONGEST: u64 = 16 << 20;
/// Owner only: the ledger names processes and users.
const FILE_MODE: u32 = 0o600;

/// Where a workload is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Written down, not yet confirmed to who asked. After a crash it is undone.
    Starting,
    /// Confirmed. After a crash it is kept, as long as a process is in it.
    Running,
    /// Being undone. After a crash that is finished.
    Ending,
}

/// What is remembered of one workload; what it shall have stands in the intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub id: WorkloadId,
    /// Where it is in its life.
    pub life: Life,
    /// The command's first word.
    pub command: String,
    /// The user who asked.
    pub uid: u32,
    /// The process that asked.
    pub pid: u32,
    /// When that process was started, in clock ticks after boot: tells it from a later one with the same number.
    pub pid_started: u64,
    /// When it was placed.
    pub since: Moment,
    /// Where its processes came from, a hierarchy each: there they go back to.
    pub origins: Vec<Origin>,
    /// What exclusive means for it, as read back.
    pub exclusivity: Exclusivity,
    /// Why the kernel gave it no partition; empty where nothing was refused.
    #[serde(default)]
    pub refused: String,
    /// What was done for it, a line a step.
    pub steps: Vec<String>,
    /// What it asked for: where else it could go. Ledgers of older agents do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Box<Ask>>,
    /// The CPUs that the process which asked might use before it was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<CpuSet>,
    /// Where threads might run before we pinned them, a process each: so they may again when it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Affinity>,
    /// The QEMU that runs in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<VmEntry>,
    /// Whether somebody else started it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopted: bool,
    /// Whose its cgroup is, where somebody else makes and writes it: a container's runtime (NRI), or an owner that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Box<ContainerEntry>>,
    /// Whether it was asked to end (SIGTERM): nobody but a person makes it stand still from then on, or it could not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asked_to_end: bool,
    /// Where it is on its way to: what it shall have once it has left what it had. After a crash it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Box<Isolation>>,
}

/// The ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The format.
    pub version: u32,
    /// The boot that it speaks of.
    pub boot_id: String,
    /// The name of our own cgroup.
    pub cgroup_name: String,
    /// Where specifications for containers are placed, where that is not the usual directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdi_dir: Option<PathBuf>,
    /// The cgroup of v2 that was given to the agent's unit, where it works below that one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<PathBuf>,
    /// The intent in force.
    pub intent: Intent,
    /// What is remembered of each workload of the intent, and of those that are being undone.
    pub workloads: Vec<Entry>,
    /// Since when and why the node takes no new workloads. It outlives a reboot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<Drained>,
    /// The cap of power in force. It goes with the boot, as the hardware's limits do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapInForce>,
    /// The leases of power. They outlive a reboot: until a new one is taken the node stays at level 1.
    #[serde(default, skip_serializing_if = "Leases::is_empty")]
    pub leases: Leases,
}

/// Why there is no ledger to work with.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file is no ledger.
    #[error(
        "{path}, line {line}, column {column}: {what}. The file is left as it is and nothing was changed. Ways out: repair it; \
         or look at {previous}, the state before the last change; or, when no workload of Busbar runs on this node any more, \
         move the file away"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, from 1.
        line: usize,
        /// Where reading stopped, from 1; 0 where the line as a whole is meant.
        column: usize,
        /// What was found there.
        what: String,
        /// The ledger before the last change.
        previous: PathBuf,
    },
    /// The file could not be read, written or flushed.
    #[error("cannot {act} {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// Another process holds it.
    #[error("{path} is held by another busbar-agent; stop that one first")]
    Held {
        /// The lock file.
        path: PathBuf,
    },
}

impl Ledger {
    /// An empty one.
    pub fn new(boot_id: &str, cgroup_name: &str) -> Ledger {
        Ledger {
            version: VERSION,
            boot_id: boot_id.to_owned(),
            cgroup_name: cgroup_name.to_owned(),
            cdi_dir: None,
            below: None,
            intent: Intent::default(),
            workloads: Vec::new(),
            drained: None,
            cap: None,
            leases: Leases::default(),
        }
    }

    /// What is remembered of one workload.
    pub fn entry(&self, id: &WorkloadId) -> Option<&Entry> {
        self.workloads.iter().find(|entry| entry.id == *id)
    }

    /// Reads it from a state directory; `None` where there is none yet. Writes nothing.
    ///
    /// # Errors
    /// When the file is there and is no ledger.
    pub fn read(state_dir: &Path) -> Result<Option<Ledger>, LedgerError> {
        let path = state_dir.join(LEDGER_FILE);
        let failed = |cause| LedgerError::Io {
            act: "read",
            path: path.clone(),
            cause,
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ledger::parse(&path, &bytes).map(Some)
    }

    /// Reads it from bytes; `path` is for the message.
    ///
    /// # Errors
    /// With the line and column where the bytes stop being a ledger.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Ledger, LedgerError> {
        let damaged = |line, column, what: String| LedgerError::Damaged {
            path: path.to_owned(),
            line,
            column,
            what,
            previous: path.with_file_name(PREVIOUS_FILE),
        };
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
            return Err(damaged(
                1,
                0,
                format!("longer than {LONGEST} bytes, no ledger is that long"),
            ));
        }
        // The version first: a later format may have fields that this one does not know.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let told = |error: serde_json::Error| damaged(error.line(), error.column(), plain(&error));
        let head: Head = serde_json::from_slice(bytes).map_err(told)?;
        if head.version != VERSION {
            let what = format!("version {}; this agent reads version {VERSION}", head.version);
            return Err(damaged(1, 0, what));
        }
        let ledger: Ledger = serde_json::from_slice(bytes).map_err(told)?;
        ledger.check().map_err(|what| damaged(1, 0, what))?;
        Ok(ledger)
    }

    /// What the types cannot say.
    fn check(&self) -> Result<(), String> {
        for (at, entry) in self.workloads.iter().enumerate() {
            if self
                .workloads
                .iter()
                .skip(at + 1)
                .any(|other| other.id == entry.id)
            {
                return Err(format!("workload {} stands there twice", entry.id));
            }
            if entry.life != Life::Ending && self.intent.of(&entry.id).is_none() {
                return Err(format!("workload {} has no isolation in the intent", entry.id));
            }
        }
        for (at, isolation) in self.intent.isolations.iter().enumerate() {
            let id = &isolation.workload;
            if self.entry(id).is_none() {
                return Err(format!("the isolation of {id} belongs to no workload"));
            }
            if self
                .intent
                .isolations
                .iter()
                .skip(at + 1)
                .any(|other| other.workload == *id)
            {
                return Err(format!("the intent names {id} twice"));
            }
        }
        Ok(())
    }

    /// Writes it: the next file, flushed; the old one kept under another name; the rename. The directory is not flushed: after the
    /// machine's own end the ledger may be the one before, whole, and its workloads are gone with the boot either way.
    ///
    /// # Errors
    /// With the file that failed. The old ledger is then still in force.
    pub fn write(&self, state_dir: &Path) -> Result<(), LedgerError> {
        let path = state_dir.join(LEDGER_FILE);
        let next = state_dir.join(NEXT_FILE);
        let previous = state_dir.join(PREVIOUS_FILE);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| LedgerError::Io {
            act: "write",
            path: path.clone(),
            cause: error.into(),
        })?;
        text.push(b'\n');
        written(&next, &text).map_err(|cause| LedgerError::Io {
            act: "write",
            path: next.clone(),
            cause,
        })?;
        kept(&path, &previous).map_err(|cause| LedgerError::Io {
            act: "keep",
            path: path.clone(),
            cause,
        })?;
        fs::rename(&next, &path).map_err(|cause| LedgerError::Io {
            act: "replace",
            path,
            cause,
        })
    }
}

/// Flushes the directory: what was renamed in it stands after the machine's own end too.
///
/// # Errors
/// When the directory cannot be flushed.
pub fn flush(state_dir: &Path) -> Result<(), LedgerError> {
    let flushed = File::open(state_dir).and_then(|dir| dir.sync_all());
    flushed.map_err(|cause| LedgerError::Io {
        act: "flush",
        path: state_dir.to_owned(),
        cause,
    })
}

/// For serde: what is left out.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_false(value: &bool) -> bool {
    !value
}

/// What serde says, without the place: that stands in front already.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map(|(what, _)| what.to_owned());
    what.unwrap_or(text)
}

fn written(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)?;
    // An older file of this name keeps its mode when it is opened.
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    file.write_all(text)?;
    file.sync_data()
}

/// A second name for the old ledger. Between the two calls there may be no second name; the first one is always there.
fn kept(path: &Path, previous: &Path) -> io::Result<()> {
    for tried in [fs::remove_file(previous), fs::hard_link(path, previous)] {
        match tried {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The files that the ledger has made in a state directory.
pub fn files(state_dir: &Path) -> Vec<PathBuf> {
    let names = [
        LEDGER_FILE,
        PREVIOUS_FILE,
        NEXT_FILE,
        LOCK_FILE,
        ORIGINALS_FILE,
        lately::LATELY_FILE,
    ];
    names
        .into_iter()
        .map(|name| state_dir.join(name))
        .filter(|path| path.exists())
        .collect()
}

#[cfg(test)]
mod tests;
