//! All isolators, and the plan that they make together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use intent::Intent;

use crate::cdi::Cdi;
use crate::cgroup::{Cpu, Cpuset, Devices, Hugetlb, Io, Layout, Memory, Pids, Tree};
use crate::host::Host;
use crate::irq::Irq;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::resctrl::Resctrl;
use crate::step::Step;
use crate::workqueue::Workqueue;

/// The roster, in the order in which their steps of one phase are done: directories before the files in them.
pub fn roster(layout: &Layout) -> Vec<Box<dyn Isolator>> {
    vec![
        Box::new(Tree::new(layout)),
        Box::new(Cpuset::new(layout)),
        Box::new(Memory::new(layout)),
        Box::new(Cpu::new(layout)),
        Box::new(Io::new(layout)),
        Box::new(Pids::new(layout)),
        Box::new(Hugetlb::new(layout)),
        Box::new(Devices::new(layout)),
        Box::new(Cdi::new(layout)),
        Box::new(Resctrl::new(layout)),
        Box::new(Irq::new(layout)),
        Box::new(Workqueue::new(layout)),
    ]
}

/// The steps that are missing between the host as it is and the intent, in the order in which they are to be done.
///
/// # Errors
/// When the host cannot be read, or lacks what the intent needs.
pub fn plan(layout: &Layout, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
    plan_of(roster(layout), host, intent)
}

/// The same without what keeps the host clear of exclusive CPUs: enough for a workload that nobody runs in yet.
///
/// # Errors
/// As [`plan`].
pub fn plan_groups(
    layout: &Layout,
    host: &Host,
    intent: &Intent,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let mut isolators = roster(layout);
    isolators.retain(|isolator| !isolator.keeps_clear());
    plan_of(isolators, host, intent)
}

fn plan_of(
    isolators: Vec<Box<dyn Isolator>>,
    host: &Host,
    intent: &Intent,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let mut steps = Vec::new();
    let others = intent
        .isolations
        .iter()
        .any(|isolation| !isolation.is_written_by_us());
    let ours = others.then(|| intent.written_by_us());
    for isolator in isolators {
        let is_for = ours.as_ref().filter(|_| !isolator.keeps_clear());
        let missing = isolator.steps(host, is_for.unwrap_or(intent))?;
        tracing::trace!(
            isolator = isolator.name(),
            steps = missing.len(),
            "compared the host with the intent"
        );
        steps.extend(missing);
    }
    steps.sort_by_key(|(phase, _)| *phase);
    note_at_once(&mut steps);
    Ok(steps)
}

/// What several isolators note in one record is noted with the first of them: the record is written once, and still before
/// anything that it speaks of is changed.
fn note_at_once(steps: &mut Vec<(Phase, Step)>) {
    let mut noted: BTreeMap<PathBuf, (usize, BTreeMap<PathBuf, String>)> = BTreeMap::new();
    let mut kept = Vec::with_capacity(steps.len());
    for (phase, step) in steps.drain(..) {
        if let Step::Remember {
            record, originals, ..
        } = &step
        {
            if let Some((_, more)) = noted.get_mut(record) {
                more.extend(originals.clone());
                continue;
            }
            noted.insert(record.clone(), (kept.len(), BTreeMap::new()));
        }
        kept.push((phase, step));
    }
    for (at, more) in noted.into_values() {
        if let Some((_, Step::Remember { originals, .. })) = kept.get_mut(at) {
            originals.extend(more);
        }
    }
    *steps = kept;
}
