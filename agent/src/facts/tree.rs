//! Packages, NUMA nodes and caches as they lie in each other, each core in the smallest thing around it.

use facts::topology::{Cache, CacheKind, Core, NumaNode, Package};
use facts::{Bytes, CpuSet, Inventory};

/// Caches from this level up are drawn as things that cores lie in; smaller ones are said beside the cores.
const DRAWN_CACHES: u32 = 3;

/// What a branch of the tree is.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// The machine, which holds everything.
    Machine,
    /// A package.
    Package(&'a Package),
    /// A NUMA node with CPUs near it.
    Numa(&'a NumaNode),
    /// A NUMA node beside another: memory of another kind, near the same CPUs.
    Beside(&'a NumaNode),
    /// A cache.
    Cache(&'a Cache),
}

/// One branch.
#[derive(Debug)]
pub struct Branch<'a> {
    /// What it is.
    pub what: What<'a>,
    /// The CPUs in it.
    pub cpus: CpuSet,
    /// What lies in it.
    pub branches: Vec<Branch<'a>>,
    /// Cores that lie in it and in no branch of it.
    pub cores: Vec<&'a Core>,
}

impl What<'_> {
    /// Of two things with the same CPUs the one with the smaller rank is around the other.
    fn rank(&self) -> u8 {
        match self {
            What::Machine => 0,
            What::Package(_) => 1,
            What::Numa(_) => 2,
            What::Cache(_) => 3,
            What::Beside(_) => 4,
        }
    }
}

/// The whole machine as a tree.
pub fn of(inventory: &Inventory) -> Branch<'_> {
    let everything: CpuSet = inventory.cpus.iter().map(|cpu| cpu.id).collect();
    let mut things: Vec<(What<'_>, CpuSet)> = Vec::new();
    for package in &inventory.packages {
        things.push((What::Package(package), package.cpus.clone()));
    }
    for node in &inventory.numa_nodes {
        let is_beside = things
            .iter()
            .any(|(what, cpus)| matches!(what, What::Numa(_)) && *cpus == node.cpus);
        let what = if is_beside {
            What::Beside(node)
        } else {
            What::Numa(node)
        };
        things.push((what, node.cpus.clone()));
    }
    let drawn = |cache: &&Cache| {
        cache.level >= DRAWN_CACHES && cache.kind != CacheKind::Instruction && !cache.cpus.is_empty()
    };
    for cache in inventory.caches.iter().filter(drawn) {
        things.push((What::Cache(cache), cache.cpus.clone()));
    }
    // From the outermost to the innermost, so that what is around a thing stands in the tree before it.
    things.sort_by_key(|(what, cpus)| (std::cmp::Reverse(cpus.len()), what.rank()));
    let mut machine = Branch::new(What::Machine, everything);
    for (what, cpus) in things {
        let home = machine.innermost(
            &cpus,
            if matches!(what, What::Beside(_)) {
                holds_memory
            } else {
                holds
            },
        );
        home.branches.push(Branch::new(what, cpus));
    }
    for core in &inventory.cores {
        machine.innermost(&core.cpus, holds).cores.push(core);
    }
    machine.sort();
    machine
}

impl<'a> Branch<'a> {
    fn new(what: What<'a>, cpus: CpuSet) -> Branch<'a> {
        Branch {
            what,
            cpus,
            branches: Vec::new(),
            cores: Vec::new(),
        }
    }

    /// The smallest branch that may hold something with these CPUs. What has no CPUs lies in the machine itself.
    fn innermost(&mut self, cpus: &CpuSet, holds: fn(&Branch<'_>, &CpuSet) -> bool) -> &mut Branch<'a> {
        let inside = self
            .branches
            .iter()
            .position(|branch| !cpus.is_empty() && cpus.is_subset(&branch.cpus) && holds(branch, cpus));
        match inside {
            Some(index) => self.branches[index].innermost(cpus, holds),
            None => self,
        }
    }

    /// In the order in which people count.
    fn sort(&mut self) {
        self.branches.sort_by_key(|branch| {
            let number = match branch.what {
                What::Package(package) => package.id.0,
                What::Numa(node) | What::Beside(node) => node.id.0,
                What::Cache(_) | What::Machine => 0,
            };
            (
                branch.cpus.is_empty(),
                branch.what.rank(),
                number,
                branch.cpus.first(),
            )
        });
        for branch in &mut self.branches {
            branch.sort();
        }
    }

    /// How it is built, so that alike things can be drawn once. Numbers and small differences of memory do not count.
    pub fn shape(&self) -> String {
        let own = match self.what {
            What::Machine => "machine".to_owned(),
            What::Package(package) => format!("package {:?}", package.identity.model),
            What::Numa(node) | What::Beside(node) => {
                format!("numa {} {}", node.memory_kind, node.memory_bytes.is_some())
            }
            What::Cache(cache) => format!("cache {} {:?}", cache.level, cache.size_bytes),
        };
        let cores: Vec<String> = self
            .cores
            .iter()
            .map(|core| format!("{}/{:?}", core.cpus.len(), core.kind))
            .collect();
        let branches: Vec<String> = self.branches.iter().map(Branch::shape).collect();
        format!("{own}({})[{}]", cores.join(" "), branches.join(" "))
    }

    /// NUMA nodes in it and below.
    pub fn numa_nodes(&self) -> Vec<&'a NumaNode> {
        let own = match self.what {
            What::Numa(node) | What::Beside(node) => Some(node),
            What::Machine | What::Package(_) | What::Cache(_) => None,
        };
        let below = self.branches.iter().flat_map(Branch::numa_nodes);
        own.into_iter().chain(below).collect()
    }

    /// All cores in it and below.
    pub fn all_cores(&self) -> Vec<&'a Core> {
        let below = self.branches.iter().flat_map(Branch::all_cores);
        let mut cores: Vec<&Core> = self.cores.iter().copied().chain(below).collect();
        cores.sort_by_key(|core| core.id);
        cores
    }
}

/// Memory that stands beside a NUMA node holds nothing.
fn holds(branch: &Branch<'_>, _cpus: &CpuSet) -> bool {
    !matches!(branch.what, What::Beside(_))
}

/// Memory of another kind stands beside the NUMA node with the same CPUs, not in it and not in its cache.
fn holds_memory(branch: &Branch<'_>, cpus: &CpuSet) -> bool {
    match branch.what {
        What::Machine | What::Package(_) => true,
        What::Numa(_) | What::Cache(_) => branch.cpus.len() > cpus.len(),
        What::Beside(_) => false,
    }
}

/// Memory of NUMA nodes as text: one amount, or from the smallest to the largest.
pub fn amounts(all: impl Iterator<Item = Option<Bytes>>) -> String {
    let mut known: Vec<Bytes> = all.flatten().collect();
    known.sort_unstable();
    match (known.first(), known.last()) {
        (Some(least), Some(most)) if least.to_string() != most.to_string() => format!("{least} to {most}"),
        (Some(amount), Some(_)) => amount.to_string(),
        _ => "no memory".to_owned(),
    }
}
