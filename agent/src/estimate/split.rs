//! How the energy of one package is split: whole numbers, and every microjoule is somewhere.
//!
//! The package's energy is laid on the time of its CPUs. Idle time's part stays idle: an estimate, because an idle CPU draws less
//! than a working one, so busy parts are rather too small than too large. Of the busy part the workloads together have what their
//! CPU time is of all busy time; among them it is shared by cycles where all of them are counted, else by CPU time.

/// What one package and its CPUs did in a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Energy.
    pub microjoules: u64,
    /// Nanoseconds in which its CPUs worked.
    pub busy: u64,
    /// Nanoseconds in which they idled.
    pub idle: u64,
}

/// What one workload did there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Nanoseconds of CPU time.
    pub cpu: u64,
    /// Cycles, where they are counted.
    pub cycles: Option<u64>,
}

/// By what workloads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Their CPU time.
    CpuTime,
    /// Their cycles: who ran at a higher clock has more.
    Cycles,
}

impl Method {
    /// The word, as metrics show it.
    pub const fn word(self) -> &'static str {
        match self {
            Method::CpuTime => "cpu_time",
            Method::Cycles => "cycles",
        }
    }
}

/// The parts, in microjoules; all of them together are the package's energy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Of each workload, in the order in which they were given.
    pub parts: Vec<u64>,
    /// Of idle time.
    pub idle: u64,
    /// Of whatever else ran, and what rounding left.
    pub unattributed: u64,
    /// By what the workloads shared.
    pub method: Method,
}

/// Splits one package's energy.
pub fn split(package: Package, parts: &[Part]) -> Split {
    let claimed: u128 = parts.iter().map(|part| u128::from(part.cpu)).sum();
    // Two clocks measure: the workloads' own may be a little ahead of the CPUs'.
    let busy = u128::from(package.busy).max(claimed);
    let idle = share(
        package.microjoules,
        u128::from(package.idle),
        busy + u128::from(package.idle),
    );
    let at_work = package.microjoules - idle;
    let workloads = share(at_work, claimed, busy);
    let is_counted = |part: &&Part| part.cpu == 0 || part.cycles.is_some_and(|cycles| cycles > 0);
    let method = if claimed > 0 && parts.iter().filter(is_counted).count() == parts.len() {
        Method::Cycles
    } else {
        Method::CpuTime
    };
    let weight = |part: &Part| match method {
        Method::Cycles if part.cpu > 0 => part.cycles.unwrap_or(0),
        Method::Cycles => 0,
        Method::CpuTime => part.cpu,
    };
    let weights: u128 = parts.iter().map(|part| u128::from(weight(part))).sum();
    let parts: Vec<u64> = parts
        .iter()
        .map(|part| share(workloads, u128::from(weight(part)), weights))
        .collect();
    let given: u64 = parts.iter().sum();
    Split {
        parts,
        idle,
        unattributed: at_work - given,
        method,
    }
}

/// `whole * part / all`, rounded down; nothing of nothing. `part` is at most `all`, so the share is at most the whole.
fn share(whole: u64, part: u128, all: u128) -> u64 {
    // Times fit in 64 bits each, and so does their sum in 128 with the energy multiplied in, unless there are billions of parts.
    let product = u128::from(whole)
        .checked_mul(part)
        .and_then(|product| product.checked_div(all));
    product
        .and_then(|share| u64::try_from(share).ok())
        .map_or(0, |share| share.min(whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(cpu: u64, cycles: Option<u64>) -> Part {
        Part { cpu, cycles }
    }

    const PACKAGE: Package = Package {
        microjoules: 1_000,
        busy: 600,
        idle: 400,
    };

    #[test]
    fn time_decides_where_nothing_else_is_known() {
        let split = split(PACKAGE, &[part(300, None), part(100, None)]);
        assert_eq!(
            (split.parts, split.idle, split.unattributed),
            (vec![300, 100], 400, 200)
        );
        assert_eq!(split.method, Method::CpuTime);
    }

    #[test]
    fn cycles_decide_among_workloads_and_take_nothing_from_others() {
        let counted = split(
            PACKAGE,
            &[part(200, Some(100)), part(200, Some(300)), part(0, None)],
        );
        assert_eq!(
            (counted.parts, counted.idle, counted.unattributed),
            (vec![100, 300, 0], 400, 200)
        );
        assert_eq!(counted.method, Method::Cycles);
        let half_counted = split(PACKAGE, &[part(200, Some(100)), part(200, None)]);
        assert_eq!(
            (half_counted.parts, half_counted.method),
            (vec![200, 200], Method::CpuTime)
        );
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let still = Package {
            microjoules: 7,
            ..Package::default()
        };
        let nobody = split(still, &[]);
        assert_eq!((nobody.idle, nobody.unattributed), (0, 7));
        let idle = split(Package { idle: 5, ..still }, &[part(0, Some(0))]);
        assert_eq!((idle.idle, idle.parts), (7, vec![0]));
    }

    #[test]
    fn a_workloads_clock_that_runs_ahead_takes_no_more_than_there_is() {
        let split = split(PACKAGE, &[part(900, None)]);
        assert_eq!(split.parts.first(), Some(&split_whole(&split)));
        assert_eq!(split.unattributed, 0);
    }

    fn split_whole(split: &Split) -> u64 {
        PACKAGE.microjoules - split.idle
    }

    proptest! {
        #[test]
        fn every_microjoule_is_somewhere(
            microjoules: u64,
            busy: u64,
            idle: u64,
            parts in proptest::collection::vec((any::<u64>(), any::<Option<u64>>()), 0..70),
        ) {
            let parts: Vec<Part> = parts.into_iter().map(|(cpu, cycles)| part(cpu, cycles)).collect();
            let split = split(Package { microjoules, busy, idle }, &parts);
            let sum = split.parts.iter().map(|part| u128::from(*part)).sum::<u128>()
                + u128::from(split.idle)
                + u128::from(split.unattributed);
            prop_assert_eq!(sum, u128::from(microjoules));
        }

        #[test]
        fn who_did_nothing_has_nothing(microjoules: u64, busy: u64, cpu: u64, cycles: Option<u64>) {
            let package = Package { microjoules, busy, idle: 0 };
            let split = split(package, &[part(0, cycles), part(cpu, Some(1))]);
            prop_assert_eq!(split.parts.first(), Some(&0));
        }
    }
}
