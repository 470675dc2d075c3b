//! Virtual machines: each virtual CPU's thread on one CPU of its workload's, everything else of QEMU beside them.
//!
//! Which threads are virtual CPUs is QEMU's own word (QMP), asked by others; here it is held against the kernel's: the process
//! that answered must be in the workload, and each thread one of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agent_api::v1::{AgentEvent, Vcpu, Vm, VmRequest, Workload};
use facts::{CpuId, CpuSet, Moment};
use intent::{Intent, Isolation, WorkloadId};
use isolators::affinity::{Affinity, allowed, threads};
use isolators::cgroup::started;
use isolators::{Phase, Step};

use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::ledger::{Entry, Life, VmEntry};
use crate::vm::{Said, VcpuThread, monitor_path};

/// What is known of a virtual machine since the agent runs: the last word of its QEMU.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    said: Option<Said>,
    trouble: String,
}

/// Who runs where.
struct Pins {
    vcpus: BTreeMap<u32, CpuId>,
    emulator: CpuSet,
    /// Virtual CPUs for which there is no CPU.
    without: Vec<u32>,
}

impl Keeper {
    /// Takes what runs in a workload for a QEMU, and pins it.
    ///
    /// # Errors
    /// When there is no such workload, it has no CPUs of its own or fewer than the machine has virtual ones, who answered is not
    /// in it, the mode forbids it, or the kernel refused.
    pub fn make_vm(
        &mut self,
        id: &WorkloadId,
        request: &VmRequest,
        said: Said,
    ) -> Result<Workload, KeeperError> {
        let not_found = || KeeperError::NotFound(id.clone());
        let monitor = monitor_path(&request.monitor).map_err(KeeperError::BadAsk)?;
        let isolation = self.ledger.intent.of(id).cloned().ok_or_else(not_found)?;
        let entry = self.ledger.entry(id).ok_or_else(not_found)?;
        self.refuse_containers(id, "pinned")?;
        if !isolation.exclusive {
            return Err(KeeperError::Refused(format!(
                "workload {id} shares its CPUs, and they are moved as others come and go: no virtual CPU can be pinned to one of \
                 them; start it with --exclusive"
            )));
        }
        self.check_said(entry, &said)?;
        let (vcpus, cpus) = (said.vcpus.len(), isolation.cpus.len());
        if vcpus > cpus {
            return Err(KeeperError::Refused(format!(
                "the virtual machine has {vcpus} virtual CPUs and workload {id} {cpus} CPU{}: start QEMU with -smp {cpus}, or ask \
                 for {vcpus} with --cpus",
                if cpus == 1 { "" } else { "s" }
            )));
        }
        let pid = said.pid;
        let started = started(&self.host, pid).ok_or_else(not_found)?;
        let origin = entry.affinity.clone();
        let found = Affinity::of(&self.host, pid).map(|is| is.cpus);
        self.gate(&[])?;
        let before = self.ledger.clone();
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            entry.vm = Some(VmEntry {
                monitor: monitor.display().to_string(),
                pid,
                started,
            });
            let cpus = origin.clone().or_else(|| found.clone()).unwrap_or_default();
            if entry
                .found
                .iter()
                .all(|known| known.pid != pid || known.started != started)
            {
                entry.found.push(Affinity {
                    pid,
                    started,
                    cpus,
                    threads: BTreeMap::new(),
                });
            }
        }
        if let Err(error) = self.save() {
            self.ledger = before;
            return Err(error);
        }
        self.vms.insert(
            id.clone(),
            Known {
                said: Some(said),
                trouble: String::new(),
            },
        );
        self.pin(id)?;
        let entry = self.ledger.entry(id).ok_or_else(not_found)?;
        Ok(self.shown(entry, &isolation))
    }

    /// Takes note of what a QEMU says, or why it does not, and pins virtual CPUs that are new.
    pub fn saw_vm(&mut self, id: &WorkloadId, said: Result<Said, String>, now: Moment) -> Vec<AgentEvent> {
        let Some(entry) = self.ledger.entry(id).filter(|entry| entry.vm.is_some()) else {
            self.vms.remove(id);
            return Vec::new();
        };
        let checked = said.and_then(|said| {
            let came = self.check_said(entry, &said).map_err(|error| error.to_string());
            came.map(|()| said)
        });
        let known = self.vms.entry(id.clone()).or_default();
        let mut events = Vec::new();
        match checked {
            Err(trouble) => {
                if known.trouble != trouble {
                    events.push(event(now, "vm_not_asked", format!("workload {id}: {trouble}")));
                    known.trouble = trouble;
                }
                return events;
            }
            Ok(said) => {
                known.trouble.clear();
                if known.said.as_ref() == Some(&said) {
                    return events;
                }
                known.said = Some(said);
            }
        }
        if !self.gate_is_open() {
            return events;
        }
        match self.pin(id) {
            Ok(steps) if steps.is_empty() => {}
            Ok(steps) => {
                let texts: Vec<String> = steps.iter().map(Step::to_string).collect();
                events.push(event(
                    now,
                    "vm_pinned",
                    format!("workload {id}: {}", texts.join("; ")),
                ));
            }
            Err(error) => events.extend(self.trouble(now, format!("cannot pin workload {id}: {error}"))),
        }
        let without = self.pins_of(id).map(|pins| pins.without).unwrap_or_default();
        if !without.is_empty() {
            let message = format!("workload {id}: {}", too_few(&without));
            events.push(event(now, "vm_cpus_missing", message));
        }
        events
    }

    /// The steps that pin what is not pinned.
    pub(super) fn pins(&self, intent: &Intent) -> Vec<(Phase, Step)> {
        let running = self
            .ledger
            .workloads
            .iter()
            .filter(|entry| entry.life == Life::Running);
        let steps = running.filter_map(|entry| {
            let isolation = intent.of(&entry.id)?;
            self.wanted(entry, isolation)?.step(&self.host)
        });
        steps.map(|step| (Phase::Grant, step)).collect()
    }

    /// What `busbar` shows of it.
    pub(super) fn shown_vm(&self, entry: &Entry, isolation: &Isolation) -> Option<Vm> {
        let vm = entry.vm.as_ref()?;
        let known = self.vms.get(&entry.id);
        let said = known.and_then(|known| known.said.as_ref());
        let pins = said.map(|said| pins(isolation, &said.vcpus));
        let vcpus = said.into_iter().flat_map(|said| &said.vcpus);
        let vcpus = vcpus.map(|vcpu| Vcpu {
            index: vcpu.index,
            thread: vcpu.thread,
            wanted: pins.as_ref().map(|pins| pins.of(vcpu)).unwrap_or_default(),
            cpus: allowed(&self.host, vm.pid, vcpu.thread).unwrap_or_default(),
        });
        let mut trouble = known.map(|known| known.trouble.clone()).unwrap_or_default();
        if let Some(pins) = pins
            .as_ref()
            .filter(|pins| trouble.is_empty() && !pins.without.is_empty())
        {
            trouble = too_few(&pins.without);
        }
        Some(Vm {
            monitor: vm.monitor.clone(),
            pid: vm.pid,
            vcpus: vcpus.collect(),
            emulator: pins
                .as_ref()
                .map(|pins| pins.emulator.clone())
                .unwrap_or_default(),
            trouble,
        })
    }

    fn pin(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        let (Some(entry), Some(isolation)) = (self.ledger.entry(id), self.ledger.intent.of(id)) else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        let step = self
            .wanted(entry, isolation)
            .and_then(|wanted| wanted.step(&self.host));
        let steps: Vec<Step> = step.into_iter().collect();
        self.act(&steps)
    }

    fn wanted(&self, entry: &Entry, isolation: &Isolation) -> Option<Affinity> {
        let vm = entry.vm.as_ref()?;
        let said = self.vms.get(&entry.id)?.said.as_ref()?;
        let pins = pins(isolation, &said.vcpus);
        Some(Affinity {
            pid: vm.pid,
            started: vm.started,
            threads: said
                .vcpus
                .iter()
                .map(|vcpu| (vcpu.thread, pins.of(vcpu)))
                .collect(),
            cpus: pins.emulator,
        })
    }

    fn pins_of(&self, id: &WorkloadId) -> Option<Pins> {
        let said = self.vms.get(id)?.said.as_ref()?;
        Some(pins(self.ledger.intent.of(id)?, &said.vcpus))
    }

    /// Nobody outside of the workload is pinned, whatever somebody at a socket says.
    fn check_said(&self, entry: &Entry, said: &Said) -> Result<(), KeeperError> {
        let pid = said.pid;
        if !self.members(entry)?.contains(&pid) {
            return Err(KeeperError::Refused(format!(
                "process {pid}, which serves the monitor, is not in workload {}; expected its own QEMU (without -daemonize)",
                entry.id
            )));
        }
        if let Some(vm) = entry.vm.as_ref().filter(|vm| vm.pid != pid) {
            return Err(KeeperError::Refused(format!(
                "process {pid} serves the monitor now; expected process {}, which was pinned",
                vm.pid
            )));
        }
        let own: BTreeSet<u32> = threads(&self.host, pid).into_iter().collect();
        match said.vcpus.iter().find(|vcpu| !own.contains(&vcpu.thread)) {
            None => Ok(()),
            Some(vcpu) => Err(KeeperError::Refused(format!(
                "virtual CPU {} is said to be thread {}, which is none of process {pid}'s ({})",
                vcpu.index,
                vcpu.thread,
                Path::new("/proc").join(pid.to_string()).join("task").display()
            ))),
        }
    }
}

impl Pins {
    fn of(&self, vcpu: &VcpuThread) -> CpuSet {
        match self.vcpus.get(&vcpu.index) {
            Some(cpu) => [*cpu].into_iter().collect(),
            None => self.emulator.clone(),
        }
    }
}

/// One to one, in the order of the numbers. A number that is as high as there are CPUs (`maxcpus` leaves gaps) gets one that is
/// left; where none is left it runs beside the emulator. The emulator has the CPUs that no virtual one has, or else the first
/// one's: then one virtual CPU is disturbed, and always the same.
fn pins(isolation: &Isolation, all: &[VcpuThread]) -> Pins {
    let cpus: Vec<CpuId> = isolation.cpus.iter().collect();
    let at = |index: u32| usize::try_from(index).ok().and_then(|at| cpus.get(at)).copied();
    let mut vcpus: BTreeMap<u32, CpuId> = all
        .iter()
        .filter_map(|vcpu| Some((vcpu.index, at(vcpu.index)?)))
        .collect();
    let taken: BTreeSet<CpuId> = vcpus.values().copied().collect();
    let mut left = cpus.iter().copied().filter(|cpu| !taken.contains(cpu));
    let mut without = Vec::new();
    for vcpu in all.iter().filter(|vcpu| at(vcpu.index).is_none()) {
        match left.next() {
            Some(cpu) => {
                vcpus.insert(vcpu.index, cpu);
            }
            None => without.push(vcpu.index),
        }
    }
    let free: CpuSet = left.collect();
    let emulator = if free.is_empty() {
        cpus.first().copied().into_iter().collect()
    } else {
        free
    };
    Pins {
        vcpus,
        emulator,
        without,
    }
}

fn too_few(without: &[u32]) -> String {
    let names: Vec<String> = without.iter().map(u32::to_string).collect();
    format!(
        "there is no CPU of its own for virtual CPU {}: it runs beside the emulator; unplug it, or start it with more --cpus",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn placed(cpus: &str, indexes: &[u32]) -> (Vec<String>, String, Vec<u32>) {
        let isolation = Isolation::new("vm".parse().unwrap(), cpus.parse().unwrap(), "0".parse().unwrap());
        let all: Vec<VcpuThread> = indexes
            .iter()
            .map(|index| VcpuThread {
                index: *index,
                thread: 100 + index,
            })
            .collect();
        let pins = pins(&isolation, &all);
        let each = all.iter().map(|vcpu| format!("{}:{}", vcpu.index, pins.of(vcpu)));
        (each.collect(), pins.emulator.to_string(), pins.without)
    }

    #[test]
    fn one_to_one_and_the_emulator_beside_them() {
        assert_eq!(
            placed("2-3", &[0, 1]),
            (vec!["0:2".into(), "1:3".into()], "2".into(), vec![])
        );
        assert_eq!(
            placed("2-4", &[0, 1]),
            (vec!["0:2".into(), "1:3".into()], "4".into(), vec![])
        );
        // One that was plugged in with a high number gets what is left, and nobody else is moved.
        assert_eq!(
            placed("2-5", &[0, 1, 7]),
            (vec!["0:2".into(), "1:3".into(), "7:4".into()], "5".into(), vec![])
        );
        assert_eq!(
            placed("2-3", &[0, 1, 2]),
            (
                vec!["0:2".into(), "1:3".into(), "2:2".into()],
                "2".into(),
                vec![2]
            )
        );
    }
}
