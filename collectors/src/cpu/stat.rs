//! `/proc/stat` (proc_stat(5)): ticks of each CPU by mode, and what the kernel counts of itself. (procfs reads it too, but
//! forgets which CPU a line is of.)

use crate::columns;

/// The columns, in the kernel's order. `guest` and `guest_nice`, the last two, are counted in `user` and `nice` already.
pub(super) const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

/// All columns: the modes and the two guests'.
pub(super) const COLUMNS: usize = MODES.len() + 2;

/// The column of idle time.
pub(super) const IDLE: usize = 3;

/// The first columns, which every kernel has.
const FEWEST_COLUMNS: usize = 4;

/// The largest number of a CPU; as in the kernel's lists (`facts::CpuSet`).
const MOST_CPUS: u64 = 65_535;

/// Ticks a second in which the kernel tells these times (USER_HZ): 100 on every Linux architecture but Alpha, also on the machine
/// that a recorded tree comes from.
pub(super) const TICKS_A_SECOND: f64 = 100.0;

/// Ticks of one CPU.
pub(super) type Ticks = [u64; COLUMNS];

/// One CPU's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The CPU.
    pub(super) cpu: u32,
    /// Its ticks; columns that this kernel has not are 0.
    pub(super) ticks: Ticks,
}

/// What the kernel counts of itself since it booted; `None` where a line is missing or broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    /// `intr`: interrupts served.
    pub(super) interrupts: Option<u64>,
    /// `ctxt`: context switches.
    pub(super) context_switches: Option<u64>,
    /// `btime`: when it booted, in seconds since 1970.
    pub(super) booted_at: Option<u64>,
    /// `processes`: forks.
    pub(super) forks: Option<u64>,
    /// `procs_running`: tasks that run or could run.
    pub(super) running: Option<u64>,
    /// `procs_blocked`: tasks that wait for I/O.
    pub(super) blocked: Option<u64>,
}

/// Puts the `cpuN` lines into `lines`; `None` where there is none or one is broken.
pub(super) fn parse(text: &[u8], lines: &mut Vec<Line>) -> Option<Kernel> {
    lines.clear();
    let mut kernel = Kernel::default();
    for line in columns::lines(text) {
        if let Some(rest) = line.strip_prefix(b"cpu") {
            if !rest.starts_with(b" ") {
                lines.push(cpu(rest)?);
            }
            continue;
        }
        let mut words = columns::words(line);
        let place = match words.next() {
            Some(b"intr") => &mut kernel.interrupts,
            Some(b"ctxt") => &mut kernel.context_switches,
            Some(b"btime") => &mut kernel.booted_at,
            Some(b"processes") => &mut kernel.forks,
            Some(b"procs_running") => &mut kernel.running,
            Some(b"procs_blocked") => &mut kernel.blocked,
            _ => continue,
        };
        *place = words.next().and_then(columns::whole);
    }
    (!lines.is_empty()).then_some(kernel)
}

fn cpu(rest: &[u8]) -> Option<Line> {
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let (number, columns) = rest.split_at(end);
    let cpu = columns::whole(number).filter(|number| *number <= MOST_CPUS)?;
    let mut ticks = Ticks::default();
    let seen = columns::fill(&mut ticks, columns)?;
    (seen >= FEWEST_COLUMNS).then_some(Line {
        cpu: u32::try_from(cpu).ok()?,
        ticks,
    })
}

/// Seconds of ticks.
pub(super) fn seconds(ticks: u64) -> f64 {
    columns::float(ticks) / TICKS_A_SECOND
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sparse_machine_keeps_its_numbers() {
        let text = b"cpu  3 0 0 300\ncpu0 100 0 0 100\ncpu7 250 1 2 3 4 5 6 7 8 9 10\nintr 17 1 2\nctxt 5\nbtime x\n";
        let mut lines = Vec::new();
        let kernel = parse(text, &mut lines).unwrap();
        assert_eq!((kernel.interrupts, kernel.context_switches), (Some(17), Some(5)));
        assert_eq!((kernel.booted_at, kernel.forks), (None, None));
        let [first, last] = lines[..] else {
            unreachable!("{lines:?}")
        };
        assert_eq!((first.cpu, first.ticks[0], first.ticks[4]), (0, 100, 0));
        assert_eq!((last.cpu, last.ticks), (7, [250, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    }

    #[test]
    fn broken_lines_are_no_times() {
        for bad in [
            "",
            "cpu 1 2 3 4",
            "cpu0 1 2 3",
            "cpu0 1 2 x 4",
            "cpu0 1 2 -3 4",
            "cpu0 1 2 3 99999999999999999999",
            "cpux 1 2 3 4",
            "cpu4294967296 1 2 3 4",
            "cpu0",
        ] {
            assert_eq!(parse(bad.as_bytes(), &mut Vec::new()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_times_or_nothing(text in "(cpu[0-9]{0,12}[ 0-9]*\\n|(intr|ctxt) [0-9-]*\\n|\\PC*\\n){0,5}") {
            let mut lines = Vec::new();
            let parsed = parse(text.as_bytes(), &mut lines);
            prop_assert!(parsed.is_none() || !lines.is_empty());
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes, &mut Vec::new());
        }
    }
}
