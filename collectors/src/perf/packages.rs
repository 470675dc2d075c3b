//! Counters of every CPU, summed over sockets and NUMA nodes: hardware events, or the kernel's own where there is no PMU.

use std::collections::BTreeMap;
use std::time::Instant;

use facts::observation::Missing;
use facts::sheet::Writing;
use facts::{CpuId, CpuSet, Family, NoData};

use super::budget;
use super::counters::{Counters, HARDWARE, SOFTWARE, Target, Wanted, held};
use super::families as f;
use super::place::{self, Place};
use super::pmu::CoreKinds;
use super::probe;
use super::refusal::Refusal;
use super::scale::{Sample, Step, share};
use crate::collector::CollectError;
use crate::root::Root;

/// The most events of one CPU.
const MOST_EVENTS: usize = 6;
/// Cycles, instructions and reference cycles come first: they are what CPI and frequency are made of.
const VITAL_EVENTS: usize = 3;
/// How many events run together. A group that never gets its turn (a watchdog, or somebody's own counters, hold what it
/// needs) is cut smaller: the next number of this ladder.
const TOGETHER: [usize; 3] = [MOST_EVENTS, VITAL_EVENTS, 1];

/// An event: its number (`PERF_COUNT_*` of linux/perf_event.h), its family and its name.
type Event = (u64, &'static Family, &'static str);

const HARDWARE_EVENTS: [Event; MOST_EVENTS] = [
    (0, &f::CYCLES, "cycles"),
    (1, &f::INSTRUCTIONS, "instructions"),
    (9, &f::REF_CYCLES, "reference cycles"),
    (2, &f::LLC_REFERENCES, "LLC references"),
    (3, &f::LLC_MISSES, "LLC misses"),
    (5, &f::BRANCH_MISSES, "branch misses"),
];

const SOFTWARE_EVENTS: [Event; 3] = [
    (3, &f::CONTEXT_SWITCHES, "context switches"),
    (4, &f::MIGRATIONS, "migrations"),
    (2, &f::PAGE_FAULTS, "page faults"),
];

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hardware,
    Software,
}

impl Kind {
    fn events(self) -> &'static [Event] {
        match self {
            Kind::Hardware => &HARDWARE_EVENTS,
            Kind::Software => &SOFTWARE_EVENTS,
        }
    }
}

/// The sums of one place; they outlive the counters of a CPU that goes off.
#[derive(Debug, Default)]
struct Sums {
    counts: [Option<u64>; MOST_EVENTS],
    /// Whether each event ran in this turn on some CPU: what did not run at all is not shown.
    ran: [bool; MOST_EVENTS],
}

/// One CPU.
#[derive(Debug)]
struct Lane {
    at: (Place, String),
    counters: Counters,
    last: [Sample; MOST_EVENTS],
    /// Whether its clocks went on in the last turn: those of a CPU that went off and came back do not.
    is_alive: bool,
}

/// All CPUs.
#[derive(Debug)]
pub struct Packages {
    root: Root,
    kind: Kind,
    rung: usize,
    online: CpuSet,
    lanes: Vec<Lane>,
    sums: BTreeMap<(Place, String), Sums>,
    shares: BTreeMap<String, (u64, u64)>,
    missing: Vec<Missing>,
    last_turn: Option<Instant>,
}

impl Packages {
    /// Of this root; opens nothing yet.
    pub fn new(root: Root) -> Packages {
        Packages {
            root,
            kind: Kind::Hardware,
            rung: 0,
            online: CpuSet::new(),
            lanes: Vec::new(),
            sums: BTreeMap::new(),
            shares: BTreeMap::new(),
            missing: Vec::new(),
            last_turn: None,
        }
    }

    /// The CPUs that are on, as of the last turn.
    pub fn online(&self) -> &CpuSet {
        &self.online
    }

    /// How many descriptors are held.
    pub fn files(&self) -> usize {
        self.lanes.iter().map(|lane| lane.counters.files()).sum()
    }

    /// Reads all counters; opens them first where CPUs came or went.
    ///
    /// # Errors
    /// When nothing can be counted on any CPU.
    pub fn turn(&mut self) -> Result<(), CollectError> {
        let online = place::online(&self.root)?;
        let starved = self.read();
        let is_other = online != self.online;
        let is_cut = !is_other && starved && self.rung + 1 < TOGETHER.len();
        if is_other {
            self.rung = 0;
        } else if is_cut {
            self.rung += 1;
        }
        let is_stale = self.lanes.iter().any(|lane| !lane.is_alive);
        if is_other || is_cut || is_stale || self.lanes.is_empty() {
            self.open(&online)?;
            self.online = online;
        }
        Ok(())
    }

    /// Opens the counters of every CPU anew. What was summed stays.
    fn open(&mut self, online: &CpuSet) -> Result<(), CollectError> {
        self.lanes.clear();
        self.missing.clear();
        // Another CPU may have another PMU, or none; and permissions may have changed since.
        let refusal = match probe::hardware() {
            Ok(()) => self.open_all(Kind::Hardware, online).err(),
            Err(refusal) => Some(refusal),
        };
        let Some(refusal) = refusal else {
            return Ok(());
        };
        let error = refusal.error("cycles and instructions (hardware events)");
        if refusal.is_out_of_files() || refusal.is_forbidden() {
            // Software events of every CPU take the same permission, and the same room.
            return Err(error);
        }
        self.missing.clear();
        self.missing.push(error.into_missing("perf/hardware"));
        match self.open_all(Kind::Software, online) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refusal.error("context switches and page faults (software events)")),
        }
    }

    fn open_all(&mut self, kind: Kind, online: &CpuSet) -> Result<(), Refusal> {
        self.kind = kind;
        let places = place::places(&self.root, online);
        let kinds = CoreKinds::read(&self.root);
        let mut packages: BTreeMap<&str, Vec<CpuId>> = BTreeMap::new();
        for (cpu, place) in &places {
            packages.entry(&place.socket).or_default().push(*cpu);
        }
        let sizes: Vec<usize> = packages.values().map(Vec::len).collect();
        let limit = budget::soft_limit();
        let room = budget::room(limit, held(), budget::MOST_FILES);
        let plan = budget::plan(&sizes, kind.events().len(), VITAL_EVENTS, room);
        let names: Vec<&str> = kind.events().iter().map(|(_, _, name)| *name).collect();
        self.missing
            .extend(plan.missing(packages.len(), &names, limit, room));
        let events = kind.events().get(..plan.events).unwrap_or_default();
        for cpu in packages.values().take(plan.packages).flatten() {
            let at = (
                places.get(cpu).cloned().unwrap_or_default(),
                kinds.core_type(*cpu).to_owned(),
            );
            match open_one(
                kind,
                &kinds,
                *cpu,
                events,
                TOGETHER.get(self.rung).copied().unwrap_or(1),
            ) {
                Ok(counters) => self.lanes.push(Lane {
                    at,
                    counters,
                    last: [Sample::default(); MOST_EVENTS],
                    is_alive: true,
                }),
                // It went off while we looked; the next turn sees that.
                Err(refusal) if refusal.is_gone() => {}
                Err(refusal) => {
                    self.lanes.clear();
                    return Err(refusal);
                }
            }
        }
        self.tell_uncounted(events);
        self.settle(kind);
        Ok(())
    }

    /// Events that this PMU does not have, or not beside a hypervisor.
    fn tell_uncounted(&mut self, events: &[Event]) {
        let uncounted: Vec<&str> = events
            .iter()
            .enumerate()
            .filter(|(slot, _)| {
                !self.lanes.is_empty() && !self.lanes.iter().any(|lane| lane.counters.has(*slot))
            })
            .map(|(_, (_, _, name))| *name)
            .collect();
        if !uncounted.is_empty() {
            self.missing.push(Missing {
                name: "perf/events".to_owned(),
                reason: NoData::Unsupported,
                message: format!("this PMU does not count {}", uncounted.join(", ")),
            });
        }
    }

    /// Rows for what is counted now, from zero where it is new; places whose CPUs are all gone vanish.
    fn settle(&mut self, kind: Kind) {
        let mut sums: BTreeMap<(Place, String), Sums> = BTreeMap::new();
        for lane in &self.lanes {
            let known = self.sums.get(&lane.at);
            let place = sums.entry(lane.at.clone()).or_default();
            for slot in (0..kind.events().len()).filter(|slot| lane.counters.has(*slot)) {
                let before = known.and_then(|known| known.counts.get(slot).copied().flatten());
                if let (Some(count), Some(ran)) = (place.counts.get_mut(slot), place.ran.get_mut(slot)) {
                    *count = Some(before.unwrap_or(0));
                    *ran = true;
                }
            }
        }
        self.sums = sums;
    }

    /// Reads what is open; true where a group that should have run never did.
    fn read(&mut self) -> bool {
        for sums in self.sums.values_mut() {
            sums.ran = [false; MOST_EVENTS];
        }
        self.shares.clear();
        let now = Instant::now();
        let is_later = self.last_turn.is_some_and(|last| now > last);
        self.last_turn = Some(now);
        let is_shared = self.kind == Kind::Hardware;
        let mut starved = false;
        for lane in &mut self.lanes {
            let Some(sums) = self.sums.get_mut(&lane.at) else {
                continue;
            };
            let Lane { counters, last, .. } = lane;
            let mut went_on = false;
            let (mut enabled, mut running) = (0_u64, 0_u64);
            let read = counters.read(|slot, sample| {
                let Some(before) = last.get_mut(slot) else {
                    return;
                };
                let step = Step::between(*before, sample);
                *before = sample;
                went_on |= step.enabled > 0;
                enabled = enabled.saturating_add(step.enabled);
                running = running.saturating_add(step.running);
                starved |= step.count.is_none();
                if let (Some(count), Some(Some(sum)), Some(ran)) =
                    (step.count, sums.counts.get_mut(slot), sums.ran.get_mut(slot))
                {
                    *sum = sum.saturating_add(count);
                    *ran = true;
                }
            });
            lane.is_alive = read.is_ok() && (went_on || !is_later);
            if is_shared {
                let socket = self.shares.entry(lane.at.0.socket.clone()).or_default();
                *socket = (socket.0.saturating_add(running), socket.1.saturating_add(enabled));
            }
        }
        starved
    }

    /// Writes the rows.
    pub fn write(&self, sheet: &mut Writing<'_>) {
        for (slot, (_, family, _)) in self.kind.events().iter().enumerate() {
            for ((place, core_type), sums) in &self.sums {
                let Some(count) = sums.counts.get(slot).copied().flatten() else {
                    continue;
                };
                let ran = sums.ran.get(slot).copied().unwrap_or(false);
                let labels = [place.socket.as_str(), &place.numa_node, core_type];
                let labels = labels.get(..family.labels.len()).unwrap_or_default();
                sheet.add(family, labels, ran.then_some(count));
            }
        }
        for (socket, (running, enabled)) in &self.shares {
            sheet.add(&f::TIME_RATIO, &[socket], share(*running, *enabled));
        }
    }

    /// What is not counted.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }
}

fn open_one(
    kind: Kind,
    kinds: &CoreKinds,
    cpu: CpuId,
    events: &[Event],
    together: usize,
) -> Result<Counters, Refusal> {
    let wanted: Vec<Wanted> = events
        .iter()
        .map(|(number, _, _)| match kind {
            Kind::Hardware => Wanted::generic(HARDWARE, kinds.config(cpu, *number)),
            Kind::Software => Wanted::generic(SOFTWARE, *number),
        })
        .collect();
    Counters::open(Target::Everybody(cpu), &wanted, together)
}
