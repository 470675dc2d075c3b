//! What an ask wants to be near, found on this machine, and how far each NUMA node is from it.

use std::collections::BTreeSet;

use agent_api::v1::{Ask, GpuWish, Near};

use super::books::{Books, holder_of};
use super::machine::{GpuPlace, Locality, Machine};
use super::{Refusal, Taken, drives};

/// How many names a refusal shows.
const MOST_NAMED: usize = 16;

/// Something to be near to, found.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub name: String,
    pub locality: &'a Locality,
}

/// What the ask wants to be near, the GPUs that it names among them.
pub(super) fn wanted<'a>(ask: &Ask, machine: &'a Machine) -> Result<Vec<Wanted<'a>>, Refusal> {
    let named: Vec<Near> = match &ask.gpus {
        Some(GpuWish::These(names)) => names.iter().map(|name| Near::Gpu(name.clone())).collect(),
        Some(GpuWish::Count(_)) | None => Vec::new(),
    };
    let mut named = named;
    let drives = ask
        .drives
        .iter()
        .filter_map(|name| drives::named(name, machine)?.device.device.clone());
    named.extend(drives.map(Near::Drive));
    let all: BTreeSet<&Near> = ask.near.iter().chain(&named).collect();
    let found = all.into_iter().map(|near| {
        let locality = find(near, machine)?;
        Ok(Wanted {
            name: near.to_string(),
            locality,
        })
    });
    found.collect()
}

fn find<'a>(near: &Near, machine: &'a Machine) -> Result<&'a Locality, Refusal> {
    let place = machine.devices.iter().find(|(known, _)| known == near);
    place.map(|(_, locality)| locality).ok_or_else(|| {
        let kind = near.to_string();
        let kind = kind.split(':').next().unwrap_or_default();
        let known: Vec<String> = machine
            .devices
            .iter()
            .map(|(known, _)| known.to_string())
            .collect();
        let same = known.iter().filter(|name| name.split(':').next() == Some(kind));
        let names: Vec<&str> = same.map(String::as_str).take(MOST_NAMED).collect();
        let has = if names.is_empty() {
            format!("no {kind} at all")
        } else {
            names.join(", ")
        };
        Refusal::NotHere(format!("there is no {near} on this node; it has {has}"))
    })
}

/// How far each cell is from all of it: 0 where it is at the same NUMA node; the distances beyond that, summed, elsewhere.
pub(super) fn far(machine: &Machine, wanted: &[Wanted<'_>]) -> Vec<u32> {
    let cells = 0..machine.cells.len();
    cells
        .map(|cell| {
            wanted
                .iter()
                .map(|one| far_from(machine, cell, one.locality))
                .sum()
        })
        .collect()
}

/// How far one cell is from one device. A device that nobody knows the place of is near everything.
pub(super) fn far_from(machine: &Machine, cell: usize, locality: &Locality) -> u32 {
    let here = machine.cells[cell].numa;
    let nodes = locality.numa_nodes.iter().filter_map(|id| machine.numa_at(*id));
    let near_cpus = !locality.cpus.is_empty() && !locality.cpus.is_disjoint(&machine.cells[cell].cpus);
    let mut nodes: Vec<usize> = nodes.collect();
    if nodes.is_empty() && locality.cpus.is_empty() {
        return 0;
    }
    if near_cpus && nodes.is_empty() || here.is_some_and(|here| nodes.contains(&here)) {
        return 0;
    }
    if nodes
        .iter()
        .all(|node| !machine.cells.iter().any(|cell| cell.numa == Some(*node)))
        && near_cpus
    {
        // Its NUMA node has no CPUs; the CPUs beside it are as near as any.
        return 0;
    }
    if nodes.is_empty() {
        let beside = machine
            .cells
            .iter()
            .filter(|cell| !cell.cpus.is_disjoint(&locality.cpus));
        nodes = beside.filter_map(|cell| cell.numa).collect();
    }
    let ways = nodes
        .iter()
        .filter_map(|node| here.map(|here| machine.distance(here, *node)));
    ways.min().unwrap_or(u32::from(u8::MAX))
}

/// Whether anybody knows where it is.
pub(super) fn is_known(locality: &Locality) -> bool {
    !locality.numa_nodes.is_empty() || !locality.cpus.is_empty()
}

/// The GPUs that an ask names, all of them free.
pub(super) fn named_gpus<'a>(
    names: &[String],
    machine: &'a Machine,
    books: &Books,
    taken: &[Taken],
) -> Result<Vec<&'a GpuPlace>, Refusal> {
    let mut chosen: Vec<&GpuPlace> = Vec::new();
    for name in names {
        let same = |gpu: &&GpuPlace| {
            let by_number = gpu.device.kind == intent::DeviceKind::Gpu && gpu.index.to_string() == *name;
            by_number || gpu.device.uuid.as_deref() == Some(name)
        };
        let Some(gpu) = machine.gpus.iter().find(same) else {
            return Err(find(&Near::Gpu(name.clone()), machine)
                .err()
                .unwrap_or(Refusal::Unknown));
        };
        if gpu.is_cut {
            let parts = machine
                .gpus
                .iter()
                .filter(|part| part.index == gpu.index && *part != gpu);
            let parts: Vec<String> = parts.map(|part| part.device.name()).collect();
            return Err(Refusal::NotHere(format!(
                "GPU {name} is cut into MIG devices and cannot be held whole; ask for one of them: {}",
                parts.join(", ")
            )));
        }
        if !books.is_free(gpu) {
            let holder = holder_of(taken, &gpu.device).map(|one| one.workload.to_string());
            return Err(Refusal::Shortfall(format!(
                "GPU {name} is held by {}; ask for another one, or end that workload",
                holder.unwrap_or_default()
            )));
        }
        if chosen.iter().any(|other| other.device == gpu.device) {
            return Err(Refusal::BadAsk(format!(
                "GPU {name} is asked twice under two names; name it once"
            )));
        }
        chosen.push(gpu);
    }
    Ok(chosen)
}
