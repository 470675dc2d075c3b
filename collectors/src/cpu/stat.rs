//! `/proc/stat`: CPU times by mode, summed over each NUMA node. (procfs reads it too, but forgets which CPU a line is of.)

use std::collections::BTreeMap;

use facts::power::CpuTimes;
use facts::{CpuId, NumaNodeId};

/// The columns, in the kernel's order. `guest` and `guest_nice`, which follow, are counted in `user` and `nice` already.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

/// The first columns, which every kernel has.
const FEWEST_MODES: usize = 4;

/// Ticks a second in which the kernel tells these times (USER_HZ). Whole hundredths, so seconds come from an exact integer.
const TICKS_A_SECOND: u32 = 100;

/// Ticks of one CPU by mode.
pub(super) type Ticks = [u64; MODES.len()];

/// The `cpuN` lines; `None` where there is none or one is broken.
pub(super) fn parse(text: &str) -> Option<BTreeMap<CpuId, Ticks>> {
    let mut times = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("cpu") else {
            continue;
        };
        let (number, columns) = rest.split_once(' ')?;
        if number.is_empty() {
            continue;
        }
        times.insert(CpuId(number.parse().ok()?), ticks(columns)?);
    }
    (!times.is_empty()).then_some(times)
}

fn ticks(columns: &str) -> Option<Ticks> {
    let mut ticks = Ticks::default();
    let mut seen = 0;
    for (place, column) in ticks.iter_mut().zip(columns.split_whitespace()) {
        *place = column.parse().ok()?;
        seen += 1;
    }
    (seen >= FEWEST_MODES).then_some(ticks)
}

/// Sums by NUMA node; one sum without a NUMA node for CPUs that are in none.
pub(super) fn per_numa_node(
    times: &BTreeMap<CpuId, Ticks>,
    nodes: &BTreeMap<CpuId, NumaNodeId>,
) -> Vec<CpuTimes> {
    let mut sums: BTreeMap<Option<NumaNodeId>, Ticks> = BTreeMap::new();
    for (cpu, ticks) in times {
        let sum = sums.entry(nodes.get(cpu).copied()).or_default();
        for (total, more) in sum.iter_mut().zip(ticks) {
            *total = total.saturating_add(*more);
        }
    }
    sums.into_iter()
        .map(|(numa_node, ticks)| CpuTimes {
            numa_node,
            seconds: MODES
                .iter()
                .zip(ticks)
                .map(|(mode, ticks)| ((*mode).to_owned(), seconds(ticks)))
                .collect(),
        })
        .collect()
}

/// Seconds of ticks, exact to a hundredth far beyond any uptime.
fn seconds(ticks: u64) -> f64 {
    let hertz = u64::from(TICKS_A_SECOND);
    let whole = std::time::Duration::from_secs(ticks / hertz);
    let rest = u32::try_from(ticks % hertz).unwrap_or(0);
    whole.as_secs_f64() + f64::from(rest) / f64::from(TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sparse_machine_keeps_its_numbers() {
        let text = "cpu  3 0 0 300\ncpu0 100 0 0 100\ncpu7 250 1 2 3 4 5 6 7 8 9\nintr 1\n";
        let nodes = BTreeMap::from([(CpuId(7), NumaNodeId(3))]);
        let sums = per_numa_node(&parse(text).unwrap(), &nodes);
        assert_eq!(sums.len(), 2);
        assert_eq!(sums[1].numa_node, Some(NumaNodeId(3)));
        assert_eq!(sums[1].seconds[0], ("user".to_owned(), 2.5));
        assert_eq!(sums[1].seconds[7], ("steal".to_owned(), 0.07));
    }

    #[test]
    fn broken_lines_are_no_times() {
        for bad in [
            "",
            "cpu 1 2 3 4",
            "cpu0 1 2 3",
            "cpu0 1 2 x 4",
            "cpux 1 2 3 4",
            "cpu0",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_times_or_nothing(text in "(cpu[0-9]{0,12}[ 0-9]*\\n|\\PC*\\n){0,5}") {
            if let Some(times) = parse(&text) {
                let _ = per_numa_node(&times, &BTreeMap::new());
            }
        }
    }
}
