//! Who ran on some CPUs and for how long, from recorded switches or from run times that were read again and again. Pure.

use std::collections::BTreeMap;

use collectors::perf::switches::{Task, Told};
use facts::{CpuId, CpuSet};

/// The most threads that are kept apart; more of them in a minute are no workload's neighbours but a broken host, and it is told.
const MOST_TASKS: usize = 65_536;
/// What perf says in the place of the number of a thread that is just ending.
const ENDING: u32 = u32::MAX;

/// One thread that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its process.
    pub pid: u32,
    /// Where it was seen.
    pub cpus: CpuSet,
    /// For how long, in nanoseconds.
    pub nanoseconds: u64,
}

/// One thread as it was read in a round of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Who.
    pub task: Task,
    /// Where it runs or last ran.
    pub cpu: CpuId,
    /// How long it has run in all, in nanoseconds.
    pub ran: u64,
    /// When it began: another thread may have got its number since.
    pub started: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    since: u64,
    /// Who came at the last switch; nobody is known before the first one.
    on: Option<Task>,
}

/// Everybody who ran on some CPUs.
#[derive(Clone, Debug)]
pub struct Cast {
    cpus: CpuSet,
    lanes: BTreeMap<CpuId, Lane>,
    ran: BTreeMap<u32, Ran>,
    names: BTreeMap<u32, String>,
    parents: BTreeMap<u32, u32>,
    before: BTreeMap<u32, Polled>,
    /// Records that the kernel had to drop.
    pub lost: u64,
    /// Whether there were more threads than are kept apart.
    pub is_cut: bool,
}

impl Cast {
    /// Of these CPUs, from a moment of `CLOCK_MONOTONIC` on.
    pub fn new(cpus: &CpuSet, begin: u64) -> Cast {
        let lane = Lane {
            since: begin,
            on: None,
        };
        Cast {
            cpus: cpus.clone(),
            lanes: cpus.iter().map(|cpu| (cpu, lane)).collect(),
            ran: BTreeMap::new(),
            names: BTreeMap::new(),
            parents: BTreeMap::new(),
            before: BTreeMap::new(),
            lost: 0,
            is_cut: false,
        }
    }

    /// Takes in one record of a CPU.
    pub fn hear(&mut self, cpu: CpuId, told: Told) {
        match told {
            Told::Left { at, task, next } => {
                let Some(lane) = self.lanes.get_mut(&cpu) else {
                    return;
                };
                let who = if task.tid == ENDING { lane.on } else { Some(task) };
                let ran = at.saturating_sub(lane.since);
                *lane = Lane {
                    since: lane.since.max(at),
                    on: Some(next),
                };
                if let Some(who) = who {
                    self.credit(who, cpu, ran);
                }
            }
            Told::Named { task, name } => {
                if self.names.len() < MOST_TASKS {
                    self.names.insert(task.tid, super::task::printable(&name));
                }
            }
            Told::Born { task, parent } => {
                if self.parents.len() < MOST_TASKS {
                    self.parents.insert(task.tid, parent.tid);
                }
            }
            Told::Lost(count) => self.lost = self.lost.saturating_add(count),
        }
    }

    /// Takes in a round of reading: what ran since the round before and is on one of the CPUs now, was there.
    pub fn read(&mut self, round: &[Polled]) {
        for polled in round {
            let before = self.before.get(&polled.task.tid).copied();
            let known = before.filter(|before| before.started == polled.started);
            // Who was not there before has run since; in the first round nobody is known, and nobody is accused.
            let ran = match known {
                Some(before) => polled.ran.saturating_sub(before.ran),
                None if self.before.is_empty() => 0,
                None => polled.ran,
            };
            if ran > 0 && self.cpus.contains(polled.cpu) {
                self.credit(polled.task, polled.cpu, ran);
            }
        }
        self.before = round.iter().map(|polled| (polled.task.tid, *polled)).collect();
    }

    /// Whether some CPU had no switch at all.
    pub fn has_quiet_cpu(&self) -> bool {
        self.lanes.values().any(|lane| lane.on.is_none())
    }

    /// Ends the watching by switches: who is on a CPU now has been there since the last switch. A CPU without any switch was the
    /// same thread's all the time; `first` and `last` are rounds of reading at both ends, and tell whose.
    pub fn end(&mut self, at: u64, first: &[Polled], last: &[Polled]) {
        let lanes = self.lanes.clone();
        for (cpu, lane) in lanes {
            let ran = at.saturating_sub(lane.since);
            if let Some(on) = lane.on {
                self.credit(on, cpu, ran);
                continue;
            }
            for polled in last.iter().filter(|polled| polled.cpu == cpu) {
                let same = |before: &&Polled| before.task == polled.task && before.started == polled.started;
                let before = first.iter().find(same).filter(|before| before.cpu == cpu);
                let more = before.map_or(0, |before| polled.ran.saturating_sub(before.ran));
                if more > ran / 2 {
                    self.credit(polled.task, cpu, more.min(ran));
                }
            }
        }
    }

    fn credit(&mut self, task: Task, cpu: CpuId, nanoseconds: u64) {
        // Thread 0 is the CPU at rest.
        if task.tid == 0 || task.tid == ENDING || nanoseconds == 0 {
            return;
        }
        if self.ran.len() >= MOST_TASKS && !self.ran.contains_key(&task.tid) {
            self.is_cut = true;
            return;
        }
        let ran = self.ran.entry(task.tid).or_default();
        ran.pid = task.pid;
        ran.cpus.insert(cpu);
        ran.nanoseconds = ran.nanoseconds.saturating_add(nanoseconds);
    }

    /// Everybody who ran, by the thread's number.
    pub fn ran(&self) -> &BTreeMap<u32, Ran> {
        &self.ran
    }

    /// The last name that a thread gave itself while it was watched.
    pub fn name(&self, tid: u32) -> Option<&str> {
        self.names.get(&tid).map(String::as_str)
    }

    /// Who made a thread that began while it was watched.
    pub fn parent(&self, tid: u32) -> Option<u32> {
        self.parents.get(&tid).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn task(tid: u32) -> Task {
        Task { pid: tid, tid }
    }

    fn left(at: u64, tid: u32, next: u32) -> Told {
        Told::Left {
            at,
            task: task(tid),
            next: task(next),
        }
    }

    fn polled(tid: u32, cpu: u32, ran: u64) -> Polled {
        Polled {
            task: task(tid),
            cpu: CpuId(cpu),
            ran,
            started: 1,
        }
    }

    #[test]
    fn time_goes_to_who_was_on_the_cpu() {
        let cpu = CpuId(3);
        let mut cast = Cast::new(&"3-4".parse().unwrap(), 100);
        // 7 was there when the watching began; 8 ends itself; nobody; 9 is there at the end.
        for told in [left(150, 7, 8), left(160, ENDING, 0), left(200, 0, 9)] {
            cast.hear(cpu, told);
        }
        // On CPU 4 nobody was switched: 5 has run there all the time, 6 was only put there.
        let first = [polled(5, 4, 0), polled(6, 4, 50)];
        let last = [polled(5, 4, 110), polled(6, 4, 50)];
        cast.end(210, &first, &last);
        let ran: Vec<(u32, u64)> = cast
            .ran()
            .iter()
            .map(|(tid, ran)| (*tid, ran.nanoseconds))
            .collect();
        assert_eq!(ran, [(5, 110), (7, 50), (8, 10), (9, 10)]);
        assert_eq!(cast.ran()[&5].cpus.to_string(), "4");
    }

    #[test]
    fn reading_accuses_who_grew_on_our_cpus_only() {
        let mut cast = Cast::new(&"1".parse().unwrap(), 0);
        cast.read(&[polled(5, 1, 10), polled(6, 0, 10), polled(7, 1, 10)]);
        assert!(cast.ran().is_empty(), "nobody is accused of what was before");
        cast.read(&[
            polled(5, 1, 15),
            polled(6, 0, 90),
            polled(7, 1, 10),
            polled(8, 1, 3),
        ]);
        let ran: Vec<(u32, u64)> = cast
            .ran()
            .iter()
            .map(|(tid, ran)| (*tid, ran.nanoseconds))
            .collect();
        assert_eq!(ran, [(5, 5), (8, 3)]);
        // Another thread of the same number.
        cast.read(&[Polled {
            started: 2,
            ..polled(5, 1, 4)
        }]);
        assert_eq!(cast.ran()[&5].nanoseconds, 9);
    }

    proptest! {
        /// No CPU gives more time than passed, whatever is recorded in whatever order.
        #[test]
        fn nobody_runs_longer_than_time_passed(
            records in proptest::collection::vec((0_u64..1_000, 0_u32..5, 0_u32..5), 0..40)
        ) {
            let mut cast = Cast::new(&"0".parse().unwrap(), 100);
            for (at, tid, next) in records {
                cast.hear(CpuId(0), left(at, tid, next));
            }
            cast.end(1_000, &[], &[]);
            let sum: u64 = cast.ran().values().map(|ran| ran.nanoseconds).sum();
            prop_assert!(sum <= 900);
        }
    }
}
