//! All isolators, and the plan that they make together.

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
    let mut steps = Vec::new();
    let others = intent
        .isolations
        .iter()
        .any(|isolation| !isolation.is_written_by_us());
    let ours = others.then(|| intent.written_by_us());
    for isolator in roster(layout) {
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
    Ok(steps)
}
