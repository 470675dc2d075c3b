//! Which CPUs there are, which are kept for the host, which are shared, which are free.

use std::collections::BTreeSet;

use facts::{CpuSet, Inventory};

use super::Taken;

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
    /// Sorts the CPUs. `reserved` is the configured set; `None` is the first core.
    pub fn of(inventory: &Inventory, taken: &[Taken], reserved: Option<&CpuSet>) -> Pool {
        let usable: CpuSet = inventory
            .cpus
            .iter()
            .filter(|cpu| cpu.usable)
            .map(|cpu| cpu.id)
            .collect();
        let usable = usable
            .difference(&inventory.offline_cpus)
            .difference(&inventory.disallowed_cpus);
        let lent = taken
            .iter()
            .fold(CpuSet::new(), |all, taken| all.union(&taken.cpus));
        let mut reserved = match reserved {
            Some(configured) => configured.intersection(&usable),
            None => first_core(inventory, &usable),
        };
        if reserved.is_empty() {
            // Nothing configured is usable: without one CPU kept, the shared pool could run empty.
            reserved = usable
                .difference(&lent)
                .first()
                .or(usable.first())
                .into_iter()
                .collect();
        }
        let shared = usable.difference(&lent);
        Pool {
            usable,
            reserved,
            shared,
        }
    }

    /// The CPUs that can be lent exclusively: neither reserved, nor lent, nor on a core of which an exclusive holder has a part.
    pub(super) fn free(&self, inventory: &Inventory, taken: &[Taken]) -> CpuSet {
        let lent = taken
            .iter()
            .fold(CpuSet::new(), |all, taken| all.union(&taken.cpus));
        let split: BTreeSet<_> = inventory
            .cores
            .iter()
            .filter(|core| !core.cpus.is_disjoint(&lent))
            .flat_map(|core| core.cpus.iter())
            .collect();
        let split: CpuSet = split.into_iter().collect();
        self.usable
            .difference(&self.reserved)
            .difference(&lent)
            .difference(&split)
    }
}

/// All CPUs of the core that holds the first CPU; only that CPU where the machine has no other core.
fn first_core(inventory: &Inventory, usable: &CpuSet) -> CpuSet {
    let Some(first) = usable.first() else {
        return CpuSet::new();
    };
    let alone: CpuSet = [first].into_iter().collect();
    let core = inventory.cores.iter().find(|core| core.cpus.contains(first));
    let whole = core.map_or(alone.clone(), |core| core.cpus.intersection(usable));
    if whole == *usable { alone } else { whole }
}
