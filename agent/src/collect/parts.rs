//! Parts that can come and go while the machine runs, and what a change of them is called.

use std::collections::BTreeMap;

use facts::observation::Observation;
use facts::supply::SupplyState;
use facts::{Bytes, CpuSet, Identity, NumaNodeId};

/// The parts that one source names: kind and name, with who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    named: BTreeMap<(&'static str, String), String>,
    cpus: Option<CpuSet>,
    /// Memory of each NUMA node as it was last told.
    memory: Option<BTreeMap<NumaNodeId, Bytes>>,
    /// Power supplies of the node's own BMC, each as it was last known to be.
    supplies: BTreeMap<String, SupplyState>,
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
        let supplies = seen.bmc.iter().flat_map(|bmc| &bmc.supplies);
        Parts {
            named,
            cpus,
            memory,
            supplies: supplies
                .map(|supply| (supply.name.clone(), supply.state))
                .collect(),
        }
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
        changes.extend(self.supplies_since(before));
        changes
    }

    /// How supplies changed. One that the BMC does not list, or knows nothing of, was not seen: it stands as it was known last.
    fn supplies_since(&mut self, before: &Parts) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, was) in &before.supplies {
            let is = self.supplies.entry(name.clone()).or_insert(*was);
            match (*was, *is) {
                (was, SupplyState::Unknown) => *is = was,
                (SupplyState::Unknown, _) => {}
                (was, is) if was == is => {}
                (was, SupplyState::Absent) => {
                    changes.push((
                        VANISHED,
                        format!("power supply {name} vanished (was {})", state(was)),
                    ));
                }
                (SupplyState::Absent, is) => {
                    changes.push((APPEARED, format!("power supply {name} appeared ({})", state(is))));
                }
                (was, is) => {
                    let (was, is) = (state(was), state(is));
                    changes.push((CHANGED, format!("power supply {name} went from {was} to {is}")));
                }
            }
        }
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

fn state(state: SupplyState) -> &'static str {
    match state {
        SupplyState::Ok => "ok",
        SupplyState::Absent => "absent",
        SupplyState::Faulted => "faulted",
        SupplyState::InputLost => "input lost",
        SupplyState::Off => "off",
        SupplyState::Unknown => "unknown",
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
    use facts::NoData;
    use facts::Reading;
    use facts::inventory::NumaMemory;
    use facts::local_bmc::{LocalBmc, LocalSupply};

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
    fn supplied(states: &[(&str, SupplyState)]) -> Parts {
        let supplies = states.iter().map(|(name, state)| LocalSupply {
            name: (*name).to_owned(),
            state: *state,
            input_watts: Reading::none(NoData::Unsupported),
            rated_watts: Reading::none(NoData::Unsupported),
        });
        Parts::of(&Observation {
            bmc: Some(LocalBmc {
                supplies: supplies.collect(),
                ..LocalBmc::default()
            }),
            ..Observation::default()
        })
    }

    #[test]
    fn a_supply_that_fails_is_told_and_one_that_is_not_seen_is_not() {
        use SupplyState::{Absent, Faulted, InputLost, Ok, Unknown};
        let mut last = supplied(&[("PS1", Ok), ("PS2", Ok)]);
        let mut told = Vec::new();
        for states in [
            &[("PS1", Ok), ("PS2", InputLost)][..],
            &[("PS1", Unknown), ("PS2", InputLost)],
            &[("PS2", Faulted)],
            &[("PS1", Ok), ("PS2", Absent)],
            &[],
            &[("PS1", Faulted), ("PS2", Ok), ("PS3", Ok)],
        ] {
            let mut next = supplied(states);
            told.extend(next.since(&last));
            last = next;
        }
        let told: Vec<(&str, &str)> = told.iter().map(|(kind, words)| (*kind, words.as_str())).collect();
        assert_eq!(
            told,
            [
                ("part_changed", "power supply PS2 went from ok to input lost"),
                ("part_changed", "power supply PS2 went from input lost to faulted"),
                ("part_vanished", "power supply PS2 vanished (was faulted)"),
                ("part_changed", "power supply PS1 went from ok to faulted"),
                ("part_appeared", "power supply PS2 appeared (ok)"),
            ]
        );
    }
}
