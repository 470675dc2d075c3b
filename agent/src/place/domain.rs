//! The machine as a tree of parts in parts: package, NUMA node, L3 cache, core. CPUs are taken from it.

use std::cmp::Reverse;

use facts::{CpuId, CpuSet, Inventory};

/// The cache level that divides a machine for placement.
const LAST_LEVEL: u32 = 3;

/// What a part is; the smaller, the nearer its CPUs are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Core,
    Cache,
    NumaNode,
    Package,
    Machine,
}

/// One part of the machine, and the parts in it that hold something free.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    level: Level,
    all: CpuSet,
    free: CpuSet,
    parts: Vec<Domain>,
}

/// The order in which parts are preferred that have room: the nearest level, the fullest part, in the fullest surroundings,
/// and then the lowest number, so that the choice is always the same.
type Key = (Level, usize, Vec<usize>, Option<CpuId>);

impl Domain {
    /// The whole machine with what is free in it. Parts that only overlap (no such machine was seen) are left out.
    pub(super) fn machine(inventory: &Inventory, free: &CpuSet) -> Domain {
        let whole = inventory.cpus.iter().map(|cpu| cpu.id).collect();
        let mut machine = Domain::new(Level::Machine, whole, free);
        let caches = inventory.caches.iter().filter(|cache| cache.level == LAST_LEVEL);
        let packages = inventory
            .packages
            .iter()
            .map(|package| (&package.cpus, Level::Package));
        let numa_nodes = inventory
            .numa_nodes
            .iter()
            .map(|numa_node| (&numa_node.cpus, Level::NumaNode));
        let caches = caches.map(|cache| (&cache.cpus, Level::Cache));
        let cores = inventory.cores.iter().map(|core| (&core.cpus, Level::Core));
        let mut sets: Vec<(&CpuSet, Level)> = packages.chain(numa_nodes).chain(caches).chain(cores).collect();
        sets.sort_by_key(|(set, level)| (Reverse(set.len()), set.first(), Reverse(*level)));
        for (set, level) in sets {
            machine.insert(set, level, free);
        }
        machine
    }

    fn new(level: Level, all: CpuSet, free: &CpuSet) -> Domain {
        Domain {
            level,
            free: all.intersection(free),
            all,
            parts: Vec::new(),
        }
    }

    fn insert(&mut self, set: &CpuSet, level: Level, free: &CpuSet) {
        if *set == self.all {
            // One set of CPUs under two names, a NUMA node that is a package: the nearer name counts.
            self.level = self.level.min(level);
        } else if set.is_subset(&self.all) && !set.is_disjoint(free) {
            if let Some(part) = self.parts.iter_mut().find(|part| set.is_subset(&part.all)) {
                part.insert(set, level, free);
            } else if self.parts.iter().all(|part| set.is_disjoint(&part.all)) {
                self.parts.push(Domain::new(level, set.clone(), free));
            }
        }
    }

    /// Takes `wanted` CPUs, of which there must be enough.
    pub(super) fn take(&self, wanted: usize) -> CpuSet {
        self.best(wanted, &[])
            .map_or_else(CpuSet::new, |(_, home)| home.spread(wanted))
    }

    /// The part to take them from, this one or one in it; `around` is how much is free around it, the nearest first.
    fn best(&self, wanted: usize, around: &[usize]) -> Option<(Key, &Domain)> {
        if self.free.len() < wanted {
            return None;
        }
        let around_parts: Vec<usize> = [self.free.len()]
            .into_iter()
            .chain(around.iter().copied())
            .collect();
        let inner = self
            .parts
            .iter()
            .filter_map(|part| part.best(wanted, &around_parts));
        let key = (self.level, self.free.len(), around.to_vec(), self.free.first());
        inner
            .chain([(key, self)])
            .min_by(|(one, _), (other, _)| one.cmp(other))
    }

    /// Takes them from this part, of which no single part has enough: the emptiest parts whole, until one has room for the rest.
    fn spread(&self, wanted: usize) -> CpuSet {
        let mut parts: Vec<&Domain> = self.parts.iter().collect();
        parts.sort_by_key(|part| (Reverse(part.free.len()), part.free.first()));
        let mut chosen = CpuSet::new();
        for (at, part) in parts.iter().enumerate() {
            let left = wanted - chosen.len();
            let rest = parts.iter().skip(at).filter_map(|part| part.best(left, &[]));
            if let Some((_, home)) = rest.min_by(|(one, _), (other, _)| one.cmp(other)) {
                return chosen.union(&home.spread(left));
            }
            chosen = chosen.union(&part.free);
        }
        // A core, or CPUs that no part names.
        let rest = self.free.difference(&chosen);
        let left = wanted - chosen.len();
        chosen.union(&rest.iter().take(left).collect())
    }
}
