//! Owners that are asked: systemd for a unit's cgroup, Podman for a container's. We decide and remember, they write (decision 15).
//!
//! Each is asked over its own interface, and only for what an admin named. Connections are opened when there is something to say.

mod beat;
mod flow;
mod podman;
mod systemd;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use collectors::Root;
use facts::{Bytes, CpuSet, NumaSet};
use isolators::cgroup::Door;

pub use beat::{Beat, give_back_now};
pub use flow::{adopt, release};

use crate::ledger::{ContainerEntry, Had};

/// How long an owner may take for one answer. systemd reloads its units within seconds, Podman's service is started by the first question.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Where the system bus of a recorded host would be (D-Bus Specification, "System message bus"), and root's service of Podman.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";
/// What the two are called in the ledger and to people.
const SYSTEMD: &str = "systemd";
const PODMAN: &str = "Podman";

/// Whom to ask, and for what of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// systemd, for a unit that runs: `web.scope`.
    Systemd(String),
    /// Podman, for a container, by its id.
    Podman(String),
}

impl Owner {
    /// The owner behind a door.
    pub fn of(door: &Door) -> Owner {
        match door {
            Door::Systemd(unit) => Owner::Systemd(unit.clone()),
            Door::Podman(id) => Owner::Podman(id.clone()),
        }
    }

    /// The owner that the ledger names; nothing where the cgroup is one of a runtime that asked us (NRI).
    pub fn named(entry: &ContainerEntry) -> Option<Owner> {
        entry.had.as_ref()?;
        match entry.runtime.as_str() {
            SYSTEMD => Some(Owner::Systemd(entry.id.clone())),
            PODMAN => Some(Owner::Podman(entry.id.clone())),
            _ => None,
        }
    }

    /// What it is called.
    pub const fn who(&self) -> &'static str {
        match self {
            Owner::Systemd(_) => SYSTEMD,
            Owner::Podman(_) => PODMAN,
        }
    }

    /// What it calls the cgroup: the unit's name, the container's id.
    pub fn what(&self) -> &str {
        match self {
            Owner::Systemd(name) | Owner::Podman(name) => name,
        }
    }

    /// The command by which a person ends it.
    pub fn ending(&self) -> String {
        match self {
            Owner::Systemd(unit) => format!("systemctl stop {unit}"),
            Owner::Podman(id) => format!("podman stop {id}"),
        }
    }
}

impl fmt::Display for Owner {
    /// `systemd (web.scope)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.who(), self.what())
    }
}

/// What an owner is to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// The CPUs.
    pub cpus: CpuSet,
    /// The NUMA nodes of its memory.
    pub numa_nodes: NumaSet,
    /// The most memory; what it has stays where this is nothing.
    pub memory_max: Option<Bytes>,
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPUs {}, NUMA nodes {}", self.cpus, self.numa_nodes)?;
        match self.memory_max {
            Some(most) => write!(f, ", at most {most} of memory"),
            None => Ok(()),
        }
    }
}

/// Why an owner did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// It cannot be reached.
    #[error("cannot reach {who} over {path}: {why}; expected {expected}")]
    Unreachable {
        /// Who.
        who: &'static str,
        /// Its socket, or bus.
        path: String,
        /// What came.
        why: String,
        /// What would make it reachable.
        expected: &'static str,
    },
    /// It said no.
    #[error("{owner} refuses to {act}: {why}")]
    Refused {
        /// Who, and for what.
        owner: String,
        /// What was asked.
        act: &'static str,
        /// Its answer.
        why: String,
    },
    /// It says what cannot be.
    #[error("{owner} says {said}; expected {expected}")]
    Strange {
        /// Who, and for what.
        owner: String,
        /// What it said.
        said: String,
        /// What was expected.
        expected: String,
    },
    /// It does not know the unit or the container any more.
    #[error("{0} is not known there (any more)")]
    Gone(String),
    /// It does not answer.
    #[error("{owner} did not answer within {} s", ANSWERED_WITHIN.as_secs())]
    Silent {
        /// Who, and for what.
        owner: String,
    },
}

/// Where owners are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    /// The D-Bus address of systemd's bus; `None` for the system bus, wherever that is.
    bus: Option<String>,
    /// Podman's socket.
    podman: PathBuf,
}

impl Doors {
    /// Those of a host. A recorded one has its sockets below its own root, and nobody else's are asked for it.
    pub fn of(root: &Root) -> Doors {
        let below = |path: &str| root.directory().join(path.trim_start_matches('/'));
        let bus = format!("unix:path={}", below(SYSTEM_BUS).display());
        Doors {
            bus: (!root.is_host()).then_some(bus),
            podman: below(PODMAN_SOCKET),
        }
    }

    /// What an owner has set now for the cgroup in which we found the processes.
    ///
    /// # Errors
    /// When it cannot be asked, or does not know it as we do.
    pub async fn look(&self, owner: &Owner, cgroup: &str) -> Result<Had, OwnerError> {
        let looked = async {
            match owner {
                Owner::Systemd(unit) => systemd::look(self, unit, cgroup).await,
                Owner::Podman(id) => podman::look(self, id).await,
            }
        };
        in_time(owner, looked).await
    }

    /// Has an owner write values. A unit that was started again since is another one, and is not touched.
    ///
    /// # Errors
    /// When it cannot be asked, or does not do it.
    pub async fn set(&self, owner: &Owner, values: &Values, run: &str) -> Result<(), OwnerError> {
        let set = async {
            match owner {
                Owner::Systemd(unit) => systemd::set(self, unit, values, run).await,
                Owner::Podman(id) => podman::set(self, id, values).await,
            }
        };
        in_time(owner, set).await
    }

    /// Has an owner write what it had before. What is gone, and what somebody else has set since, is left as it is.
    ///
    /// # Errors
    /// When it cannot be asked, or does not do it.
    pub async fn give_back(&self, asked: &Asked) -> Result<(), OwnerError> {
        let given = async {
            match &asked.owner {
                Owner::Systemd(unit) => systemd::give_back(self, unit, asked).await,
                Owner::Podman(id) => podman::give_back(self, id, asked).await,
            }
        };
        match in_time(&asked.owner, given).await {
            Err(OwnerError::Gone(_)) => Ok(()),
            came => came,
        }
    }
}

async fn in_time<T>(
    owner: &Owner,
    asked: impl Future<Output = Result<T, OwnerError>>,
) -> Result<T, OwnerError> {
    let came = tokio::time::timeout(ANSWERED_WITHIN, asked).await;
    came.map_err(|_| OwnerError::Silent {
        owner: owner.to_string(),
    })?
}

/// What is asked of an owner for one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The workload.
    pub workload: intent::WorkloadId,
    /// Who is asked.
    pub owner: Owner,
    /// What it is to write.
    pub values: Values,
    /// What it had set before.
    pub had: Had,
    /// All CPUs and NUMA nodes of the host: what a cgroup may use for which nothing was set.
    pub whole: (CpuSet, NumaSet),
    /// What its cgroup lacks of the values; empty where nothing.
    pub differs: String,
    /// Whether what it had is to come back.
    pub ends: bool,
}
