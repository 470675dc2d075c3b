//! One thread as procfs tells it: `/proc/TID/stat`, `schedstat`, `status` and `cgroup` (proc(5)). Pure.

use facts::CpuSet;
use isolators::task::Stat as Line;

/// A clock tick of procfs, in nanoseconds: `USER_HZ` is 100.
const TICK: u64 = 10_000_000;
/// Fields of `stat`, by their numbers in proc_pid_stat(5).
const UTIME: usize = 14;
const STIME: usize = 15;
const PROCESSOR: usize = 39;

/// What `/proc/TID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The thread's number.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Whether it is the kernel's.
    pub is_kernel: bool,
    /// User and system time, in nanoseconds, in steps of a clock tick.
    pub ran: u64,
    /// When it began, in clock ticks after boot: tells it from a later one of the same number.
    pub started: u64,
    /// The CPU on which it runs or last ran.
    pub cpu: u32,
}

/// Reads a `stat` file; `None` of what is none.
pub fn stat(text: &str) -> Option<Stat> {
    let line = Line::of(text)?;
    let ticks = line.number(UTIME)?.checked_add(line.number(STIME)?)?;
    Some(Stat {
        tid: line.pid,
        name: printable(line.name),
        is_kernel: line.is_kernels()?,
        ran: ticks.checked_mul(TICK)?,
        started: line.started()?,
        cpu: u32::try_from(line.number(PROCESSOR)?).ok()?,
    })
}

/// The first number of `schedstat`: nanoseconds on a CPU. `None` where the kernel does not count them.
pub fn schedstat(text: &str) -> Option<u64> {
    text.split_whitespace()
        .next()?
        .parse()
        .ok()
        .filter(|ran| *ran > 0)
}

/// What a line of `status` says.
pub fn status<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

/// Where a thread may run, from `status`.
pub fn allowed(text: &str) -> Option<CpuSet> {
    status(text, "Cpus_allowed_list")?.parse().ok()
}

/// The cgroup in the hierarchy that has cpusets: the line of the v1 controller, else that of v2.
pub fn cpuset_cgroup(text: &str) -> Option<&str> {
    let lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    let mut unified = None;
    for (controllers, path) in lines {
        if controllers.split(',').any(|one| one == "cpuset") {
            return Some(path);
        }
        if controllers.is_empty() {
            unified = Some(path);
        }
    }
    unified
}

/// Whether one of the cgroups of a `cgroup` file ends in this tail (`/busbar/web-1`) or stands below it.
pub fn is_in(text: &str, tail: &str) -> bool {
    text.lines().any(|line| {
        let path = line.splitn(3, ':').nth(2).unwrap_or_default();
        path.ends_with(tail) || path.contains(&format!("{tail}/"))
    })
}

/// A name without what a terminal would take for an order.
pub fn printable(name: &str) -> String {
    name.chars()
        .map(|character| if character.is_control() { '?' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KSOFTIRQD: &str = "22 (ksoftirqd/1) S 2 0 0 0 -1 69238848 0 0 0 0 0 15 0 0 20 0 1 0 9 0 0 18446744073709551615 \
                             0 0 0 0 0 0 0 2147483647 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";

    #[test]
    fn a_kernel_thread_is_read() {
        let expected = Stat {
            tid: 22,
            name: "ksoftirqd/1".to_owned(),
            is_kernel: true,
            ran: 150_000_000,
            started: 9,
            cpu: 1,
        };
        assert_eq!(stat(KSOFTIRQD), Some(expected));
        let odd = KSOFTIRQD.replace("ksoftirqd/1", "a) S (\u{1b}[2J");
        assert_eq!(stat(&odd).unwrap().name, "a) S (?[2J");
    }

    #[test]
    fn our_own_thread_is_read() {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/thread-self/{file}")).unwrap();
        let own = stat(&read("stat")).unwrap();
        assert!(!own.is_kernel && own.started > 0, "{own:?}");
        assert!(!allowed(&read("status")).unwrap().is_empty());
        assert!(cpuset_cgroup(&read("cgroup")).unwrap().starts_with('/'));
    }

    #[test]
    fn the_cgroup_of_the_cpuset_is_found_in_v1_and_in_v2() {
        let v1 = "9:name=systemd:/\n4:memory:/a\n3:cpu,cpuset:/busbar/web-1/sub\n0::/\n";
        assert_eq!(cpuset_cgroup(v1), Some("/busbar/web-1/sub"));
        assert_eq!(cpuset_cgroup("0::/busbar/web-1\n"), Some("/busbar/web-1"));
        assert!(is_in(v1, "/busbar/web-1") && !is_in(v1, "/busbar/web"));
        assert!(is_in("0::/x/busbar/web-1\n", "/busbar/web-1"));
        assert_eq!(cpuset_cgroup("nothing"), None);
    }

    #[test]
    fn what_the_kernel_does_not_count_is_no_zero() {
        assert_eq!(schedstat("0 0 0\n"), None);
        assert_eq!(schedstat("1333304 1607227 2\n"), Some(1_333_304));
    }
}
