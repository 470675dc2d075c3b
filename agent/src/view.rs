//! The latest view: what every face shows. Four hands write it, the collectors', the keeper's, the
//! prover's and the interference loop's, each its own part.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::waits::Waits;
use agent_api::v1::{
    CgroupStatus, Drained, Exclusivity, Interference, PlannedStep, PowerCap, Proof, Status, Workload,
};
use facts::{CpuSet, Energy, Inventory, Moment, NoData, Sheet};
use intent::{Actuators, Generation, WorkloadId};
use tokio::sync::watch;

use crate::reconcile::Leased;

/// What does not change while the agent runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The node's name.
    pub node: String,
    /// This run of the agent.
    pub agent_run_id: String,
    /// This boot of the node.
    pub boot_id: String,
    /// The modes.
    pub actuators: Actuators,
    /// When this run began.
    pub started_at: Moment,
}

/// What the collectors saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// All sources together.
    pub inventory: Inventory,
    /// Energy of each power zone, by its device, without the kernel counter's wraps.
    pub energy: BTreeMap<String, Energy>,
    /// How often each source failed, by reason, in this run.
    pub errors: BTreeMap<(&'static str, NoData), u64>,
    /// What each source counts, in the order of the roster; those that are asked at each scrape have theirs in `collect::Fresh`.
    pub sheets: Vec<Arc<Sheet>>,
    /// How many values of each source were none (blanks, sentinels, what cannot be true), in this run.
    pub invalid: BTreeMap<&'static str, u64>,
}

/// What the keeper holds.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The intent in force.
    pub generation: Generation,
    /// The workloads, by name.
    pub workloads: Vec<Workload>,
    /// The cgroups.
    pub cgroup: CgroupStatus,
    /// CPUs that stay with the host.
    pub reserved: CpuSet,
    /// CPUs that everybody without exclusive ones shares.
    pub shared: CpuSet,
    /// The drain in force.
    pub drained: Option<Drained>,
    /// The cap of power in force.
    pub power_cap: Option<PowerCap>,
    /// Whether the owner of any workload's cgroup is asked to write it.
    pub asks: bool,
    /// Who holds which drive, by what the OS calls it.
    pub drives: BTreeMap<String, WorkloadId>,
    /// The outstanding steps, or why they cannot be told.
    pub plan: Result<Vec<PlannedStep>, String>,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            generation: Generation::default(),
            workloads: Vec::new(),
            cgroup: CgroupStatus {
                mode: "none".to_owned(),
                controllers: Vec::new(),
                exclusivity: Exclusivity::None,
                why: "not looked at yet".to_owned(),
            },
            reserved: CpuSet::new(),
            shared: CpuSet::new(),
            drained: None,
            power_cap: None,
            asks: false,
            drives: BTreeMap::new(),
            plan: Ok(Vec::new()),
        }
    }
}

/// The latest view.
#[derive(Clone, Debug)]
pub struct View {
    /// What does not change.
    pub about: Arc<About>,
    /// What the collectors saw.
    pub seen: Arc<Seen>,
    /// What the keeper holds.
    pub kept: Arc<Kept>,
    /// How the node stands to its lease of power; `None` before the keeper said so.
    pub lease: Option<Arc<Leased>>,
    /// How many pooled drives there are, by how they stand; `None` where the node lends and uses none.
    pub pooled: Option<Arc<crate::drives::Counted>>,
    /// The last proof of each workload that was ever proven.
    pub proofs: Arc<BTreeMap<WorkloadId, Arc<Proof>>>,
    /// What the interference loop knows of each workload; nothing where it is off.
    pub interference: Arc<BTreeMap<WorkloadId, Interference>>,
    /// How often each workload waited too long; nothing of those that cannot be watched.
    pub waits: Arc<Waits>,
}

impl View {
    /// Before anybody has seen or held anything.
    pub fn first(about: About) -> View {
        View {
            about: Arc::new(about),
            seen: Arc::default(),
            kept: Arc::default(),
            lease: None,
            pooled: None,
            proofs: Arc::default(),
            interference: Arc::default(),
            waits: Arc::default(),
        }
    }

    /// The last proof of a workload; none of an earlier one of the same name.
    pub fn proof(&self, id: &WorkloadId) -> Option<&Arc<Proof>> {
        let workload = self.kept.workloads.iter().find(|workload| workload.id == *id)?;
        self.proofs.get(id).filter(|proof| proof.at >= workload.since)
    }

    /// How the agent is, as the API tells it.
    pub fn status(&self) -> Status {
        let (about, kept) = (&self.about, &self.kept);
        Status {
            node: about.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agent_run_id: about.agent_run_id.clone(),
            boot_id: about.boot_id.clone(),
            actuators: about.actuators.clone(),
            generation: kept.generation,
            converged: kept.plan.as_ref().is_ok_and(Vec::is_empty),
            cgroup: kept.cgroup.clone(),
            reserved_cpus: kept.reserved.clone(),
            shared_cpus: kept.shared.clone(),
            started_at: about.started_at,
            drained: kept.drained.clone(),
            power_cap: kept.power_cap,
            lease: self.lease.as_ref().and_then(|leased| leased.view.lease.clone()),
        }
    }
}

/// Where the latest view hangs.
#[derive(Clone, Debug)]
pub struct Board(Arc<watch::Sender<Arc<View>>>);

impl Board {
    /// A board with a first view.
    pub fn new(first: View) -> Board {
        Board(Arc::new(watch::Sender::new(Arc::new(first))))
    }

    /// The latest view.
    pub fn latest(&self) -> Arc<View> {
        self.0.borrow().clone()
    }

    /// Tells of every new view.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.0.subscribe()
    }

    /// Hangs up what the collectors saw.
    pub fn post_seen(&self, seen: Seen) {
        let seen = Arc::new(seen);
        self.0.send_modify(|view| {
            *view = Arc::new(View {
                seen,
                ..View::clone(view)
            })
        });
    }

    /// Hangs up a proof, and takes those down whose workloads are gone.
    pub fn post_proof(&self, proof: Proof) {
        let proof = Arc::new(proof);
        self.0.send_modify(|view| {
            let mut proofs = BTreeMap::clone(&view.proofs);
            proofs.insert(proof.id.clone(), proof);
            proofs.retain(|id, _| view.kept.workloads.iter().any(|workload| workload.id == *id));
            *view = Arc::new(View {
                proofs: Arc::new(proofs),
                ..View::clone(view)
            });
        });
    }

    /// Hangs up what the interference loop knows.
    pub fn post_interference(&self, interference: BTreeMap<WorkloadId, Interference>) {
        let interference = Arc::new(interference);
        self.0.send_modify(|view| {
            *view = Arc::new(View {
                interference,
                ..View::clone(view)
            })
        });
    }

    /// Hangs up how often workloads waited.
    pub fn post_waits(&self, waits: Waits) {
        let waits = Arc::new(waits);
        self.0.send_modify(|view| {
            *view = Arc::new(View {
                waits,
                ..View::clone(view)
            })
        });
    }

    /// Hangs up how the node stands to its lease.
    pub fn post_lease(&self, leased: Leased) {
        let leased = Arc::new(leased);
        self.0.send_modify(|view| {
            *view = Arc::new(View {
                lease: Some(leased),
                ..View::clone(view)
            })
        });
    }

    /// Hangs up how pooled drives stand, where that is news.
    pub fn post_pooled(&self, pooled: Option<crate::drives::Counted>) {
        self.0.send_if_modified(|view| {
            if view.pooled.as_deref() == pooled.as_ref() {
                return false;
            }
            *view = Arc::new(View {
                pooled: pooled.map(Arc::new),
                ..View::clone(view)
            });
            true
        });
    }

    /// Hangs up what the keeper holds.
    pub fn post_kept(&self, kept: Kept) {
        let kept = Arc::new(kept);
        self.0.send_modify(|view| {
            *view = Arc::new(View {
                kept,
                ..View::clone(view)
            })
        });
    }
}
