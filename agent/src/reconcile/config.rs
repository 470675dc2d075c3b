//! What the keeper must be told before it opens.

use std::path::PathBuf;

use collectors::Root;
use facts::CpuSet;
use intent::Actuators;
use isolators::Host;
use isolators::cgroup::Layout;

use crate::drives::Lending;
use crate::ledger::ORIGINALS_FILE;

/// Where runtimes look for specifications that live as long as the boot (CDI).
pub const DEFAULT_CDI_DIR: &str = "/var/run/cdi";

/// The name of Busbar's own cgroup below each controller's mount point.
pub const OWN_CGROUP: &str = "busbar";

/// What is done when somebody else changes what Busbar had set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drift {
    /// It is put right, and told.
    #[default]
    Repair,
    /// It is told, and left as it is until the next change of ours.
    Report,
}

impl Drift {
    /// Both.
    pub const ALL: [Drift; 2] = [Drift::Repair, Drift::Report];

    /// The word, as in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Drift::Repair => "repair",
            Drift::Report => "report",
        }
    }
}

/// What the keeper must be told.
#[derive(Clone, Debug)]
pub struct KeeperConfig {
    /// The directory under which /sys and /proc stand.
    pub root: Root,
    /// Where the ledger is kept; made with mode 0700 where it is missing. Nothing is written there while the actuator
    /// `cpu` may not act.
    pub state_dir: PathBuf,
    /// The modes in force.
    pub actuators: Actuators,
    /// CPUs that are kept for the host; `None` for the first core.
    pub reserved_cpus: Option<CpuSet>,
    /// This boot (`/proc/sys/kernel/random/boot_id`): after another boot no cgroup of the ledger is left.
    pub boot_id: String,
    /// The name of our own cgroup, `busbar` by default.
    pub cgroup_name: String,
    /// Where specifications of devices for containers are placed; `None` for nowhere.
    pub cdi_dir: Option<PathBuf>,
    /// The cgroup of v2 that was given to the agent's unit, where it works below that one only.
    pub below: Option<PathBuf>,
    /// What is done when somebody else changes what we had set.
    pub drift: Drift,
    /// Whether somebody wishes to know each workload's memory traffic: groups of resctrl are made that count it.
    pub counts_traffic: bool,
    /// Whether a runtime speaks to this agent (NRI) and says when its containers end.
    pub nri: bool,
    /// Which drives of this node the rack lends; `None` for none.
    pub pooled: Option<Lending>,
}

impl KeeperConfig {
    /// The defaults: observe, the first core reserved, our cgroup named `busbar`.
    pub fn new(root: Root, state_dir: PathBuf, boot_id: String) -> KeeperConfig {
        KeeperConfig {
            root,
            state_dir,
            actuators: Actuators::default(),
            reserved_cpus: None,
            boot_id,
            cgroup_name: OWN_CGROUP.to_owned(),
            cdi_dir: Some(PathBuf::from(DEFAULT_CDI_DIR)),
            below: None,
            drift: Drift::default(),
            counts_traffic: false,
            nri: false,
            pooled: None,
        }
    }

    /// Where our cgroups stand on this host. Only the agent of the host itself, known by the usual name of its cgroup,
    /// changes what is outside of them (interrupts, work queues, cache classes): two agents would undo each other's work.
    pub(super) fn layout(&self, host: &Host) -> Layout {
        let layout = Layout::find(host, &self.cgroup_name);
        let layout = match &self.below {
            Some(below) => layout.working_below(below),
            None => layout,
        };
        if self.cgroup_name != OWN_CGROUP {
            return layout;
        }
        let layout = layout.noting_in(self.state_dir.join(ORIGINALS_FILE));
        match &self.cdi_dir {
            Some(directory) => layout.specifying_in(directory),
            None => layout,
        }
    }
}
