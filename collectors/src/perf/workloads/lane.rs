//! The counters of one workload: its cgroup on each of its CPUs.

use std::collections::BTreeMap;
use std::fs::File;

use facts::CpuId;
use facts::sheet::Writing;
use nix::errno::Errno;

use super::Workload;
use super::cgroup::Files;
use super::families as f;
use crate::columns::float;
use crate::perf::counters::{Counters, HARDWARE, SOFTWARE, Target, Wanted};
use crate::perf::place::Place;
use crate::perf::pmu::CoreKinds;
use crate::perf::refusal::Refusal;
use crate::perf::scale::{Sample, Step, share};

/// How many events of each kind.
const EVENTS: usize = 4;
/// `PERF_COUNT_HW_` CPU_CYCLES, INSTRUCTIONS, CACHE_REFERENCES, CACHE_MISSES.
const HARDWARE_EVENTS: [u64; EVENTS] = [0, 1, 2, 3];
const CYCLES: usize = 0;
const INSTRUCTIONS: usize = 1;
/// `PERF_COUNT_SW_` CPU_CLOCK (nanoseconds), CONTEXT_SWITCHES, CPU_MIGRATIONS, PAGE_FAULTS.
const SOFTWARE_EVENTS: [u64; EVENTS] = [0, 3, 4, 2];
const CLOCK: usize = 0;
/// How many descriptors one CPU of a workload takes.
const FILES_OF_CPU: usize = 2 * EVENTS;

/// One CPU of a workload.
#[derive(Debug)]
struct OnCpu {
    socket: String,
    software: Counters,
    hardware: Option<Counters>,
    last: [[Sample; EVENTS]; 2],
}

/// What was counted in one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Nanoseconds on the CPUs of each socket.
    pub clock: BTreeMap<String, u64>,
    /// Cycles on the CPUs of each socket; empty where they are not counted.
    pub cycles: BTreeMap<String, u64>,
}

/// How much of a workload is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Closed,
    /// Nothing: there was no room for its descriptors.
    Crowded,
    /// Nothing: no hierarchy of the workload has perf_event, or we are not allowed to.
    Silent(Refusal),
    /// Software events; hardware events were refused.
    Software(Refusal),
    /// All.
    Whole,
}

/// One workload.
#[derive(Debug)]
pub struct Lane {
    /// Who and where.
    pub workload: Workload,
    /// What its files said last.
    pub used: Files,
    /// How much of it is counted.
    pub state: State,
    on: Vec<OnCpu>,
    software: [Option<u64>; EVENTS],
    hardware: [Option<u64>; EVENTS],
    /// Cycles and instructions of the last turn, and the clocks of their counters.
    turn: (u64, u64),
    clocks: (u64, u64),
}

impl Lane {
    /// Of this workload, which has used so much already; counts nothing yet.
    pub fn new(workload: Workload, used: Files) -> Lane {
        Lane {
            workload,
            used,
            state: State::Closed,
            on: Vec::new(),
            software: [None; EVENTS],
            hardware: [None; EVENTS],
            turn: (0, 0),
            clocks: (0, 0),
        }
    }

    /// Opens the counters on these CPUs anew where they fit in the room; the sums go on.
    pub fn open(&mut self, places: &BTreeMap<CpuId, Place>, kinds: &CoreKinds, room: usize) {
        self.close();
        let own = places.keys().filter(|cpu| self.workload.cpus.contains(**cpu));
        if own.count().saturating_mul(FILES_OF_CPU) > room {
            self.state = State::Crowded;
            return;
        }
        let mut refused = Refusal::from(&std::io::Error::from(Errno::EBADF)).of_cgroup();
        for directory in &self.workload.cgroups {
            let opened = File::open(directory)
                .map_err(|error| Refusal::from(&error))
                .and_then(|cgroup| open_all(&cgroup, &self.workload, places, kinds));
            match opened {
                Ok((on, hardware)) => {
                    self.on = on;
                    self.state = hardware.map_or(State::Whole, State::Software);
                    self.begin();
                    return;
                }
                Err(refusal) => refused = refusal,
            }
        }
        self.state = State::Silent(refused);
    }

    /// Closes the counters.
    pub fn close(&mut self) {
        self.on.clear();
        self.state = State::Closed;
    }

    /// Sums start at zero, and go on where they were.
    fn begin(&mut self) {
        for slot in 0..EVENTS {
            let counted = |counters: &Counters| counters.has(slot);
            let hardware = self.on.iter().filter_map(|on| on.hardware.as_ref()).any(counted);
            let software = self.on.iter().any(|on| counted(&on.software));
            for (sums, is_counted) in [(&mut self.hardware, hardware), (&mut self.software, software)] {
                if let Some(sum) = sums.get_mut(slot) {
                    *sum = is_counted.then_some(sum.unwrap_or(0));
                }
            }
        }
    }

    /// Reads the counters.
    pub fn read(&mut self) -> Counted {
        let mut counted = Counted::default();
        self.turn = (0, 0);
        self.clocks = (0, 0);
        for on in &mut self.on {
            let OnCpu {
                socket,
                software,
                hardware,
                last: [last_software, last_hardware],
            } = on;
            // A CPU that went off gives nothing; the next turn opens anew.
            let _ = software.read(|slot, sample| {
                let count = step(last_software, slot, sample).count.unwrap_or(0);
                add(&mut self.software, slot, count);
                if slot == CLOCK {
                    grow(&mut counted.clock, socket, count);
                }
            });
            let Some(hardware) = hardware else {
                continue;
            };
            let _ = hardware.read(|slot, sample| {
                let step = step(last_hardware, slot, sample);
                let count = step.count.unwrap_or(0);
                add(&mut self.hardware, slot, count);
                if slot == CYCLES {
                    grow(&mut counted.cycles, socket, count);
                    self.turn.0 = self.turn.0.saturating_add(count);
                    self.clocks.0 = self.clocks.0.saturating_add(step.running);
                    self.clocks.1 = self.clocks.1.saturating_add(step.enabled);
                } else if slot == INSTRUCTIONS {
                    self.turn.1 = self.turn.1.saturating_add(count);
                }
            });
        }
        counted
    }

    /// CPU time since the cgroup was made, or since we watch it.
    fn cpu_seconds(&self) -> Option<f64> {
        let counted = || Some(float(self.software.get(CLOCK).copied()??) / 1e9);
        self.used.cpu.map(|time| time.as_secs_f64()).or_else(counted)
    }

    /// Writes its rows.
    pub fn write(&self, sheet: &mut Writing<'_>) {
        let labels = [self.workload.id.as_str()];
        sheet.add(&f::CPU_TIME, &labels, self.cpu_seconds());
        sheet.add(
            &f::THROTTLED,
            &labels,
            self.used.throttled.map(|time| time.as_secs_f64()),
        );
        sheet.add(&f::MEMORY, &labels, self.used.memory);
        let [cycles, instructions, references, misses] = self.hardware;
        let [_, switches, migrations, faults] = self.software;
        for (family, count) in [
            (&f::CYCLES, cycles),
            (&f::INSTRUCTIONS, instructions),
            (&f::LLC_REFERENCES, references),
            (&f::LLC_MISSES, misses),
            (&f::CONTEXT_SWITCHES, switches),
            (&f::MIGRATIONS, migrations),
            (&f::PAGE_FAULTS, faults),
        ] {
            sheet.add(family, &labels, count);
        }
        sheet.add(&f::CPI, &labels, cycles_per_instruction(self.turn.0, self.turn.1));
        sheet.add(&f::TIME_RATIO, &labels, share(self.clocks.0, self.clocks.1));
    }

    /// How many descriptors it holds.
    pub fn files(&self) -> usize {
        let hardware = self.on.iter().filter_map(|on| on.hardware.as_ref());
        hardware
            .chain(self.on.iter().map(|on| &on.software))
            .map(Counters::files)
            .sum()
    }
}

/// CPI of a turn; `None` where nothing was retired.
fn cycles_per_instruction(cycles: u64, instructions: u64) -> Option<f64> {
    (cycles > 0 && instructions > 0).then(|| float(cycles) / float(instructions))
}

fn step(last: &mut [Sample; EVENTS], slot: usize, sample: Sample) -> Step {
    match last.get_mut(slot) {
        Some(before) => Step::between(std::mem::replace(before, sample), sample),
        None => Step::default(),
    }
}

fn add(sums: &mut [Option<u64>; EVENTS], slot: usize, count: u64) {
    if let Some(Some(sum)) = sums.get_mut(slot) {
        *sum = sum.saturating_add(count);
    }
}

fn grow(sums: &mut BTreeMap<String, u64>, socket: &str, count: u64) {
    match sums.get_mut(socket) {
        Some(sum) => *sum = sum.saturating_add(count),
        None => {
            sums.insert(socket.to_owned(), count);
        }
    }
}

type OpenedOn = (Vec<OnCpu>, Option<Refusal>);

fn open_all(
    cgroup: &File,
    workload: &Workload,
    places: &BTreeMap<CpuId, Place>,
    kinds: &CoreKinds,
) -> Result<OpenedOn, Refusal> {
    let (mut all, mut refused) = (Vec::new(), None);
    let own = places.iter().filter(|(cpu, _)| workload.cpus.contains(**cpu));
    for (cpu, place) in own {
        let target = Target::Cgroup(cgroup, *cpu);
        let software = SOFTWARE_EVENTS.map(|number| Wanted::generic(SOFTWARE, number));
        let software = match Counters::open(target, &software, EVENTS) {
            Ok(counters) => counters,
            Err(refusal) if refusal.is_gone() => continue,
            Err(refusal) => return Err(refusal.of_cgroup()),
        };
        let wanted = HARDWARE_EVENTS.map(|number| Wanted::generic(HARDWARE, kinds.config(*cpu, number)));
        let hardware = match Counters::open(target, &wanted, EVENTS) {
            Ok(counters) => Some(counters),
            Err(refusal) => {
                refused.get_or_insert(refusal);
                None
            }
        };
        all.push(OnCpu {
            socket: place.socket.clone(),
            software,
            hardware,
            last: [[Sample::default(); EVENTS]; 2],
        });
    }
    Ok((all, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_instructions_are_no_cpi() {
        assert_eq!(cycles_per_instruction(10, 4), Some(2.5));
        assert_eq!(cycles_per_instruction(10, 0), None);
        assert_eq!(cycles_per_instruction(0, 10), None);
    }
}
