//! Parts that can come and go while the machine runs, and what a change of them is called.

use std::collections::BTreeMap;

use facts::observation::Observation;
use facts::{Bytes, CpuSet, Identity, NumaNodeId};

/// The parts that one source names: kind and name, with who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    named: BTreeMap<(&'static str, String), String>,
    cpus: Option<CpuSet>,
    /// Memory of each NUMA node as it was last told.
    memory: Option<BTreeMap<NumaNodeId, Bytes>>,
}

/// One change: the kind of the event, and the sentence.
pub(super) type Change = (&'static str, String);

/// The smallest change of a NUMA node's memory that is told: the smallest memory block of the kernel. Balloons work in pages.
const LEAST_STEP: u64 = 16 << 20;

/// How a hwmon chip's sensors begin (`hwmon2/temp1`).
const HWMON: &str = "hwmon";

const APPEARED: &str = "part_appeared";
const VANISHED: &str = "part_vanished";
const CHANGED: &str = "part_changed";

impl Parts {
    /// The parts of an observation.
    pub(super) fn of(seen: &Observation) -> Parts {
        let mut named = BTreeMap::new();
        for drive in seen.drives.iter().flatten() {
            named.insert(("drive", drive.device.clone()), who(&drive.identity));
        }
        for nic in seen.nics.iter().flatten() {
            named.insert(("NIC", nic.device.clone()), nic.mac.clone().unwrap_or_default());
        }
        for gpu in seen.gpus.iter().flatten() {
            let place = gpu.pci.map(|pci| pci.to_string());
            let name = place.or_else(|| gpu.device.clone()).or_else(|| gpu.uuid.clone());
            named.insert(("GPU", name.unwrap_or_default()), who(&gpu.identity));
        }
        for zone in seen.power_zones.iter().flatten() {
            named.insert(("power zone", zone.device.clone()), zone.name.clone());
        }
        for sensor in seen.sensors.iter().flatten() {
            // A chip comes and goes with its device: a USB power meter, an NVMe drive, a supply on PMBus.
            let chip = sensor
                .device
                .split('/')
                .next()
                .filter(|chip| chip.starts_with(HWMON));
            if let Some(chip) = chip {
                named.insert(("sensor chip", chip.to_owned()), sensor.chip.clone());
            }
        }
        for place in seen.topology.iter().flat_map(|topology| &topology.pci) {
            named.insert(("PCI function", place.address.to_string()), place.id.clone());
        }
        let memory = seen.numa_memory.as_ref().map(|nodes| {
            let each = nodes.iter().map(|node| (node.numa_node, node.total_bytes));
            each.collect()
        });
        let cpus = seen
            .topology
            .as_ref()
            .map(|topology| topology.cpus.iter().map(|cpu| cpu.id).collect());
        Parts { named, cpus, memory }
    }

    /// What changed since `before`. Another part in the same place is a removal, then an insertion.
    pub(super) fn since(&mut self, before: &Parts) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, who) in &before.named {
            if self.named.get(key) != Some(who) {
                changes.push((VANISHED, sentence(key, who, "vanished")));
            }
        }
        for (key, who) in &self.named {
            if before.named.get(key) != Some(who) {
                changes.push((APPEARED, sentence(key, who, "appeared")));
            }
        }
        if let (Some(now), Some(then)) = (&self.cpus, &before.cpus) {
            let (gone, new) = (then.difference(now), now.difference(then));
            if !gone.is_empty() {
                changes.push((VANISHED, format!("CPUs {gone} vanished")));
            }
            if !new.is_empty() {
                changes.push((APPEARED, format!("CPUs {new} appeared")));
            }
        }
        changes.extend(self.memory_since(before));
        changes
    }

    /// How memory changed. What is too little to be told stands as it was told last, so that many small steps make a large one.
    fn memory_since(&mut self, before: &Parts) -> Vec<Change> {
        let mut changes = Vec::new();
        let (Some(now), Some(then)) = (&mut self.memory, &before.memory) else {
            return changes;
        };
        for (node, was) in then {
            if !now.contains_key(node) {
                changes.push((VANISHED, format!("memory of NUMA node {node} ({was}) vanished")));
            }
        }
        for (node, is) in now {
            let Some(was) = then.get(node) else {
                changes.push((APPEARED, format!("memory of NUMA node {node} ({is}) appeared")));
                continue;
            };
            if is.get().abs_diff(was.get()) < LEAST_STEP {
                *is = *was;
                continue;
            }
            let verb = if *is > *was { "grew" } else { "shrank" };
            changes.push((
                CHANGED,
                format!("memory of NUMA node {node} {verb} from {was} to {is}"),
            ));
        }
        changes
    }
}

fn who(identity: &Identity) -> String {
    let words: Vec<&str> = [&identity.maker, &identity.model, &identity.serial]
        .into_iter()
        .filter_map(|word| word.as_deref())
        .collect();
    words.join(" ")
}

fn sentence((kind, name): &(&'static str, String), who: &str, verb: &str) -> String {
    if who.is_empty() {
        format!("{kind} {name} {verb}")
    } else {
        format!("{kind} {name} ({who}) {verb}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use facts::inventory::NumaMemory;

    use super::*;

    fn with(mebibytes: &[u64]) -> Parts {
        let nodes = (0_u32..).zip(mebibytes).map(|(node, size)| NumaMemory {
            numa_node: NumaNodeId(node),
            total_bytes: Bytes::new(size << 20),
            free_bytes: Bytes::new(0),
        });
        Parts::of(&Observation {
            numa_memory: Some(nodes.collect()),
            ..Observation::default()
        })
    }

    #[test]
    fn memory_that_comes_is_told_and_a_balloon_that_breathes_is_not() {
        let mut last = with(&[512, 512]);
        let mut told = Vec::new();
        for sizes in [&[512, 510][..], &[512, 500], &[512, 490], &[512, 640], &[512]] {
            let mut next = with(sizes);
            told.extend(
                next.since(&last)
                    .into_iter()
                    .map(|(kind, message)| format!("{kind}: {message}")),
            );
            last = next;
        }
        let [shrank, grew, vanished] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert!(
            shrank.starts_with("part_changed: memory of NUMA node 1 shrank"),
            "{shrank}"
        );
        assert!(
            grew.starts_with("part_changed: memory of NUMA node 1 grew"),
            "{grew}"
        );
        assert!(
            vanished.starts_with("part_vanished: memory of NUMA node 1"),
            "{vanished}"
        );
    }
}
