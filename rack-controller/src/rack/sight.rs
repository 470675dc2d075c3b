//! What was seen last: never journaled, forgotten at each start, observed again.

use std::collections::BTreeMap;

use facts::supply::{Doubt, RedundancyClaim};
use facts::{Bytes, Inventory, Moment, NoData, Power, Reading};
use rack_api::v1::NodeWorkload;

use super::draws::Draws;
use super::drives::DrivesSight;
use super::event::{Action, Outcome};
use super::order::LeaseSight;

/// What was seen last of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// BMCs by name.
    pub bmcs: BTreeMap<String, BmcSight>,
    /// Bays by place.
    pub bays: BTreeMap<String, BaySight>,
    /// Domains by name.
    pub domains: BTreeMap<String, DomainSight>,
    /// What each BMC says and cannot be believed.
    pub doubts: BTreeMap<String, Vec<Doubt>>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, NodeSight>,
    /// Actions that did not do what was wanted, to be tried again later.
    pub attempts: BTreeMap<Action, Attempt>,
    /// When this controller started.
    pub started: Option<Moment>,
    /// What nodes say of drives.
    pub drives: DrivesSight,
    /// The drill that is under way.
    pub drill: Option<Drill>,
}

/// How a BMC answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BmcSight {
    /// Whether it answered last time.
    pub up: bool,
    /// Why not.
    pub reason: Option<String>,
    /// When it last answered.
    pub last_success: Option<Moment>,
    /// When what it answered last was read from it.
    pub read_at: Option<Moment>,
    /// Requests that wrote something, since the start.
    pub writes: u64,
}

/// What was seen last of a bay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaySight {
    /// Whether its BMC can be seen now and says enough of it.
    pub seen: bool,
    /// What its supply delivers.
    pub output: Option<Power>,
    /// Whether its supply has input power.
    pub input: Option<bool>,
    /// Whether its locate LED is lit; `None` where there is none.
    pub led: Option<bool>,
}

/// What was seen last of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainSight {
    /// What its BMC claims of redundancy.
    pub claimed: Vec<RedundancyClaim>,
    /// What it draws.
    pub drawn: Option<Power>,
}

/// What was seen last of a node, by its agent and by its BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSight {
    /// What its agent said, as long as it answers.
    pub agent: Option<AgentFacts>,
    /// When its agent last answered.
    pub agent_at: Option<Moment>,
    /// Why its agent does not answer.
    pub agent_reason: Option<String>,
    /// What its BMC said, as long as it answers.
    pub bmc: Option<BmcFacts>,
    /// When its BMC last answered.
    pub bmc_at: Option<Moment>,
    /// Why its BMC does not answer.
    pub bmc_reason: Option<String>,
    /// What its agent said last of its caps; `None` before it said anything.
    pub lease: Option<LeaseSight>,
    /// Since when it draws more than its cap; `None` while it does not.
    pub over_since: Option<Moment>,
    /// What it drew lately, where claims on it are lendable.
    pub draws: Draws,
}

/// A drill that is under way: whether a node's cap bites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// The node.
    pub node: String,
    /// The cap that is to be shown.
    pub cap: Power,
    /// Since when its phase lasts.
    pub since: Moment,
    /// How far it is.
    pub phase: DrillPhase,
}

/// How far a drill is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillPhase {
    /// The node may draw what its load wants.
    Loading,
    /// It is capped.
    Capped {
        /// What it drew before.
        before: Power,
    },
}

/// What an agent says of its node, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFacts {
    /// Packages.
    pub packages: u32,
    /// NUMA nodes.
    pub numa_nodes: u32,
    /// Cores.
    pub cores: u32,
    /// CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Drives.
    pub drives: u32,
    /// Their sizes summed.
    pub drive_bytes: Bytes,
    /// GPUs.
    pub gpus: u32,
    /// SMBIOS UUID.
    pub uuid: Option<String>,
    /// CPUs that workloads hold exclusively.
    pub exclusive_cpus: u32,
    /// Workloads.
    pub workloads: Vec<NodeWorkload>,
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl AgentFacts {
    /// The numbers of an agent's facts and workloads.
    pub fn of(inventory: &Inventory, workloads: &[agent_api::v1::Workload]) -> AgentFacts {
        AgentFacts {
            packages: count(inventory.packages.len()),
            numa_nodes: count(inventory.numa_nodes.len()),
            cores: count(inventory.cores.len()),
            cpus: count(inventory.cpus.len()),
            memory: inventory.memory.map(|memory| memory.total_bytes),
            drives: count(inventory.drives.len()),
            drive_bytes: inventory.drives.iter().map(|drive| drive.size_bytes).sum(),
            gpus: count(inventory.gpus.len()),
            uuid: inventory.machine.uuid.clone(),
            exclusive_cpus: workloads
                .iter()
                .filter(|workload| workload.exclusive)
                .map(|workload| count(workload.cpus.len()))
                .fold(0, u32::saturating_add),
            workloads: workloads
                .iter()
                .map(|workload| NodeWorkload {
                    id: workload.id.to_string(),
                    command: workload.command.clone(),
                    cpus: workload.cpus.to_string(),
                    exclusive: workload.exclusive,
                })
                .collect(),
        }
    }
}

/// What a node's BMC says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmcFacts {
    /// Whether it is on; `None` where the BMC does not tell.
    pub powered_on: Option<bool>,
    /// What it draws.
    pub drawn: Reading<Power>,
    /// The limit in force; `no_data: off` where none is.
    pub cap: Reading<Power>,
    /// Packages.
    pub packages: Option<u32>,
    /// Cores.
    pub cores: Option<u32>,
    /// CPUs.
    pub cpus: Option<u32>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// SMBIOS UUID.
    pub uuid: Option<String>,
    /// What it does when power returns; `None` where it does not tell.
    pub restore: Option<RestorePolicy>,
}

/// What a BMC does with its node when power returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorePolicy {
    /// The node stays off.
    AlwaysOff,
    /// It is as it was before.
    LastState,
    /// It comes on.
    AlwaysOn,
}

impl Default for BmcFacts {
    fn default() -> BmcFacts {
        BmcFacts {
            powered_on: None,
            drawn: Reading::none(NoData::Absent),
            cap: Reading::none(NoData::Absent),
            packages: None,
            cores: None,
            cpus: None,
            memory: None,
            uuid: None,
            restore: None,
        }
    }
}

/// Which side of a node spoke or fell silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeSide {
    /// Its agent.
    Agent,
    /// Its BMC.
    Bmc,
}

/// An action that did not do what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How often it was tried.
    pub tries: u32,
    /// Not before this moment again.
    pub retry_at: Moment,
    /// What came of it.
    pub outcome: Outcome,
}
