//! Which GPUs an offer holds: those that were named, or the nearest free ones.

use agent_api::v1::{Ask, GpuWish, OfferedGpu};
use facts::CpuSet;
use intent::DeviceKind;

use super::books::Books;
use super::machine::{GpuPlace, Machine};
use super::near::{far_from, named_gpus};
use super::{Refusal, Taken, reason};

/// The GPUs that an ask names; a count names none.
pub(super) fn named<'a>(
    ask: &Ask,
    machine: &'a Machine,
    books: &Books,
    taken: &[Taken],
) -> Result<Vec<&'a GpuPlace>, Refusal> {
    match &ask.gpus {
        Some(GpuWish::These(names)) => named_gpus(names, machine, books, taken),
        Some(GpuWish::Count(_)) | None => Ok(Vec::new()),
    }
}

/// The GPUs of an offer with these CPUs.
pub(super) fn offered(
    ask: &Ask,
    machine: &Machine,
    books: &Books,
    taken: &[Taken],
    cpus: &CpuSet,
    named: Vec<&GpuPlace>,
) -> Result<Vec<OfferedGpu>, Refusal> {
    let chosen = match &ask.gpus {
        Some(GpuWish::Count(count)) => {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            nearest(count, machine, books, taken, cpus)?
        }
        Some(GpuWish::These(_)) | None => named,
    };
    let offered = chosen.into_iter().map(|gpu| OfferedGpu {
        index: gpu.index,
        device: gpu.device.clone(),
        numa_node: gpu.numa_node,
    });
    Ok(offered.collect())
}

fn nearest<'a>(
    count: usize,
    machine: &'a Machine,
    books: &Books,
    taken: &[Taken],
    cpus: &CpuSet,
) -> Result<Vec<&'a GpuPlace>, Refusal> {
    let whole = machine
        .gpus
        .iter()
        .filter(|gpu| gpu.device.kind == DeviceKind::Gpu);
    let all = whole.clone().count();
    let mut free: Vec<&GpuPlace> = whole.filter(|gpu| !gpu.is_cut && books.is_free(gpu)).collect();
    if free.len() < count {
        let asked = reason::counted(count, "GPU");
        if all < count {
            return Err(Refusal::NotHere(format!("asked {asked}; this node has {all}")));
        }
        let held = |one: &Taken| {
            let names: Vec<String> = one.gpus.iter().map(|gpu| gpu.name()).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let holders = reason::holders(taken, held);
        return Err(Refusal::Shortfall(format!(
            "asked {asked}; {} free of {all} (GPUs that are cut into MIG devices are not free as a whole): {holders}",
            reason::is_are(free.len())
        )));
    }
    let touched = |cell: &usize| !machine.cells[*cell].cpus.is_disjoint(cpus);
    let cells: Vec<usize> = (0..machine.cells.len()).filter(touched).collect();
    let far = |gpu: &GpuPlace| {
        let name = agent_api::v1::Near::Gpu(gpu.index.to_string());
        let place = machine.devices.iter().find(|(known, _)| *known == name);
        let ways = place.map(|(_, locality)| cells.iter().map(|cell| far_from(machine, *cell, locality)));
        ways.and_then(Iterator::min).unwrap_or(0)
    };
    free.sort_by_key(|gpu| (far(gpu), gpu.index));
    free.truncate(count);
    Ok(free)
}
