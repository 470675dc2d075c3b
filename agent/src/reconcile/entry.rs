//! What is written down of a workload that begins: its isolation from the offer, and the entry of the ledger.

use agent_api::v1::{Ask, Exclusivity, Near, Offer, RunRequest};
use facts::{CpuSet, Moment};
use intent::{DeviceWish, Isolation, WorkloadId};
use isolators::cgroup::Origin;

use crate::ledger::{Entry, Life};

/// How much of a command's first word is kept.
const LONGEST_COMMAND: usize = 200;

/// The process that asks, or for which is asked.
pub(super) struct Asker {
    pub(super) pid: u32,
    pub(super) started: u64,
    pub(super) uid: u32,
    pub(super) affinity: Option<CpuSet>,
}

pub(super) fn isolation_of(id: &WorkloadId, ask: &Ask, offer: &Offer) -> Isolation {
    let drives = offer.drives.iter().map(|drive| &drive.device);
    let devices: Vec<DeviceWish> = offer
        .gpus
        .iter()
        .map(|gpu| &gpu.device)
        .chain(drives)
        .cloned()
        .collect();
    let nics = ask.near.iter().filter_map(|near| match near {
        Near::Nic(name) => Some(name.clone()),
        Near::Gpu(_) | Near::Drive(_) | Near::Pci(_) => None,
    });
    let nics: Vec<String> = nics.collect();
    Isolation {
        exclusive: ask.exclusive,
        memory_max: ask.memory_bytes,
        // Whoever has CPUs exclusively may use them wholly; whoever shares gets the time of as many as asked.
        cpu_time_max: (!ask.exclusive).then_some(ask.cpus),
        memory_on: some(&offer.memory),
        hugepages: some(&offer.hugepages),
        devices: some(&devices),
        nics: some(&nics),
        cache: some(&offer.cache),
        watts: offer.watts,
        priority: ask.priority,
        revocable: ask.revocable.then_some(true),
        immovable: ask.immovable.then_some(true),
        ..Isolation::new(id.clone(), offer.cpus.clone(), offer.numa_nodes.clone())
    }
}

/// A list that holds something.
fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

pub(super) fn entry_of(
    id: &WorkloadId,
    request: &RunRequest,
    asker: &Asker,
    origins: Vec<Origin>,
    now: Moment,
) -> Entry {
    Entry {
        id: id.clone(),
        life: Life::Starting,
        command: request.command.chars().take(LONGEST_COMMAND).collect(),
        uid: asker.uid,
        pid: asker.pid,
        pid_started: asker.started,
        since: now,
        origins,
        exclusivity: Exclusivity::None,
        refused: String::new(),
        steps: Vec::new(),
        ask: Some(Box::new(request.ask.clone())),
        affinity: asker.affinity.clone(),
        found: Vec::new(),
        vm: None,
        adopted: false,
        container: None,
        asked_to_end: false,
        moving: None,
    }
}
