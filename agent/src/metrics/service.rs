//! Metrics of what the agent does: its intent, its sources, its workloads.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::v1::Exclusivity;
use facts::{Moment, SourceStatus};
use intent::{Actuator, Mode, Squeeze};

use super::draft::Draft;
use super::family as f;
use crate::view::{Seen, View};

/// The commit that the agent was built from, where the build names it.
const REVISION: Option<&str> = option_env!("BUSBAR_REVISION");

pub(super) fn seconds(moment: Moment) -> f64 {
    Duration::from_millis(moment.millis()).as_secs_f64()
}

pub(super) fn write_agent(draft: &mut Draft<'_>, view: &View) {
    let (about, kept) = (&view.about, &view.kept);
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let build = [env!("CARGO_PKG_VERSION"), REVISION.unwrap_or_default(), &target];
    draft.family(&f::BUILD_INFO).add(&build, Some(1_u64));
    draft.one(&f::AGENT_START, Some(seconds(about.started_at)));
    draft.one(&f::AGENT_GENERATION, Some(kept.generation.0));
    let steps = kept.plan.as_ref().ok().map(Vec::len);
    draft.one(&f::AGENT_CONVERGED, steps.map(|steps| steps == 0));
    let mut samples = draft.family(&f::ACTUATOR_MODE_INFO);
    for actuator in Actuator::ALL {
        samples.add(
            &[actuator.word(), about.actuators.of(actuator).word()],
            Some(1_u64),
        );
    }
    // The steps of a plan are all the actuator cpu's so far; the others plan nothing yet and are absent.
    let held_back = steps.filter(|_| about.actuators.of(Actuator::Cpu) != Mode::Enforce);
    draft
        .family(&f::WOULD_STEPS)
        .add(&[Actuator::Cpu.word()], held_back);
    draft.one(&f::OUTSTANDING_STEPS, steps);
    let cap = kept.power_cap.map(|cap| cap.watts.as_watts_f64());
    draft.one(&f::POWER_CAP, cap);
    let exclusive: usize = kept
        .workloads
        .iter()
        .filter(|workload| workload.exclusive)
        .map(|workload| workload.cpus.len())
        .sum();
    let is_known = !view.seen.inventory.cpus.is_empty();
    let mut samples = draft.family(&f::CPUS);
    for (use_, count) in [
        ("reserved", kept.reserved.len()),
        ("shared", kept.shared.len()),
        ("exclusive", exclusive),
    ] {
        samples.add(&[use_], is_known.then_some(count));
    }
}

pub(super) fn write_sources(draft: &mut Draft<'_>, seen: &Seen) {
    let sources = &seen.inventory.sources;
    let mut samples = draft.family(&f::SOURCE_UP);
    for source in sources {
        samples.add(&[&source.name], Some(source.status == SourceStatus::Ok));
    }
    let mut samples = draft.family(&f::SOURCE_STATUS_INFO);
    for source in sources {
        let reason = match &source.status {
            SourceStatus::Ok => "ok",
            SourceStatus::Pending => "pending",
            SourceStatus::Down { reason, .. } => reason.word(),
        };
        samples.add(&[&source.name, reason], Some(1_u64));
    }
    let mut samples = draft.family(&f::SOURCE_LAST_SUCCESS);
    for source in sources {
        samples.add(&[&source.name], source.last_success.map(seconds));
    }
    let mut samples = draft.family(&f::SOURCE_INTERVAL);
    for source in sources {
        samples.add(&[&source.name], source.interval_seconds);
    }
    let mut samples = draft.family(&f::SOURCE_DURATION);
    for source in sources {
        samples.add(&[&source.name], source.duration_seconds);
    }
    let mut samples = draft.family(&f::SOURCE_ERRORS);
    for ((source, reason), count) in &seen.errors {
        samples.add(&[source, reason.word()], Some(*count));
    }
    let mut samples = draft.family(&f::SOURCE_INVALID);
    for (source, count) in &seen.invalid {
        samples.add(&[source], Some(*count));
    }
    write_doubts(draft, seen);
}

/// How many doubts there are of each kind; what each says is in the facts.
fn write_doubts(draft: &mut Draft<'_>, seen: &Seen) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for doubt in &seen.inventory.doubts {
        *counts.entry(&doubt.code).or_default() += 1;
    }
    let mut samples = draft.family(&f::DOUBTS);
    for (code, count) in counts {
        samples.add(&[code], Some(count));
    }
}

pub(super) fn write_workloads(draft: &mut Draft<'_>, view: &View) {
    let workloads = &view.kept.workloads;
    let mut samples = draft.family(&f::WORKLOAD_INFO);
    for workload in workloads {
        let exclusivity = match workload.exclusivity {
            Exclusivity::Partition => "partition",
            Exclusivity::AmongBusbar => "among_busbar",
            Exclusivity::None => "none",
        };
        let (cpus, numa_nodes) = (workload.cpus.to_string(), workload.numa_nodes.to_string());
        samples.add(
            &[workload.id.as_str(), &cpus, &numa_nodes, exclusivity],
            Some(1_u64),
        );
    }
    let mut samples = draft.family(&f::WORKLOAD_CPUS);
    for workload in workloads {
        samples.add(&[workload.id.as_str()], Some(workload.cpus.len()));
    }
    let mut samples = draft.family(&f::WORKLOAD_MEMORY_LIMIT);
    for workload in workloads {
        samples.add(
            &[workload.id.as_str()],
            workload.memory_bytes.map(|bytes| bytes.get()),
        );
    }
    let mut samples = draft.family(&f::WORKLOAD_START);
    for workload in workloads {
        samples.add(&[workload.id.as_str()], Some(seconds(workload.since)));
    }
    let mut samples = draft.family(&f::WORKLOAD_UNCOUNTED);
    for workload in workloads.iter().filter(|workload| workload.uncounted.is_some()) {
        samples.add(&[workload.id.as_str()], Some(1_u64));
    }
    let mut samples = draft.family(&f::WORKLOAD_SQUEEZED);
    for workload in workloads {
        if let Some(squeezed) = &workload.squeezed {
            let to = match squeezed.to {
                Squeeze::CpuTime { .. } => "cpu_time",
                Squeeze::Still => "still",
            };
            samples.add(&[workload.id.as_str(), to], Some(1_u64));
        }
    }
}
