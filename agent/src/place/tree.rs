//! The machine as a tree of parts in parts: package, NUMA node, L3 cache, core. CPUs are picked from it.

use std::cmp::{Ordering, Reverse};
use std::ops::Range;

use agent_api::v1::Policy;
use facts::{CpuSet, Inventory};

use super::machine::LAST_LEVEL;

/// What a part is; the smaller, the nearer its CPUs are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Core,
    Cache,
    NumaNode,
    Package,
    Machine,
}

/// One part, and where those in it stand in the list of all.
#[derive(Clone, Debug)]
struct Part {
    level: Level,
    cpus: CpuSet,
    parent: Option<usize>,
    /// One behind the last part in it: a part and all in it stand side by side.
    end: usize,
}

/// All parts, each before those in it; the first is the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    parts: Vec<Part>,
}

/// A part while the tree grows.
struct Growing {
    level: Level,
    cpus: CpuSet,
    parts: Vec<Growing>,
}

impl Growing {
    fn insert(&mut self, set: &CpuSet, level: Level) {
        if *set == self.cpus {
            // One set of CPUs under two names, a NUMA node that is a package: the nearer name counts.
            self.level = self.level.min(level);
        } else if !set.is_empty() && set.is_subset(&self.cpus) {
            if let Some(part) = self.parts.iter_mut().find(|part| set.is_subset(&part.cpus)) {
                part.insert(set, level);
            } else if self.parts.iter().all(|part| set.is_disjoint(&part.cpus)) {
                let cpus = set.clone();
                self.parts.push(Growing {
                    level,
                    cpus,
                    parts: Vec::new(),
                });
            }
        }
    }

    fn flatten(self, parent: Option<usize>, parts: &mut Vec<Part>) {
        let at = parts.len();
        parts.push(Part {
            level: self.level,
            cpus: self.cpus,
            parent,
            end: at + 1,
        });
        for part in self.parts {
            part.flatten(Some(at), parts);
        }
        parts[at].end = parts.len();
    }
}

impl Tree {
    /// The tree of a machine. Parts that only overlap (no such machine was seen) are left out.
    pub(super) fn of(inventory: &Inventory, listed: &CpuSet) -> Tree {
        let packages = inventory
            .packages
            .iter()
            .map(|package| (&package.cpus, Level::Package));
        let numa_nodes = inventory
            .numa_nodes
            .iter()
            .map(|node| (&node.cpus, Level::NumaNode));
        let caches = inventory.caches.iter().filter(|cache| cache.level == LAST_LEVEL);
        let caches = caches.map(|cache| (&cache.cpus, Level::Cache));
        let cores = inventory.cores.iter().map(|core| (&core.cpus, Level::Core));
        let mut sets: Vec<(&CpuSet, Level)> = packages.chain(numa_nodes).chain(caches).chain(cores).collect();
        sets.sort_by_key(|(set, level)| (Reverse(set.len()), set.first(), Reverse(*level)));
        let mut machine = Growing {
            level: Level::Machine,
            cpus: listed.clone(),
            parts: Vec::new(),
        };
        for (set, level) in sets {
            machine.insert(set, level);
        }
        let mut tree = Tree::default();
        machine.flatten(None, &mut tree.parts);
        tree
    }

    /// Takes `wanted` of the free CPUs. `unit` of them stay together on a core. Fewer come back only where fewer are free.
    pub(super) fn pick(&self, free: &CpuSet, wanted: usize, policy: Policy, unit: usize) -> CpuSet {
        let counts = self.parts.iter().map(|part| part.cpus.intersection_len(free));
        let picker = Picker {
            tree: self,
            counts: counts.collect(),
            free,
            policy,
            unit,
        };
        let mut chosen = CpuSet::new();
        if !self.parts.is_empty() {
            match policy {
                Policy::Packed | Policy::Balanced => picker.gather(0, wanted, &mut chosen),
                Policy::Spread => picker.spread(0, wanted, &mut chosen),
            }
        }
        chosen
    }
}

struct Picker<'a> {
    tree: &'a Tree,
    /// How many are free in each part.
    counts: Vec<usize>,
    free: &'a CpuSet,
    policy: Policy,
    unit: usize,
}

impl Picker<'_> {
    fn children(&self, at: usize) -> Vec<usize> {
        let mut children = Vec::new();
        let mut next = at + 1;
        while next < self.tree.parts[at].end {
            if self.counts[next] > 0 {
                children.push(next);
            }
            next = self.tree.parts[next].end;
        }
        children.sort_by_key(|child| (Reverse(self.counts[*child]), *child));
        children
    }

    /// The nearest part among these that has enough; of several the fullest one (balanced: the emptiest) in the fullest
    /// surroundings, and then the first, so that the choice is always the same.
    fn best(&self, among: impl Iterator<Item = usize>, wanted: usize) -> Option<usize> {
        among
            .filter(|at| self.counts[*at] >= wanted)
            .min_by(|one, other| self.compare(*one, *other))
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        let level = |at: usize| self.tree.parts[at].level;
        let free = |at: &usize| self.counts[*at];
        let up = |at: &usize| self.tree.parts[*at].parent;
        let around = |at: usize| std::iter::successors(Some(at), up).map(|at| free(&at));
        let fullest = || around(one).cmp(around(other));
        let by_free = || match self.policy {
            Policy::Packed | Policy::Spread => fullest(),
            Policy::Balanced => fullest().reverse(),
        };
        level(one)
            .cmp(&level(other))
            .then_with(by_free)
            .then(one.cmp(&other))
    }

    fn range(&self, at: usize) -> Range<usize> {
        at..self.tree.parts[at].end
    }

    /// All from one part where one has room; else the emptiest parts whole, until one has room for the rest.
    fn gather(&self, at: usize, wanted: usize, chosen: &mut CpuSet) {
        if wanted == 0 {
            return;
        }
        match self.best(self.range(at), wanted) {
            Some(home) if home != at => return self.gather(home, wanted, chosen),
            Some(_) | None => {}
        }
        let children = self.children(at);
        let mut left = wanted;
        for (number, child) in children.iter().enumerate() {
            let rest = children.iter().skip(number).flat_map(|child| self.range(*child));
            if let Some(home) = self.best(rest, left) {
                return self.gather(home, left, chosen);
            }
            chosen.add(&self.tree.parts[*child].cpus.intersection(self.free));
            left -= self.counts[*child];
        }
        self.rest(at, left, chosen);
    }

    /// A core's CPUs, or CPUs that no part names.
    fn rest(&self, at: usize, wanted: usize, chosen: &mut CpuSet) {
        let rest = self.tree.parts[at]
            .cpus
            .intersection(self.free)
            .difference(chosen);
        for cpu in rest.iter().take(wanted) {
            chosen.insert(cpu);
        }
    }

    /// The same number from each part, as far as they have them.
    fn spread(&self, at: usize, wanted: usize, chosen: &mut CpuSet) {
        let children = self.children(at);
        let mut shares = vec![0_usize; children.len()];
        let mut left = wanted;
        loop {
            let before = left;
            for (child, share) in children.iter().zip(&mut shares) {
                if left >= self.unit && *share + self.unit <= self.counts[*child] {
                    *share += self.unit;
                    left -= self.unit;
                }
            }
            if left == before {
                break;
            }
        }
        for (child, share) in children.iter().zip(shares) {
            if share > 0 {
                self.spread(*child, share, chosen);
            }
        }
        self.rest(at, left, chosen);
    }
}
