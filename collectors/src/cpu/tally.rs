//! The tally: ticks of every CPU, and sums by NUMA node and socket that never run backwards while the agent runs.
//!
//! The kernel's own numbers do: `iowait` and `idle` of a CPU may fall a little (proc_stat(5)), and a CPU that comes back begins
//! some of its columns anew or not at all. A small fall is held; idle time that falls by seconds is a new beginning, and what was
//! counted before stays in the sums. So do the ticks of a CPU that went.

use super::place::{Place, Places};
use super::stat::{IDLE, Line, Ticks};
use crate::root::Root;

/// Idle time that falls by so many ticks (3 s) is a new beginning; node_exporter draws the same line.
const NEW_BEGINNING: u64 = 300;

/// One CPU.
#[derive(Debug)]
pub(super) struct Cpu {
    id: u32,
    /// Its number as a label.
    pub(super) name: Box<str>,
    /// Its ticks, held where they fell a little.
    pub(super) ticks: Ticks,
    /// What it counted before its last new beginning.
    before: Ticks,
    /// Whether it is on.
    pub(super) is_on: bool,
    /// Which group it is in.
    pub(super) group: usize,
}

/// The CPUs of one NUMA node in one socket.
#[derive(Debug)]
pub(super) struct Group {
    /// Where they lie.
    pub(super) place: Place,
    /// The NUMA node as a label; empty where it is unknown.
    pub(super) numa_node: Box<str>,
    /// The socket as a label; empty where it is unknown.
    pub(super) socket: Box<str>,
    /// The sum of all its CPUs, gone ones too.
    pub(super) ticks: Ticks,
}

/// All CPUs that were ever seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By their numbers.
    pub(super) cpus: Vec<Cpu>,
    /// By their places.
    pub(super) groups: Vec<Group>,
    is_on: usize,
}

impl Tally {
    /// Takes the lines of one turn.
    pub(super) fn take(&mut self, root: &Root, lines: &[Line]) {
        let mut has_new = lines.len() != self.is_on;
        for cpu in &mut self.cpus {
            cpu.is_on = false;
        }
        for (index, line) in lines.iter().enumerate() {
            let known = match self.cpus.get(index) {
                Some(cpu) if cpu.id == line.cpu => Ok(index),
                _ => self.cpus.binary_search_by_key(&line.cpu, |cpu| cpu.id),
            };
            let at = known.unwrap_or_else(|at| {
                self.cpus.insert(at, Cpu::new(line.cpu));
                has_new = true;
                at
            });
            if let Some(cpu) = self.cpus.get_mut(at) {
                cpu.take(&line.ticks);
            }
        }
        self.is_on = lines.len();
        if has_new {
            self.place(root);
        }
        self.sum();
    }

    /// Finds the places anew; a CPU that is off keeps the one it had, because the kernel tells it no more.
    fn place(&mut self, root: &Root) {
        let places = Places::read(root);
        let before: Vec<Place> = self.groups.iter().map(|group| group.place).collect();
        let found: Vec<Place> = self
            .cpus
            .iter()
            .map(|cpu| match before.get(cpu.group) {
                Some(place) if !cpu.is_on => *place,
                _ => places.of(cpu.id),
            })
            .collect();
        let mut all = found.clone();
        all.sort_unstable();
        all.dedup();
        for (cpu, place) in self.cpus.iter_mut().zip(&found) {
            cpu.group = all.binary_search(place).unwrap_or_default();
        }
        self.groups = all.into_iter().map(Group::new).collect();
    }

    fn sum(&mut self) {
        for group in &mut self.groups {
            group.ticks = Ticks::default();
        }
        for cpu in &self.cpus {
            let Some(group) = self.groups.get_mut(cpu.group) else {
                continue;
            };
            for ((sum, ticks), before) in group.ticks.iter_mut().zip(cpu.ticks).zip(cpu.before) {
                *sum = sum.saturating_add(ticks).saturating_add(before);
            }
        }
    }
}

impl Group {
    fn new(place: Place) -> Group {
        let label = |id: Option<u32>| id.map_or_else(Box::default, |id| id.to_string().into_boxed_str());
        Group {
            place,
            numa_node: label(place.numa_node),
            socket: label(place.socket),
            ticks: Ticks::default(),
        }
    }
}

impl Cpu {
    fn new(id: u32) -> Cpu {
        Cpu {
            id,
            name: id.to_string().into_boxed_str(),
            ticks: Ticks::default(),
            before: Ticks::default(),
            is_on: false,
            group: usize::MAX,
        }
    }

    fn take(&mut self, ticks: &Ticks) {
        self.is_on = true;
        let fell = self
            .ticks
            .get(IDLE)
            .zip(ticks.get(IDLE))
            .map_or(0, |(held, now)| held.saturating_sub(*now));
        if fell >= NEW_BEGINNING {
            for (before, held) in self.before.iter_mut().zip(self.ticks) {
                *before = before.saturating_add(held);
            }
            self.ticks = *ticks;
            return;
        }
        for (held, now) in self.ticks.iter_mut().zip(ticks) {
            *held = (*held).max(*now);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn line(cpu: u32, user: u64, idle: u64) -> Line {
        let mut ticks = Ticks::default();
        ticks[0] = user;
        ticks[IDLE] = idle;
        Line { cpu, ticks }
    }

    fn machine() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (cpu, socket) in [(0, "0"), (1, "0"), (2, "1"), (3, "-1")] {
            let topology = dir
                .path()
                .join(format!("sys/devices/system/cpu/cpu{cpu}/topology"));
            std::fs::create_dir_all(&topology).unwrap();
            std::fs::write(topology.join("physical_package_id"), socket).unwrap();
        }
        let node = dir.path().join("sys/devices/system/node/node5");
        std::fs::create_dir_all(&node).unwrap();
        std::fs::write(node.join("cpulist"), "0-2\n").unwrap();
        let root = Root::at(dir.path()).unwrap();
        (dir, root)
    }

    fn sums(tally: &Tally) -> Vec<(&str, &str, u64, u64)> {
        let groups = tally.groups.iter();
        groups
            .map(|group| {
                (
                    &*group.numa_node,
                    &*group.socket,
                    group.ticks[0],
                    group.ticks[IDLE],
                )
            })
            .collect()
    }

    #[test]
    fn cpus_are_summed_by_numa_node_and_socket() {
        let (_keep, root) = machine();
        let mut tally = Tally::default();
        tally.take(
            &root,
            &[line(0, 10, 1), line(1, 20, 2), line(2, 40, 4), line(3, 80, 8)],
        );
        assert_eq!(
            sums(&tally),
            [("", "", 80, 8), ("5", "0", 30, 3), ("5", "1", 40, 4)]
        );
    }

    #[test]
    fn a_cpu_that_goes_and_comes_back_takes_nothing_with_it() {
        let (_keep, root) = machine();
        let mut tally = Tally::default();
        tally.take(&root, &[line(0, 10, 1000), line(1, 20, 2000)]);
        tally.take(&root, &[line(0, 11, 1001)]);
        assert_eq!(sums(&tally), [("5", "0", 31, 3001)]);
        assert_eq!(tally.cpus.iter().filter(|cpu| cpu.is_on).count(), 1);
        // It comes back with its old numbers, then anew from zero, then with an iowait that fell a little.
        tally.take(&root, &[line(0, 11, 1001), line(1, 25, 2001)]);
        assert_eq!(sums(&tally), [("5", "0", 36, 3002)]);
        tally.take(&root, &[line(0, 11, 1001), line(1, 1, 5)]);
        assert_eq!(sums(&tally), [("5", "0", 37, 3007)]);
        tally.take(&root, &[line(0, 11, 990), line(1, 1, 5)]);
        assert_eq!(sums(&tally), [("5", "0", 37, 3007)]);
    }

    proptest! {
        #[test]
        fn sums_never_run_backwards(turns in proptest::collection::vec(proptest::collection::btree_map(0_u32..4, (0_u64..2000, 0_u64..2000), 1..4), 1..12)) {
            let (_keep, root) = machine();
            let mut tally = Tally::default();
            let mut last = (0, 0);
            for turn in turns {
                let lines: Vec<Line> = turn.iter().map(|(cpu, (user, idle))| line(*cpu, *user, *idle)).collect();
                tally.take(&root, &lines);
                let now = tally.groups.iter().fold((0, 0), |(user, idle), group| (user + group.ticks[0], idle + group.ticks[IDLE]));
                prop_assert!(now.0 >= last.0 && now.1 >= last.1, "{last:?} {now:?}");
                last = now;
            }
        }
    }
}
