//! What each workload uses: CPU time, memory and counters of its cgroups, and what its packages used in the same turn.
//!
//! It reads; how a package's energy is split among workloads is an estimate, and the agent's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use facts::observation::Missing;
use facts::sheet::Writing;
use facts::{CpuId, CpuSet, NoData};

use super::place::{self, Place};
use super::pmu::CoreKinds;
use super::{budget, counters};
use crate::collector::CollectError;
use crate::root::Root;
use busy::Times;
use energy::Meters;
use lane::{Counted, Lane, State};

mod busy;
mod cgroup;
mod energy;
pub mod families;
mod lane;

/// The most workloads that are watched: each has some descriptors a CPU and twenty series. Those beyond, in the order of their
/// names, are left out and named.
pub const MOST_WATCHED: usize = 64;

/// One workload that is to be watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// Its name.
    pub id: String,
    /// The CPUs that it may run on.
    pub cpus: CpuSet,
    /// Its cgroup directories, one for each hierarchy that it stands in.
    pub cgroups: Vec<PathBuf>,
}

/// What one socket did in a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketTurn {
    /// Energy of its package, in microjoules; `None` where nobody measures it.
    pub microjoules: Option<u64>,
    /// Nanoseconds in which its CPUs worked.
    pub busy: u64,
    /// Nanoseconds in which they idled.
    pub idle: u64,
}

/// What one workload did in a turn, by socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadTurn {
    /// Its name.
    pub id: String,
    /// Nanoseconds of CPU time; empty where nobody counts them.
    pub cpu: BTreeMap<String, u64>,
    /// Cycles; empty where they are not counted.
    pub cycles: BTreeMap<String, u64>,
}

/// What happened since the turn before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// How long it was; `None` for the first one.
    pub length: Option<Duration>,
    /// By socket.
    pub sockets: BTreeMap<String, SocketTurn>,
    /// By workload, in the order of their names.
    pub workloads: Vec<WorkloadTurn>,
}

/// Reads what workloads use.
#[derive(Debug)]
pub struct Reader {
    root: Root,
    online: CpuSet,
    places: BTreeMap<CpuId, Place>,
    kinds: CoreKinds,
    lanes: Vec<Lane>,
    meters: Meters,
    times: BTreeMap<String, Times>,
    last: Option<Instant>,
    missing: Vec<Missing>,
    invalid: u64,
}

impl Reader {
    /// Of this root. Nothing is opened before the first turn.
    pub fn new(root: Root) -> Reader {
        Reader {
            root,
            online: CpuSet::new(),
            places: BTreeMap::new(),
            kinds: CoreKinds::default(),
            lanes: Vec::new(),
            meters: Meters::default(),
            times: BTreeMap::new(),
            last: None,
            missing: Vec::new(),
            invalid: 0,
        }
    }

    /// Reads everything once, and from here on watches these workloads: what ended meanwhile is in this turn for the last time,
    /// what is new is in the next one.
    ///
    /// # Errors
    /// When the root is a recorded machine, or the kernel does not even list its CPUs.
    pub fn turn(&mut self, watch: Vec<Workload>) -> Result<Turn, CollectError> {
        if !self.root.is_host() {
            let message = "a recorded machine runs no workloads";
            return Err(CollectError::new(NoData::Absent, message));
        }
        self.invalid = 0;
        self.missing.clear();
        let online = place::online(&self.root)?;
        let is_other = online != self.online;
        if is_other {
            self.places = place::places(&self.root, &online);
            self.kinds = CoreKinds::read(&self.root);
            self.online = online;
        }
        let now = Instant::now();
        let length = self
            .last
            .replace(now)
            .map(|last| now.saturating_duration_since(last));
        let sockets = self.sockets()?;
        let workloads = self
            .lanes
            .iter_mut()
            .map(|lane| read(lane, &self.places, &mut self.invalid));
        let workloads = workloads.collect();
        self.follow(watch, is_other);
        Ok(Turn {
            length,
            sockets,
            workloads,
        })
    }

    fn sockets(&mut self) -> Result<BTreeMap<String, SocketTurn>, CollectError> {
        let energies = match self.meters.step(&self.root) {
            Ok(energies) => energies,
            Err(error) => {
                self.missing.push(error.into_missing("workloads/energy"));
                BTreeMap::new()
            }
        };
        let times = busy::read(&self.root, &self.places)?;
        let before = std::mem::replace(&mut self.times, times);
        let turn = |(socket, now): (&String, &Times)| {
            let Times { busy, idle } = now.since(before.get(socket).copied().unwrap_or(*now));
            let turn = SocketTurn {
                microjoules: energies.get(socket).copied(),
                busy,
                idle,
            };
            (socket.clone(), turn)
        };
        Ok(self.times.iter().map(turn).collect())
    }

    /// Takes up workloads that came and drops those that ended. What a new one uses is counted from here.
    fn follow(&mut self, list: Vec<Workload>, is_other: bool) {
        let list = self.bounded(list);
        let known = std::mem::take(&mut self.lanes).into_iter();
        let mut known: BTreeMap<String, Lane> = known.map(|lane| (lane.workload.id.clone(), lane)).collect();
        known.retain(|id, _| list.iter().any(|workload| workload.id == *id));
        if is_other {
            // Descriptors of CPUs that are gone are of use to others.
            known.values_mut().for_each(Lane::close);
        }
        let mut held: usize = known.values().map(Lane::files).sum();
        let limit = budget::soft_limit();
        for workload in list {
            let lane = known.remove(&workload.id);
            let is_same =
                |lane: &Lane| !is_other && lane.workload == workload && lane.state != State::Crowded;
            let mut lane = match lane {
                Some(lane) if is_same(&lane) => {
                    self.lanes.push(lane);
                    continue;
                }
                Some(lane) => lane,
                None => {
                    let used = cgroup::read(&workload.cgroups, &mut self.invalid);
                    Lane::new(workload.clone(), used)
                }
            };
            held = held.saturating_sub(lane.files());
            lane.close();
            lane.workload = workload;
            let most = budget::MOST_WORKLOAD_FILES.saturating_sub(held);
            let room = budget::room(limit, counters::held(), most);
            lane.open(&self.places, &self.kinds, room);
            held = held.saturating_add(lane.files());
            self.lanes.push(lane);
        }
        self.tell();
    }

    /// The first ones by name; a name that stands twice is one.
    fn bounded(&mut self, mut list: Vec<Workload>) -> Vec<Workload> {
        list.sort();
        list.dedup_by(|one, other| one.id == other.id);
        if let Some(first) = list.get(MOST_WATCHED) {
            let message = format!(
                "only {MOST_WATCHED} of {} workloads are watched; the first that is left out is {}",
                list.len(),
                first.id
            );
            let error = CollectError::new(NoData::Refused, message);
            self.missing.push(error.into_missing("workloads/rest"));
        }
        list.truncate(MOST_WATCHED);
        list
    }

    /// One entry for each thing that is not counted, however many workloads it touches.
    fn tell(&mut self) {
        let states = || self.lanes.iter().map(|lane| &lane.state);
        let silent = states().find_map(|state| match state {
            State::Silent(refusal) => Some(refusal),
            State::Closed | State::Crowded | State::Software(_) | State::Whole => None,
        });
        let software = states().find_map(|state| match state {
            State::Software(refusal) => Some(refusal),
            State::Closed | State::Crowded | State::Silent(_) | State::Whole => None,
        });
        let what = "what a workload's cgroup does";
        self.missing
            .extend(silent.map(|refusal| refusal.error(what).into_missing("workloads/perf")));
        let what = "cycles and instructions of a workload's cgroup";
        self.missing
            .extend(software.map(|refusal| refusal.error(what).into_missing("workloads/hardware")));
        let crowded = self.lanes.iter().filter(|lane| lane.state == State::Crowded);
        let crowded: Vec<&str> = crowded.map(|lane| lane.workload.id.as_str()).collect();
        if !crowded.is_empty() {
            let message = format!(
                "perf counts nothing for {}: there are more counters to open than this process's {} files allow",
                crowded.join(", "),
                budget::soft_limit()
            );
            let error = CollectError::new(NoData::Refused, message);
            self.missing.push(error.into_missing("workloads/files"));
        }
    }

    /// Writes the rows of all workloads.
    pub fn write(&self, sheet: &mut Writing<'_>) {
        for lane in &self.lanes {
            lane.write(sheet);
        }
        for _ in 0..self.invalid {
            sheet.invalid();
        }
    }

    /// What is not counted, and why.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// How many descriptors are held.
    pub fn files(&self) -> usize {
        self.lanes.iter().map(Lane::files).sum()
    }
}

/// One workload's turn: the kernel's own CPU time, laid on sockets as its counters say, or as its CPUs lie.
fn read(lane: &mut Lane, places: &BTreeMap<CpuId, Place>, invalid: &mut u64) -> WorkloadTurn {
    let Counted { clock, cycles } = lane.read();
    let before = std::mem::replace(&mut lane.used, cgroup::read(&lane.workload.cgroups, invalid));
    let step = lane
        .used
        .cpu
        .zip(before.cpu)
        .map(|(now, before)| now.saturating_sub(before));
    let step = step.map(|step| u64::try_from(step.as_nanos()).unwrap_or(u64::MAX));
    let cpu = match step {
        None => clock,
        Some(step) if clock.values().any(|count| *count > 0) => spread(step, &clock),
        Some(step) => {
            let mut lies: BTreeMap<String, u64> = BTreeMap::new();
            for (_, place) in places
                .iter()
                .filter(|(cpu, _)| lane.workload.cpus.contains(**cpu))
            {
                *lies.entry(place.socket.clone()).or_default() += 1;
            }
            spread(step, &lies)
        }
    };
    WorkloadTurn {
        id: lane.workload.id.clone(),
        cpu,
        cycles,
    }
}

/// Lays a whole on sockets in proportion to their weights; what rounding leaves goes to the last one.
fn spread(whole: u64, weights: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let sum: u128 = weights.values().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return BTreeMap::new();
    }
    let part = |weight: u64| u64::try_from(u128::from(whole) * u128::from(weight) / sum).unwrap_or(u64::MAX);
    let mut parts: BTreeMap<String, u64> = weights
        .iter()
        .map(|(socket, weight)| (socket.clone(), part(*weight)))
        .collect();
    let laid: u64 = parts.values().sum();
    if let Some(mut last) = parts.last_entry() {
        *last.get_mut() += whole.saturating_sub(laid);
    }
    parts
}

#[cfg(test)]
mod tests;
