//! PMUs outside of the cores, found by their names and opened by their types: memory controllers and energy meters.

use std::collections::BTreeMap;

use facts::observation::Missing;
use facts::sheet::Writing;
use facts::{CpuSet, Family};

use super::counters::{Counters, Target, Wanted};
use super::families as f;
use super::place::{self, Place};
use super::pmu::{self, Pmu, expect_unit};
use super::scale::{Sample, Step};
use crate::collector::CollectError;
use crate::columns::float;
use crate::root::Root;

/// Memory controllers: `uncore_imc_0` on servers, `uncore_imc` and `uncore_imc_free_running_0` on others.
const UNCORE_IMC: &str = "uncore_imc";
/// Counters that always run, beside those that can be chosen: the same traffic a second time.
const FREE_RUNNING: &str = "free_running";
/// What memory controllers' events begin with, by direction; Granite Rapids has `cas_count_read_sch0` and `_sch1`.
const DIRECTIONS: [(&str, &[&str]); 2] = [
    ("read", &["cas_count_read", "data_read"]),
    ("write", &["cas_count_write", "data_write"]),
];
const MIB: &str = "MiB";
const BYTES_OF_MIB: f64 = 1_048_576.0;

/// RAPL as a PMU (arch/x86/events/rapl.c).
const POWER: &str = "power";
const JOULES: &str = "Joules";
/// Its events and the domains that powercap names so.
const DOMAINS: [(&str, &str); 4] = [
    ("energy-pkg", "package"),
    ("energy-cores", "core"),
    ("energy-ram", "dram"),
    ("energy-psys", "psys"),
];

/// The most meters: sixteen controllers of eight sockets, in two directions and two halves, and the energies.
pub const MOST_METERS: usize = 544;

/// One counter.
#[derive(Debug)]
struct Meter {
    row: Row,
    worth: f64,
    counters: Counters,
    last: Sample,
}

/// The row that a counter belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    is_energy: bool,
    socket: String,
    label: &'static str,
}

impl Row {
    fn family(&self) -> &'static Family {
        if self.is_energy {
            &f::PMU_ENERGY
        } else {
            &f::MEMORY_BANDWIDTH
        }
    }
}

/// One event of one PMU that is to be counted.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    pmu: Pmu,
    event: String,
    is_energy: bool,
    label: &'static str,
    wanted: Wanted,
    worth: f64,
}

/// All of them.
#[derive(Debug)]
pub struct Meters {
    root: Root,
    online: CpuSet,
    open: Vec<Meter>,
    sums: BTreeMap<Row, f64>,
    missing: Vec<Missing>,
}

impl Meters {
    /// Of this root; opens nothing yet.
    pub fn new(root: Root) -> Meters {
        Meters {
            root,
            online: CpuSet::new(),
            open: Vec::new(),
            sums: BTreeMap::new(),
            missing: Vec::new(),
        }
    }

    /// Reads all; opens them first where CPUs came or went (the kernel then lets other CPUs speak for a PMU).
    pub fn turn(&mut self, online: &CpuSet) {
        self.read();
        if *online != self.online {
            self.open();
            self.online = online.clone();
        }
    }

    fn open(&mut self) {
        self.open.clear();
        self.missing.clear();
        let (found, missing) = find(&self.root);
        self.missing = missing;
        for one in found {
            let places = place::places(&self.root, &one.pmu.cpus);
            for (cpu, place) in places {
                if self.open.len() >= MOST_METERS {
                    return;
                }
                let what = format!("{} of PMU {}", one.event, one.pmu.name);
                match Counters::open(Target::Everybody(cpu), &[one.wanted], 1) {
                    Ok(counters) => self.add(&one, place, counters),
                    Err(refusal) => {
                        let name = format!("perf/{}", one.pmu.name);
                        self.tell(refusal.error(&what), &name);
                    }
                }
            }
        }
        let rows: Vec<Row> = self.open.iter().map(|meter| meter.row.clone()).collect();
        self.sums.retain(|row, _| rows.contains(row));
    }

    fn add(&mut self, found: &Found, place: Place, counters: Counters) {
        let row = Row {
            is_energy: found.is_energy,
            socket: place.socket,
            label: found.label,
        };
        self.sums.entry(row.clone()).or_insert(0.0);
        self.open.push(Meter {
            row,
            worth: found.worth,
            counters,
            last: Sample::default(),
        });
    }

    /// One entry for a PMU, however many of its events fail.
    fn tell(&mut self, error: CollectError, name: &str) {
        if self.missing.iter().all(|missing| missing.name != name) {
            self.missing.push(error.into_missing(name));
        }
    }

    fn read(&mut self) {
        for meter in &mut self.open {
            let Meter {
                row,
                worth,
                counters,
                last,
            } = meter;
            let Some(sum) = self.sums.get_mut(row) else {
                continue;
            };
            // One that gives nothing adds nothing; its PMU is opened anew with the next CPU that comes or goes.
            let _ = counters.read(|_, sample| {
                let step = Step::between(*last, sample);
                *last = sample;
                *sum += step.count.map_or(0.0, float) * *worth;
            });
        }
    }

    /// Writes the rows.
    pub fn write(&self, sheet: &mut Writing<'_>) {
        for (row, sum) in &self.sums {
            sheet.add(row.family(), &[&row.socket, row.label], Some(*sum));
        }
    }

    /// What is there and could not be counted.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// How many descriptors are held.
    pub fn files(&self) -> usize {
        self.open.iter().map(|meter| meter.counters.files()).sum()
    }
}

/// What this machine has to count, and what it has and cannot be understood. Opens nothing.
fn find(root: &Root) -> (Vec<Found>, Vec<Missing>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let names = pmu::names(root).unwrap_or_default();
    let mut controllers: Vec<&String> = names.iter().filter(|name| name.starts_with(UNCORE_IMC)).collect();
    if controllers.iter().any(|name| !name.contains(FREE_RUNNING)) {
        controllers.retain(|name| !name.contains(FREE_RUNNING));
    }
    for name in controllers {
        match controller(root, name) {
            Ok(events) => found.extend(events),
            Err(error) => missing.push(error.into_missing(&format!("perf/{name}"))),
        }
    }
    if names.iter().any(|name| name == POWER) {
        match energies(root) {
            Ok(events) => found.extend(events),
            Err(error) => missing.push(error.into_missing(&format!("perf/{POWER}"))),
        }
    }
    (found, missing)
}

fn controller(root: &Root, name: &str) -> Result<Vec<Found>, CollectError> {
    let pmu = Pmu::read(root, name)?;
    let mut found = Vec::new();
    for event in pmu.events(root) {
        let direction = DIRECTIONS
            .iter()
            .find(|(_, names)| names.iter().any(|name| event.starts_with(name)));
        if let Some((direction, _)) = direction {
            let one = understood(root, &pmu, &event, MIB)?;
            found.push(Found {
                worth: one.worth * BYTES_OF_MIB,
                label: direction,
                ..one
            });
        }
    }
    Ok(found)
}

fn energies(root: &Root) -> Result<Vec<Found>, CollectError> {
    let pmu = Pmu::read(root, POWER)?;
    let mut found = Vec::new();
    for event in pmu.events(root) {
        if let Some((_, domain)) = DOMAINS.iter().find(|(name, _)| *name == event) {
            let one = understood(root, &pmu, &event, JOULES)?;
            found.push(Found {
                is_energy: true,
                label: domain,
                ..one
            });
        }
    }
    Ok(found)
}

fn understood(root: &Root, pmu: &Pmu, event: &str, unit: &str) -> Result<Found, CollectError> {
    let read = pmu.event(root, event)?;
    expect_unit(pmu, event, &read, unit)?;
    Ok(Found {
        event: event.to_owned(),
        is_energy: false,
        label: "",
        wanted: Wanted {
            kind: pmu.kind,
            config: read.config,
        },
        worth: read.scale,
        pmu: pmu.clone(),
    })
}

#[cfg(test)]
#[path = "meters/tests.rs"]
mod tests;
