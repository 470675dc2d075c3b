//! Which NUMA nodes an ask goes to: as few as hold all of it, the nearest to what it wants to be near, the nearest to each other.

use std::cmp::Reverse;

use agent_api::v1::Policy;

use super::machine::Machine;

/// Up to that many NUMA nodes all sets of them are compared: 256 sets. Beyond it the pairs are, and then sets that grow from
/// each NUMA node to its neighbours: some 10,000 steps at 64 NUMA nodes, where all sets would be 2^64.
const ALL_SETS: usize = 8;

/// Something of each kind: what is wanted of it, or what one NUMA node has of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub cpus: usize,
    /// `u64::MAX` where nobody knows how much there is.
    pub memory: u64,
    /// A size of huge pages each.
    pub pages: Vec<u64>,
    pub gpus: usize,
}

impl Amount {
    fn add(&mut self, other: &Amount) {
        self.cpus += other.cpus;
        self.memory = self.memory.saturating_add(other.memory);
        self.gpus += other.gpus;
        for (one, other) in self.pages.iter_mut().zip(&other.pages) {
            *one = one.saturating_add(*other);
        }
    }

    fn holds(&self, wanted: &Amount) -> bool {
        self.cpus >= wanted.cpus
            && self.memory >= wanted.memory
            && self.gpus >= wanted.gpus
            && self
                .pages
                .iter()
                .zip(&wanted.pages)
                .all(|(has, wanted)| has >= wanted)
    }
}

/// What is wanted, and what each cell has.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub machine: &'a Machine,
    pub wanted: Amount,
    pub has: Vec<Amount>,
    /// How far each cell is from what the ask wants to be near.
    pub far: Vec<u32>,
    pub policy: Policy,
}

/// The smaller, the better: how many cells, how far from what they shall be near, over how many packages, how far from each
/// other, how much is free in them, how much of that is whole packages, how much is free around them, and then the first ones.
type Key = (usize, u32, usize, u64, usize, Reverse<usize>, usize, Vec<usize>);

/// The cells, and how far they are from what they shall be near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub cells: Vec<usize>,
    pub far: u32,
}

impl Question<'_> {
    /// The best set of cells that holds all of it; `None` where not even all cells together do.
    pub(super) fn best(&self) -> Option<Choice> {
        let all: Vec<usize> = (0..self.has.len()).collect();
        if !self.holds(&all) {
            return None;
        }
        let one = all.iter().map(|cell| vec![*cell]);
        let found = self.pick(one).or_else(|| {
            if all.len() <= ALL_SETS {
                self.of_all_sets(&all)
            } else {
                let pairs = all
                    .iter()
                    .flat_map(|one| (one + 1..all.len()).map(move |other| vec![*one, other]));
                self.pick(pairs).or_else(|| self.grown(&all))
            }
        })?;
        let far = self.far_of(&found);
        Some(Choice { cells: found, far })
    }

    fn holds(&self, cells: &[usize]) -> bool {
        self.sum(cells).holds(&self.wanted)
    }

    fn sum(&self, cells: &[usize]) -> Amount {
        let mut sum = Amount {
            pages: vec![0; self.wanted.pages.len()],
            ..Amount::default()
        };
        cells.iter().for_each(|cell| sum.add(&self.has[*cell]));
        sum
    }

    fn pick(&self, sets: impl Iterator<Item = Vec<usize>>) -> Option<Vec<usize>> {
        let holding = sets.filter(|cells| self.holds(cells));
        holding.min_by_key(|cells| self.key(cells))
    }

    fn of_all_sets(&self, all: &[usize]) -> Option<Vec<usize>> {
        (2..=all.len()).find_map(|width| {
            let masks =
                (0_u32..1 << all.len()).filter(|mask| usize::try_from(mask.count_ones()) == Ok(width));
            self.pick(masks.map(|mask| all.iter().copied().filter(|cell| mask >> cell & 1 == 1).collect()))
        })
    }

    /// From each cell to its neighbours, the nearest first, until all of it is held.
    fn grown(&self, all: &[usize]) -> Option<Vec<usize>> {
        let mut best: Option<(Key, Vec<usize>)> = None;
        for seed in all {
            let most = best.as_ref().map_or(all.len(), |(_, cells)| cells.len());
            let mut cells = vec![*seed];
            let mut sum = self.has[*seed].clone();
            for next in &self.machine.nearest[*seed] {
                if sum.holds(&self.wanted) || cells.len() > most {
                    break;
                }
                // A cell that brings nothing that is still missing only makes the set wider.
                if self.brings(&sum, &self.has[*next]) {
                    sum.add(&self.has[*next]);
                    cells.push(*next);
                }
            }
            if sum.holds(&self.wanted) && cells.len() <= most {
                cells.sort_unstable();
                let key = self.key(&cells);
                if best.as_ref().is_none_or(|(other, _)| key < *other) {
                    best = Some((key, cells));
                }
            }
        }
        best.map(|(_, cells)| self.without_idle(cells))
    }

    /// Without the cells that all others hold it without: growing meets small ones on its way.
    fn without_idle(&self, mut cells: Vec<usize>) -> Vec<usize> {
        let mut smallest = cells.clone();
        smallest.sort_by_key(|cell| (self.has[*cell].cpus, self.has[*cell].memory));
        for one in smallest {
            let rest: Vec<usize> = cells.iter().copied().filter(|cell| *cell != one).collect();
            if self.holds(&rest) {
                cells = rest;
            }
        }
        cells
    }

    fn brings(&self, sum: &Amount, more: &Amount) -> bool {
        let wanted = &self.wanted;
        let pages = sum.pages.iter().zip(&wanted.pages).zip(&more.pages);
        (sum.cpus < wanted.cpus && more.cpus > 0)
            || (sum.memory < wanted.memory && more.memory > 0)
            || (sum.gpus < wanted.gpus && more.gpus > 0)
            || pages
                .into_iter()
                .any(|((has, wanted), more)| has < wanted && *more > 0)
    }

    fn far_of(&self, cells: &[usize]) -> u32 {
        cells
            .iter()
            .fold(0, |sum: u32, cell| sum.saturating_add(self.far[*cell]))
    }

    fn key(&self, cells: &[usize]) -> Key {
        let package = |cell: usize| self.machine.cells[cell].package;
        let mut packages: Vec<Option<usize>> = cells.iter().map(|cell| package(*cell)).collect();
        packages.sort_unstable();
        packages.dedup();
        let mut apart = 0_u64;
        for (at, one) in cells.iter().enumerate() {
            let others = cells.iter().skip(at + 1);
            apart += others
                .map(|other| u64::from(self.machine.cell_distance(*one, *other)))
                .sum::<u64>();
        }
        let in_package = |package: Option<usize>| {
            let same = move |cell: &usize| self.machine.cells[*cell].package == package;
            (0..self.has.len()).filter(same)
        };
        let free =
            |cells: &mut dyn Iterator<Item = usize>| cells.map(|cell| self.has[cell].cpus).sum::<usize>();
        let covered = packages.iter().filter(|package| {
            in_package(**package).all(|cell| self.has[cell].cpus == 0 || cells.contains(&cell))
        });
        let whole: usize = covered.map(|package| free(&mut in_package(*package))).sum();
        let here = free(&mut cells.iter().copied());
        let around = packages
            .iter()
            .map(|package| free(&mut in_package(*package)))
            .sum();
        let (here, around) = match self.policy {
            Policy::Packed | Policy::Spread => (here, around),
            Policy::Balanced => (usize::MAX - here, usize::MAX - around),
        };
        (
            cells.len(),
            self.far_of(cells),
            packages.len(),
            apart,
            here,
            Reverse(whole),
            around,
            cells.to_vec(),
        )
    }
}
