//! The verdict: what was seen, held against what was promised. Pure.

use agent_api::v1::{Control, Intruder, IntruderKind, Proof, Verdict, Vm, Workload};
use facts::{CpuSet, Moment};

use super::control::is_enforced;
use super::look::{Came, Owner};
use super::watch::{Seen, Visitor};

/// The most intruders of one list; the rest is counted.
const MOST_LISTED: usize = 50;
/// How many of them a sentence names.
const MOST_NAMED: usize = 4;
/// How many nanoseconds a microsecond has.
const NANOSECONDS: u64 = 1_000;
/// How the kernel names its workers that are bound to no CPU.
const UNBOUND_WORKER: &str = "kworker/u";

/// What the keeper says of one workload: asked before the watching and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The workload as it is in force.
    pub workload: Workload,
    /// Whether its CPUs shall be a partition of the kernel's.
    pub wants_partition: bool,
    /// Why they are none; empty where they shall be one.
    pub why_no_partition: String,
    /// The steps between the host and the intent, of this workload only.
    pub outstanding: Vec<String>,
}

/// Judges. `before` and `after` are what the keeper said; whatever was outstanding at either end is told.
pub fn judge(before: &Checked, after: &Checked, mut seen: Seen, at: Moment) -> Proof {
    let workload = &after.workload;
    seen.controls.extend(workload.vm.iter().flat_map(of_vm));
    let mut outstanding = before.outstanding.clone();
    outstanding.extend(after.outstanding.iter().cloned());
    outstanding.dedup();
    let (mut unavoidable, mut intruders) = (Vec::new(), Vec::new());
    if workload.exclusive {
        let tasks = seen
            .visitors
            .iter()
            .map(|visitor| of_task(visitor, &workload.cpus));
        let interrupts = seen.came.iter().map(|came| of_interrupt(came, &workload.cpus));
        let all: Vec<Intruder> = tasks.chain(interrupts).collect();
        (unavoidable, intruders) = all.into_iter().partition(|one| one.kind.is_unavoidable());
    }
    for list in [&mut intruders, &mut unavoidable] {
        longest_first(list);
    }
    let because = reasons(before, after, &seen, &outstanding, &intruders);
    let is_enforced = after.wants_partition && is_enforced(&seen.controls);
    let verdict = match (workload.exclusive, because.is_empty(), unavoidable.is_empty()) {
        (false, ..) => Verdict::Shared,
        (true, false, _) => Verdict::NotProven,
        (true, true, false) => Verdict::ProvenButKernel,
        (true, true, true) => Verdict::Proven,
    };
    let because = because
        .into_iter()
        .chain(caveats(after, &seen, is_enforced))
        .collect();
    let left_out = shortened(&mut intruders) + shortened(&mut unavoidable);
    Proof {
        id: workload.id.clone(),
        at,
        watched_milliseconds: u64::try_from(seen.watched.as_millis()).unwrap_or(u64::MAX),
        cpus: workload.cpus.clone(),
        verdict,
        because,
        is_enforced,
        witness: seen.witness,
        controls: seen.controls,
        outstanding,
        intruders,
        unavoidable,
        left_out,
        memory: seen.memory,
    }
}

/// What the kernel says of each virtual CPU's thread.
fn of_vm(vm: &Vm) -> impl Iterator<Item = Control> {
    vm.vcpus.iter().map(|vcpu| {
        let trouble = if vcpu.cpus == vcpu.wanted && vcpu.cpus.len() == 1 {
            String::new()
        } else {
            format!(
                "virtual CPU {} shall run on CPU {} alone",
                vcpu.index, vcpu.wanted
            )
        };
        Control {
            file: format!("/proc/{}/task/{}/status", vm.pid, vcpu.thread),
            says: format!("Cpus_allowed_list {} (virtual CPU {})", vcpu.cpus, vcpu.index),
            trouble,
        }
    })
}

/// Why it is not proven, a sentence each.
fn reasons(
    before: &Checked,
    after: &Checked,
    seen: &Seen,
    outstanding: &[String],
    intruders: &[Intruder],
) -> Vec<String> {
    let mut reasons = Vec::new();
    if before.workload.cpus != after.workload.cpus || before.workload.since != after.workload.since {
        reasons.push("it was placed anew while it was watched; watch again".to_owned());
    }
    if !outstanding.is_empty() {
        reasons.push(format!(
            "the host is not as the intent says: {}",
            outstanding.join("; ")
        ));
    }
    for control in seen.controls.iter().filter(|control| !control.trouble.is_empty()) {
        reasons.push(format!(
            "{} says {:?}: {}",
            control.file, control.says, control.trouble
        ));
    }
    if !intruders.is_empty() {
        let named: Vec<&str> = intruders
            .iter()
            .take(MOST_NAMED)
            .map(|one| one.name.as_str())
            .collect();
        let more = if intruders.len() > MOST_NAMED { ", …" } else { "" };
        reasons.push(format!(
            "{} others were there: {}{more}",
            intruders.len(),
            named.join(", ")
        ));
    }
    if seen.lost > 0 {
        reasons.push(format!(
            "{} records of the kernel were lost: who they were of is not known",
            seen.lost
        ));
    }
    if seen.is_cut {
        reasons.push("there were more threads than could be read: not all of them were seen".to_owned());
    }
    if seen.members == 0 {
        reasons.push("no process is in its cgroup: there is nobody to be alone".to_owned());
    }
    reasons
}

/// What the verdict does not say, a sentence each.
fn caveats(after: &Checked, seen: &Seen, is_enforced: bool) -> Vec<String> {
    let mut caveats = Vec::new();
    if after.workload.exclusive && !is_enforced {
        caveats.push(format!(
            "the kernel does not keep others off by itself, so this holds for the time that was watched and for no other: {}",
            after.why_no_partition
        ));
    }
    if !seen.why_polled.is_empty() {
        caveats.push(format!(
            "run times were read in the place of switches, so a short visit may have been missed: {}",
            seen.why_polled
        ));
    }
    caveats
}

fn longest_first(list: &mut [Intruder]) {
    list.sort_by(|one, other| {
        let weight = |of: &Intruder| (of.run_microseconds, of.times);
        weight(other)
            .cmp(&weight(one))
            .then_with(|| one.name.cmp(&other.name))
    });
}

/// Cuts; gives how many fell out.
fn shortened(list: &mut Vec<Intruder>) -> u32 {
    let over = list.len().saturating_sub(MOST_LISTED);
    list.truncate(MOST_LISTED);
    u32::try_from(over).unwrap_or(u32::MAX)
}

fn of_task(visitor: &Visitor, holder: &CpuSet) -> Intruder {
    let identity = &visitor.identity;
    let kind = match &identity.owner {
        Owner::Workload(_) => IntruderKind::Workload,
        Owner::Host | Owner::Holder if !identity.is_kernel => IntruderKind::HostProcess,
        Owner::Host | Owner::Holder if identity.is_bound && !identity.name.starts_with(UNBOUND_WORKER) => {
            IntruderKind::KernelBound
        }
        Owner::Host | Owner::Holder => IntruderKind::KernelMovable,
    };
    Intruder {
        kind,
        name: identity.name.clone(),
        tid: Some(visitor.tid),
        pid: Some(visitor.pid),
        cgroup: identity.cgroup.clone(),
        cpus: visitor.cpus.clone(),
        run_microseconds: Some(visitor.nanoseconds.div_ceil(NANOSECONDS)),
        times: None,
        advice: task_advice(kind, visitor, holder),
    }
}

fn task_advice(kind: IntruderKind, visitor: &Visitor, holder: &CpuSet) -> String {
    let identity = &visitor.identity;
    match kind {
        IntruderKind::KernelBound | IntruderKind::Interrupt | IntruderKind::InterruptBound => String::new(),
        IntruderKind::Workload => match &identity.owner {
            Owner::Workload(id) => {
                format!("it is workload {id}'s: busbar verify {id} says what is wrong there")
            }
            Owner::Host | Owner::Holder => String::new(),
        },
        IntruderKind::KernelMovable if identity.name.starts_with(UNBOUND_WORKER) => format!(
            "take CPUs {holder} out of /sys/devices/virtual/workqueue/cpumask, or start the kernel with isolcpus={holder}"
        ),
        IntruderKind::KernelMovable => match irq_of(&identity.name) {
            Some(number) => format!("write other CPUs to /proc/irq/{number}/smp_affinity_list"),
            None => format!("taskset -pc OTHER-CPUS {}", visitor.tid),
        },
        IntruderKind::HostProcess => {
            let unit = identity
                .cgroup
                .rsplit('/')
                .find(|part| part.ends_with(".service") || part.ends_with(".slice"));
            match unit {
                Some(unit) => format!("systemctl set-property {unit} AllowedCPUs=OTHER-CPUS"),
                None if visitor.tid == visitor.pid => format!("taskset -apc OTHER-CPUS {}", visitor.pid),
                None => format!("taskset -pc OTHER-CPUS {}", visitor.tid),
            }
        }
    }
}

/// `irq/36-virtio1` serves interrupt 36.
fn irq_of(name: &str) -> Option<u32> {
    let (number, _) = name.strip_prefix("irq/")?.split_once('-')?;
    number.parse().ok()
}

fn of_interrupt(came: &Came, holder: &CpuSet) -> Intruder {
    let kind = if came.is_bound {
        IntruderKind::InterruptBound
    } else {
        IntruderKind::Interrupt
    };
    let advice = match came.number.filter(|_| !came.is_bound) {
        Some(number) => format!(
            "write CPUs without {holder} to /proc/irq/{number}/smp_affinity_list, and ban {holder} for irqbalance where it runs"
        ),
        None => String::new(),
    };
    Intruder {
        kind,
        name: came.name.clone(),
        tid: None,
        pid: None,
        cgroup: String::new(),
        cpus: came.cpus.clone(),
        run_microseconds: None,
        times: Some(came.times),
        advice,
    }
}
