//! A watcher beside the storm: reads, again and again, which CPUs each workload's cgroup asks for, and finds any that two hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::stand::of_kernel;

/// Names of workloads with exclusive CPUs begin so; of all others anyhow else.
pub const EXCLUSIVE: &str = "x-";

/// Between two looks: short against an operation, and the machine has more to do than to be watched.
const PAUSE: Duration = Duration::from_micros(300);

/// What a watcher saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// How often it looked.
    pub moments: usize,
    /// At how many of them some exclusive CPU was somebody else's too.
    pub shared: usize,
    /// The first of those.
    pub first: Option<String>,
}

/// A thread that looks until it is told to stop.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    looked: Arc<[AtomicUsize; 2]>,
    thread: JoinHandle<Seen>,
}

impl Watcher {
    /// Begins to look below these.
    pub fn start(roots: &[PathBuf]) -> Watcher {
        let stop = Arc::new(AtomicBool::new(false));
        let looked: Arc<[AtomicUsize; 2]> = Arc::default();
        let (told, roots, counts) = (Arc::clone(&stop), roots.to_vec(), Arc::clone(&looked));
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !told.load(Ordering::Relaxed) {
                look(&roots, &mut seen);
                for (count, now) in counts.iter().zip([seen.moments, seen.shared]) {
                    count.store(now, Ordering::Relaxed);
                }
                thread::sleep(PAUSE);
            }
            seen
        });
        Watcher { stop, looked, thread }
    }

    /// How often it has looked, and at how many of these moments a CPU had two holders.
    pub fn so_far(&self) -> [usize; 2] {
        [&self.looked[0], &self.looked[1]].map(|count| count.load(Ordering::Relaxed))
    }

    /// Stops it.
    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// One moment. The files are read one after the other, and a CPU may rightly go from one to another meanwhile: an overlap counts
/// where the first still has it after the second was read.
fn look(roots: &[PathBuf], seen: &mut Seen) {
    seen.moments += 1;
    let all: Vec<(String, BTreeSet<u32>)> = of_kernel(roots)
        .into_iter()
        .map(|(name, list)| (name, cpus(&list)))
        .collect();
    for (at, (name, held)) in all.iter().enumerate() {
        if !name.starts_with(EXCLUSIVE) {
            continue;
        }
        for (other, others) in all
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, one)| one)
        {
            if held.is_disjoint(others) {
                continue;
            }
            let still = now(roots, name);
            let both: Vec<String> = now(roots, other)
                .intersection(&still)
                .map(u32::to_string)
                .collect();
            if !both.is_empty() && still == now(roots, name) {
                seen.shared += 1;
                let what = || format!("CPUs {} of {name} and of {other}", both.join(","));
                seen.first.get_or_insert_with(what);
                return;
            }
        }
    }
}

fn now(roots: &[PathBuf], name: &str) -> BTreeSet<u32> {
    let read = |root: &PathBuf| fs::read_to_string(Path::new(root).join(name).join("cpuset.cpus")).ok();
    roots
        .iter()
        .find_map(read)
        .map_or_else(BTreeSet::new, |list| cpus(&list))
}

/// A list of CPUs as the kernel writes it: `0-3,8`.
fn cpus(list: &str) -> BTreeSet<u32> {
    let ranges = list.trim().split(',').filter(|range| !range.is_empty());
    ranges
        .flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse().unwrap_or(1)..=last.parse().unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_hold_is_found_and_what_is_shared_on_purpose_is_not() {
        let scratch = std::env::temp_dir().join(format!("busbar-watch-{}", std::process::id()));
        let put = |name: &str, list: &str| {
            let written = fs::create_dir_all(scratch.join(name))
                .and_then(|()| fs::write(scratch.join(name).join("cpuset.cpus"), list));
            assert!(written.is_ok(), "{written:?}");
        };
        put("x-1", "1-2\n");
        put("s-1", "0,3-5\n");
        put("s-2", "0,3-5\n");
        let mut seen = Seen::default();
        look(std::slice::from_ref(&scratch), &mut seen);
        assert_eq!((seen.moments, seen.shared), (1, 0), "{seen:?}");
        put("s-2", "2-5\n");
        look(std::slice::from_ref(&scratch), &mut seen);
        assert_eq!((seen.moments, seen.shared), (2, 1));
        assert_eq!(seen.first.as_deref(), Some("CPUs 2 of x-1 and of s-2"));
        assert!(fs::remove_dir_all(scratch).is_ok());
        assert!(cpus("\n").is_empty() && cpus("x").is_empty());
    }
}
