//! What a container was given, in the runtime's words. Pure.

use super::message::{
    Container as Told, ContainerUpdate, LinuxContainerUpdate, LinuxCpu, LinuxMemory, LinuxResources,
    OptionalInt64, OptionalUInt64,
};
use crate::reconcile::Given;

/// The kernel's usual period of `cpu.max`, in microseconds.
const PERIOD: u32 = 100_000;

/// What a container that is being created is to have. Limits of its own that are lower stay.
pub(super) fn resources(given: &Given, told: &Told) -> LinuxResources {
    let had = told.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    let quota = had
        .and_then(|had| had.cpu.as_ref()?.quota.as_ref())
        .filter(|quota| quota.value > 0);
    let time = given.cpu_time_max.filter(|_| quota.is_none());
    let memory = had
        .and_then(|had| had.memory.as_ref()?.limit.as_ref())
        .map(|limit| limit.value)
        .filter(|limit| *limit > 0);
    let most = given.memory_max.and_then(|most| i64::try_from(most.get()).ok());
    let most = most.filter(|most| memory.is_none_or(|memory| *most < memory));
    LinuxResources {
        memory: most.map(|value| LinuxMemory {
            limit: Some(OptionalInt64 { value }),
        }),
        cpu: Some(LinuxCpu {
            quota: time.map(|cpus| OptionalInt64 {
                value: i64::from(cpus) * i64::from(PERIOD),
            }),
            period: time.map(|_| OptionalUInt64 {
                value: u64::from(PERIOD),
            }),
            cpus: given.cpus.to_string(),
            mems: given.numa_nodes.to_string(),
        }),
    }
}

pub(super) fn update_of(given: &Given) -> ContainerUpdate {
    ContainerUpdate {
        container_id: given.container.clone(),
        linux: Some(LinuxContainerUpdate {
            resources: Some(LinuxResources {
                memory: None,
                cpu: Some(LinuxCpu {
                    cpus: given.cpus.to_string(),
                    mems: given.numa_nodes.to_string(),
                    ..LinuxCpu::default()
                }),
            }),
        }),
        // One that ends meanwhile must not take another's start with it.
        ignore_failure: true,
    }
}

/// Whether the runtime has written down for a container what it was given, and the kernel has it too.
pub(super) fn has(told: &Told, given: &Given) -> bool {
    let cpu = told
        .linux
        .as_ref()
        .and_then(|linux| linux.resources.as_ref()?.cpu.as_ref());
    given.differs.is_empty() && cpu.is_some_and(|cpu| cpu.cpus.parse().ok() == Some(given.cpus.clone()))
}

/// Whether a change leaves a container where it is.
pub(super) fn allows(resources: Option<&LinuxResources>, given: &Given) -> bool {
    let Some(cpu) = resources.and_then(|resources| resources.cpu.as_ref()) else {
        return true;
    };
    let cpus = cpu.cpus.is_empty() || cpu.cpus.parse().ok() == Some(given.cpus.clone());
    cpus && (cpu.mems.is_empty() || cpu.mems.parse().ok() == Some(given.numa_nodes.clone()))
}
