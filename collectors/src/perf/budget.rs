//! How many descriptors perf may hold: every counter is an open file, and a large machine wants thousands of them.

use std::fs;

use facts::NoData;
use facts::observation::Missing;

/// The most that the counters of CPUs may hold: six for each of 682 CPUs, some kilobytes of the kernel's memory each.
pub const MOST_FILES: usize = 4_096;
/// The most that the counters of workloads may hold: eight for each of 256 CPUs that workloads have.
pub const MOST_WORKLOAD_FILES: usize = 2_048;
/// What is left to everybody else in this process: 384 files that other sources keep open, sockets, cgroups, the ledger.
const LEFT_TO_OTHERS: usize = 640;
/// The kernel's limits of this process; perf counts on this machine alone, so it is no recorded one's.
const LIMITS: &str = "/proc/self/limits";
const MAX_OPEN_FILES: &str = "Max open files";
/// What a process may hold where the kernel does not say: the usual soft limit.
const USUAL_LIMIT: usize = 1_024;

/// Who is counted, and how much of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many of the wanted events, the first ones.
    pub events: usize,
    /// How many packages, the first ones; each is counted whole or not at all, for half a package's sum is a wrong number.
    pub packages: usize,
}

/// The soft limit of open files of this process.
pub fn soft_limit() -> usize {
    let text = fs::read_to_string(LIMITS).unwrap_or_default();
    limit_in(&text).unwrap_or(USUAL_LIMIT)
}

fn limit_in(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix(MAX_OPEN_FILES))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

/// How many more descriptors may be taken under this soft limit where `held` are taken, `most` in any case.
pub fn room(soft_limit: usize, held: usize, most: usize) -> usize {
    soft_limit
        .saturating_sub(LEFT_TO_OTHERS)
        .saturating_sub(held)
        .min(most)
}

/// Fits packages of so many CPUs into the room: all events, else the `vital` ones first, else as many packages as fit.
pub fn plan(packages: &[usize], events: usize, vital: usize, room: usize) -> Plan {
    let cpus: usize = packages.iter().sum();
    let whole = |events: usize| cpus.saturating_mul(events) <= room;
    let vital = vital.min(events);
    if whole(events) || whole(vital) {
        let events = if whole(events) { events } else { vital };
        return Plan {
            events,
            packages: packages.len(),
        };
    }
    let mut left = room;
    let fits = |cpus: &&usize| match left.checked_sub(cpus.saturating_mul(vital)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    Plan {
        events: vital,
        packages: packages.iter().take_while(fits).count(),
    }
}

impl Plan {
    /// What is left out, and why; `None` where nothing is.
    pub fn missing(
        self,
        packages: usize,
        events: &[&str],
        soft_limit: usize,
        room: usize,
    ) -> Option<Missing> {
        let left_out = events.get(self.events..).unwrap_or_default();
        if left_out.is_empty() && self.packages >= packages {
            return None;
        }
        let mut said = Vec::new();
        if !left_out.is_empty() {
            said.push(left_out.join(", "));
        }
        if self.packages < packages {
            said.push(format!("{} of {packages} packages", packages - self.packages));
        }
        Some(Missing {
            name: "perf/files".to_owned(),
            reason: NoData::Refused,
            message: format!(
                "not counted: {}. Each counter is an open file; of this process's {soft_limit} these may be {room}. Raise \
                 LimitNOFILE to have all",
                said.join("; "),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    fn planned(packages: &[usize], soft_limit: usize) -> Plan {
        plan(packages, 6, 3, room(soft_limit, 0, MOST_FILES))
    }

    #[test]
    fn a_large_machine_has_fewer_counters_under_a_small_limit() {
        let machine = [128, 128];
        let whole = Plan {
            events: 6,
            packages: 2,
        };
        assert_eq!(planned(&machine, 20_000), whole);
        assert_eq!(whole.missing(2, &NAMES, 20_000, 4_096), None);
        let vital = planned(&machine, 640 + 800);
        assert_eq!(vital, Plan { events: 3, ..whole });
        let one = planned(&machine, 1_024);
        assert_eq!(
            one,
            Plan {
                events: 3,
                packages: 1
            }
        );
        let said = one.missing(2, &NAMES, 1_024, 384).unwrap().message;
        assert!(
            said.contains("d, e, f; 1 of 2 packages") && said.contains("1024 these may be 384"),
            "{said}"
        );
        assert_eq!(planned(&machine, 256).packages, 0);
    }

    #[test]
    fn the_kernels_table_of_limits_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            20000                524288               files     \n";
        assert_eq!(limit_in(text), Some(20_000));
        assert_eq!(
            limit_in("Max open files  unlimited unlimited files"),
            Some(usize::MAX)
        );
        assert_eq!(limit_in(""), None);
        assert!(soft_limit() > 0);
    }

    proptest! {
        #[test]
        fn no_plan_holds_more_than_its_room(packages in proptest::collection::vec(0_usize..600, 0..16), room in 0_usize..5_000) {
            let plan = plan(&packages, 6, 3, room);
            let cpus: usize = packages.iter().take(plan.packages).sum();
            prop_assert!(cpus * plan.events <= room);
            prop_assert!(plan.packages <= packages.len());
        }
    }
}
