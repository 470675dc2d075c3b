//! The books: what is promised to whom, and what is left of everything.

use std::collections::BTreeSet;

use facts::CpuSet;
use intent::DeviceWish;

use super::Taken;
use super::machine::{GpuPlace, Machine};

/// A whole in parts of a thousand.
const WHOLE: u16 = 1_000;

/// The CPUs of a node, sorted by what may be done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Those that can be used at all: online, and not kept away by a cpuset.
    pub usable: CpuSet,
    /// Those that are kept for the host and never lent exclusively. Never empty while any is usable.
    pub reserved: CpuSet,
    /// Those that nobody has exclusively, the reserved ones included.
    pub shared: CpuSet,
}

impl Pool {
    /// Sorts the CPUs of a machine.
    pub fn of(machine: &Machine, taken: &[Taken]) -> Pool {
        Pool::with(machine, &lent(taken))
    }

    fn with(machine: &Machine, lent: &CpuSet) -> Pool {
        // Our own partitions keep CPUs away from everybody, the agent included; what is ours to lend is usable.
        let mut usable = machine.lately.clone();
        usable.add(lent);
        usable = usable.intersection(&machine.listed);
        usable.add(&machine.allowed);
        let mut reserved = match &machine.configured {
            Some(configured) => configured.intersection(&usable),
            None => first_core(machine, &usable),
        };
        let shared = usable.difference(lent);
        if reserved.is_empty() {
            // Nothing configured is usable: without one CPU kept, the shared pool could run empty.
            reserved = shared.first().or(usable.first()).into_iter().collect();
        }
        Pool {
            usable,
            reserved,
            shared,
        }
    }
}

/// All CPUs of the core that holds the first CPU; only that CPU where the machine has no other core.
fn first_core(machine: &Machine, usable: &CpuSet) -> CpuSet {
    let Some(first) = usable.first() else {
        return CpuSet::new();
    };
    let alone: CpuSet = [first].into_iter().collect();
    let core = machine.cores.iter().find(|core| core.contains(first));
    let whole = core.map_or(alone.clone(), |core| core.intersection(usable));
    if whole == *usable { alone } else { whole }
}

fn lent(taken: &[Taken]) -> CpuSet {
    let mut all = CpuSet::new();
    taken.iter().for_each(|one| all.add(&one.cpus));
    all
}

/// What is left of everything.
#[derive(Clone, Debug)]
pub(super) struct Books {
    pub pool: Pool,
    /// CPUs that can be lent exclusively: neither reserved, nor lent, nor on a core of which an exclusive holder has a part.
    pub free: CpuSet,
    /// Of each NUMA node; `None` where nobody knows how much it has.
    pub memory: Vec<Option<u64>>,
    /// Of each pool of huge pages, in bytes.
    pub pages: Vec<u64>,
    /// Of each last-level cache, in parts of a thousand.
    pub l3: Vec<u16>,
    pub bandwidth: Vec<u16>,
    /// Of the power that may be promised, in milliwatts; `None` where nobody knows.
    pub milliwatts: Option<u64>,
    gpus: BTreeSet<String>,
    /// GPUs of which somebody holds a part.
    parts_of: BTreeSet<String>,
}

impl Books {
    pub(super) fn of(machine: &Machine, taken: &[Taken]) -> Books {
        let lent = lent(taken);
        let pool = Pool::with(machine, &lent);
        let mut free = pool.usable.difference(&pool.reserved);
        free.remove(&lent);
        for core in machine.cores.iter().filter(|core| !core.is_disjoint(&lent)) {
            free.remove(core);
        }
        if pool.shared.is_subset(&free) {
            // All that is reserved is lent or gone: one CPU stays for everybody else.
            free.remove(&pool.shared.first().into_iter().collect());
        }
        let mut books = Books {
            pool,
            free,
            memory: machine.numa.iter().map(|numa| numa.bytes).collect(),
            pages: machine.pools.iter().map(|pool| pool.total_bytes.get()).collect(),
            l3: vec![WHOLE; machine.caches.len()],
            bandwidth: vec![WHOLE; machine.caches.len()],
            milliwatts: machine.watts.map(|watts| watts.milliwatts()),
            gpus: BTreeSet::new(),
            parts_of: BTreeSet::new(),
        };
        taken.iter().for_each(|one| books.enter(machine, one));
        books
    }

    /// Of an empty machine: the most that it could ever give.
    pub(super) fn empty(machine: &Machine) -> Books {
        Books::of(machine, &[])
    }

    fn enter(&mut self, machine: &Machine, taken: &Taken) {
        for share in &taken.memory {
            let at = machine.numa_at(share.numa_node);
            if let Some(Some(left)) = at.and_then(|at| self.memory.get_mut(at)) {
                *left = left.saturating_sub(share.bytes.get());
            }
        }
        for share in &taken.hugepages {
            let same = |pool: &&facts::inventory::HugepagePool| {
                pool.numa_node == share.numa_node && pool.page_bytes == share.page_bytes
            };
            let at = machine.pools.iter().position(|pool| same(&pool));
            if let Some(left) = at.and_then(|at| self.pages.get_mut(at)) {
                *left = left.saturating_sub(share.bytes.get());
            }
        }
        for share in &taken.cache {
            // By its CPUs: a number may change when a cache comes or goes.
            let Some(at) = machine.caches.iter().position(|cpus| *cpus == share.cpus) else {
                continue;
            };
            let part = |share: Option<intent::Share>| share.map_or(0, intent::Share::get);
            self.l3[at] = self.l3[at].saturating_sub(part(share.l3_share));
            self.bandwidth[at] = self.bandwidth[at].saturating_sub(part(share.memory_bandwidth_share));
        }
        for gpu in &taken.gpus {
            self.gpus.insert(gpu.name());
            self.parts_of.extend(gpu.pci.map(|pci| pci.to_string()));
        }
        if let (Some(left), Some(watts)) = (&mut self.milliwatts, taken.watts) {
            *left = left.saturating_sub(watts.milliwatts());
        }
    }

    /// Whether nobody holds this GPU, nor a part of it, nor the whole that it is a part of.
    pub(super) fn is_free(&self, gpu: &GpuPlace) -> bool {
        let whole = gpu.device.kind == intent::DeviceKind::Gpu;
        let same_place = gpu
            .device
            .pci
            .is_some_and(|pci| self.parts_of.contains(&pci.to_string()));
        let is_held = self.gpus.contains(&gpu.device.name());
        !is_held && (!whole || !same_place)
    }
}

/// Who holds this GPU, or a part of it.
pub(super) fn holder_of<'a>(taken: &'a [Taken], gpu: &DeviceWish) -> Option<&'a Taken> {
    let same = |held: &DeviceWish| held.name() == gpu.name() || (held.pci.is_some() && held.pci == gpu.pci);
    taken.iter().find(|one| one.gpus.iter().any(same))
}
