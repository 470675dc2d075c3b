//! Defragmentation: which workloads would have to move where so that a refused ask fits, and what the moves cost.
//!
//! Only proposals: nothing moves by itself. What never moves: workloads that are immovable, that hold GPUs or huge pages (they
//! cannot change under a running process), and those whose ask the ledger does not know.

use agent_api::v1::{Ask, Offer, TopologyRule};
use facts::{Bytes, CpuSet, NumaSet};
use intent::{Generation, WorkloadId};

use super::{Machine, Taken, batch, place};

/// How many workloads are tried alone, the cheapest to move first.
const MOST_ALONE: usize = 64;
/// How many are tried in pairs: 66 pairs.
const MOST_IN_PAIRS: usize = 12;
/// How many moves one proposal holds. Whoever has to move more had better wait.
const MOST_MOVES: usize = 8;
/// How many NUMA nodes are tried as the place that is emptied.
const MOST_CELLS: usize = 64;
/// Memory that the kernel moves in a second, where nobody measured it on this machine: between two NUMA nodes of a present-day
/// server single-threaded page migration reaches about this much.
pub const DEFAULT_RATE: Bytes = Bytes::new(1 << 30);

/// One workload that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub workload: WorkloadId,
    /// Its CPUs now.
    pub from: CpuSet,
    /// Its CPUs afterwards, and all else that it is to have.
    pub to: Offer,
    /// How many of its CPUs change.
    pub cpus_changed: usize,
    /// How much of its memory moves to another NUMA node, at most: what is promised, not what is in use.
    pub memory_moved: Bytes,
    /// How long that takes at the rate that was given.
    pub milliseconds: u64,
}

/// Moves after which an ask fits, and its offer then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The moves. Each first gives up what it has and does not keep; then all get what is new.
    pub moves: Vec<Move>,
    /// What the ask gets.
    pub offer: Offer,
}

impl Proposal {
    /// The memory that moves, the CPUs that change, how many move: the smaller, the better.
    pub fn cost(&self) -> (Bytes, usize, usize) {
        let bytes = self.moves.iter().map(|one| one.memory_moved).sum();
        let cpus = self.moves.iter().map(|one| one.cpus_changed).sum();
        (bytes, cpus, self.moves.len())
    }
}

/// The largest exclusive block of CPUs on one NUMA node: now, and after moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many CPUs fit together now.
    pub now: u32,
    /// The ask for as many as would fit after the moves, and the moves; `None` where moving gives no more.
    pub more: Option<(Ask, Proposal)>,
}

/// What moving would give, where nobody says for whom: the most CPUs together that the search reaches.
pub fn roomiest(machine: &Machine, taken: &[Taken], bytes_per_second: Bytes) -> Room {
    let topology = if machine.numa.is_empty() {
        TopologyRule::BestEffort
    } else {
        TopologyRule::SingleNumaNode
    };
    let asked = |cpus| Ask {
        cpus,
        exclusive: true,
        topology,
        ..Ask::default()
    };
    let most = u32::try_from(machine.listed.len()).unwrap_or(u32::MAX);
    let fits = |taken: &[Taken]| {
        largest(0, most, |cpus| {
            place(&asked(cpus), machine, taken, Generation(0)).ok()
        })
    };
    let stay: Vec<Taken> = taken.iter().filter(|one| !is_movable(one)).cloned().collect();
    let now = fits(taken).map_or(0, |(cpus, _)| cpus);
    let most = fits(&stay).map_or(0, |(cpus, _)| cpus);
    let found = largest(now, most, |cpus| {
        propose(&asked(cpus), machine, taken, bytes_per_second)
    });
    Room {
        now,
        more: found.map(|(cpus, proposal)| (asked(cpus), proposal)),
    }
}

/// The largest number above `known` and up to `most` for which there is an answer, halving the rest each time.
fn largest<T>(known: u32, most: u32, answer: impl Fn(u32) -> Option<T>) -> Option<(u32, T)> {
    let (mut fitting, mut beyond, mut found) = (known, most.saturating_add(1), None);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        match answer(middle) {
            Some(came) => (fitting, found) = (middle, Some((middle, came))),
            None => beyond = middle,
        }
    }
    found
}

/// The cheapest moves that were found after which the ask fits; `None` where it fits as it is, or no moves were found. The
/// search is bounded: single workloads, pairs, and one NUMA node emptied step by step.
pub fn propose(ask: &Ask, machine: &Machine, taken: &[Taken], bytes_per_second: Bytes) -> Option<Proposal> {
    if ask.check().is_err() || place(ask, machine, taken, Generation(0)).is_ok() {
        return None;
    }
    let search = Search {
        ask,
        machine,
        taken,
        rate: bytes_per_second,
    };
    let mut movable: Vec<usize> = (0..taken.len()).filter(|at| is_movable(&taken[*at])).collect();
    movable.sort_by_key(|at| (memory(&taken[*at]), taken[*at].cpus.len(), *at));
    // With all of them away it must fit, or no move helps.
    place(ask, machine, &search.without(&movable), Generation(0)).ok()?;
    let alone = movable.iter().take(MOST_ALONE).map(|at| vec![*at]);
    let pairs = movable
        .iter()
        .take(MOST_IN_PAIRS)
        .enumerate()
        .flat_map(|(number, one)| {
            let others = movable.iter().take(MOST_IN_PAIRS).skip(number + 1);
            others.map(|other| vec![*one, *other])
        });
    let found = search.cheapest(alone).or_else(|| search.cheapest(pairs));
    found.or_else(|| search.emptied(&movable))
}

fn is_movable(one: &Taken) -> bool {
    !one.cpus.is_empty() && why_it_stays(one).is_none()
}

/// Why a workload is never part of a proposal, where it is not.
pub fn why_it_stays(one: &Taken) -> Option<&'static str> {
    if one.immovable {
        Some("it asked never to be moved")
    } else if !one.gpus.is_empty() {
        Some("it holds GPUs, which cannot change under a running process")
    } else if !one.drives.is_empty() {
        Some("it holds drives, which cannot change under a running process")
    } else if !one.hugepages.is_empty() {
        Some("it holds huge pages, which cannot change under a running process")
    } else if one.ask.is_none() {
        Some("the ledger does not say what it asked for")
    } else {
        None
    }
}

fn memory(one: &Taken) -> Bytes {
    one.memory.iter().map(|share| share.bytes).sum()
}

struct Search<'a> {
    ask: &'a Ask,
    machine: &'a Machine,
    taken: &'a [Taken],
    rate: Bytes,
}

impl Search<'_> {
    fn without(&self, away: &[usize]) -> Vec<Taken> {
        let rest = self.taken.iter().enumerate().filter(|(at, _)| !away.contains(at));
        rest.map(|(_, one)| one.clone()).collect()
    }

    fn cheapest(&self, sets: impl Iterator<Item = Vec<usize>>) -> Option<Proposal> {
        sets.filter_map(|away| self.with_moves(&away))
            .min_by_key(Proposal::cost)
    }

    /// One NUMA node after another is emptied of what may move, the cheapest first, until the ask fits.
    fn emptied(&self, movable: &[usize]) -> Option<Proposal> {
        let cells = self.machine.cells.iter().take(MOST_CELLS);
        let proposals = cells.filter_map(|cell| {
            let here = movable
                .iter()
                .copied()
                .filter(|at| !self.taken[*at].cpus.is_disjoint(&cell.cpus));
            let here: Vec<usize> = here.take(MOST_MOVES).collect();
            (3..=here.len()).find_map(|count| self.with_moves(&here[..count]))
        });
        proposals.min_by_key(Proposal::cost)
    }

    /// The ask is placed without them, and then they where there is room for them.
    fn with_moves(&self, away: &[usize]) -> Option<Proposal> {
        let mut held = self.without(away);
        let offer = place(self.ask, self.machine, &held, Generation(0)).ok()?;
        held.push(Taken::of(batch::name(self.ask, 0).ok()?, self.ask, &offer));
        let mut movers: Vec<&Taken> = away.iter().map(|at| &self.taken[*at]).collect();
        movers.sort_by_key(|one| std::cmp::Reverse(one.cpus.len()));
        let mut moves = Vec::new();
        for mover in movers {
            let ask = mover.ask.as_ref()?;
            let to = place(ask, self.machine, &held, Generation(0)).ok()?;
            held.push(Taken::of(mover.workload.clone(), ask, &to));
            let moved = self.moved(mover, to);
            if moved.cpus_changed > 0 || moved.memory_moved > Bytes::ZERO {
                moves.push(moved);
            }
        }
        Some(Proposal { moves, offer })
    }

    fn moved(&self, mover: &Taken, to: Offer) -> Move {
        let leaves = mover.memory.iter().map(|before| {
            let after = to
                .memory
                .iter()
                .filter(|after| after.numa_node == before.numa_node);
            let after: Bytes = after.map(|after| after.bytes).sum();
            Bytes::new(before.bytes.get().saturating_sub(after.get()))
        });
        let memory_moved: Bytes = leaves.sum();
        let milliseconds = u128::from(memory_moved.get()) * 1_000 / u128::from(self.rate.get().max(1));
        Move {
            workload: mover.workload.clone(),
            from: mover.cpus.clone(),
            cpus_changed: mover.cpus.difference(&to.cpus).len(),
            to,
            memory_moved,
            milliseconds: u64::try_from(milliseconds).unwrap_or(u64::MAX),
        }
    }
}

impl std::fmt::Display for Move {
    /// `web from CPUs 4-5 to 8-9 (2 CPUs change, 1 GiB moves, about 1.0 s)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from CPUs {} to {}", self.workload, self.from, self.to.cpus)?;
        let nodes: NumaSet = self.to.memory.iter().map(|share| share.numa_node).collect();
        write!(f, " ({} of its CPUs change", self.cpus_changed)?;
        if self.memory_moved > Bytes::ZERO {
            let (seconds, tenths) = (self.milliseconds / 1_000, self.milliseconds % 1_000 / 100);
            write!(
                f,
                ", {} of memory move to NUMA node {nodes}, about {seconds}.{tenths} s",
                self.memory_moved
            )?;
        }
        f.write_str(")")
    }
}
