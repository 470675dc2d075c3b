//! Parts that can come and go while the machine runs, and what a change of them is called.

use std::collections::BTreeMap;

use facts::observation::Observation;
use facts::{CpuSet, Identity};

/// The parts that one source names: kind and name, with who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    named: BTreeMap<(&'static str, String), String>,
    cpus: Option<CpuSet>,
}

/// One change: the kind of the event, and the sentence.
pub(super) type Change = (&'static str, String);

const APPEARED: &str = "part_appeared";
const VANISHED: &str = "part_vanished";

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
        let cpus = seen
            .topology
            .as_ref()
            .map(|topology| topology.cpus.iter().map(|cpu| cpu.id).collect());
        Parts { named, cpus }
    }

    /// What changed since `before`. Another part in the same place is a removal, then an insertion.
    pub(super) fn since(&self, before: &Parts) -> Vec<Change> {
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
