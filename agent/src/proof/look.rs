//! Reads what a proof needs of a host: its tasks, its interrupts, the files of a cgroup. Bounded, and changes nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use agent_api::v1::{Control, MemoryPlaces, NumaBytes};
use collectors::Root;
use collectors::perf::switches::Task;
use facts::{Bytes, CpuId, CpuSet};
use intent::WorkloadId;

use super::cast::Polled;
use super::control::{FILES, PARTITION, read_above, read_back};
use super::interrupts::{Counts, between, table};
use super::places::{Places, add_maps, legacy, unified};
use super::task::{allowed, cpuset_cgroup, is_in, schedstat, stat};
use super::watch::Subject;

/// The most threads of one round of reading: the kernel's own default of `threads-max` on a machine of 16 GiB.
const MOST_TASKS: usize = 131_072;
/// How deep a workload's cgroups are looked through: a container's stands one below, with an init system some more.
const DEEPEST: usize = 5;
/// About how many of them: each is some reads.
const MOST_CGROUPS: usize = 256;
/// The longest that one round may take.
const LONGEST_ROUND: Duration = Duration::from_secs(5);
/// The most processes whose `numa_maps` are read: the kernel walks all their pages for that.
const MOST_MAPS: usize = 64;
/// What the files of a workload's cgroup say is shown up to here.
const LONGEST_SHOWN: usize = 400;

/// Whose a thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The workload's that is proven.
    Holder,
    /// Another one's of Busbar's.
    Workload(WorkloadId),
    /// The host's.
    Host,
}

/// Who a thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Whether it is the kernel's.
    pub is_kernel: bool,
    /// Whether it may run on one CPU only.
    pub is_bound: bool,
    /// Its cgroup, where it is known.
    pub cgroup: String,
    /// Whose it is.
    pub owner: Owner,
}

/// An interrupt that came on the workload's CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// Its name and what the kernel says of it.
    pub name: String,
    /// Its number, where it is a device's.
    pub number: Option<u32>,
    /// Where.
    pub cpus: CpuSet,
    /// How many times.
    pub times: u64,
    /// Whether it belongs to these CPUs.
    pub is_bound: bool,
}

/// All threads once; `false` where it was given up before the last.
pub(super) fn round(root: &Root) -> (Vec<Polled>, bool) {
    let begin = Instant::now();
    let mut found = Vec::new();
    for pid in numbers(root, "proc") {
        for tid in numbers(root, &format!("proc/{pid}/task")) {
            if found.len() >= MOST_TASKS || begin.elapsed() > LONGEST_ROUND {
                return (found, false);
            }
            let dir = format!("proc/{pid}/task/{tid}");
            // A thread that ends while it is read is no thread any more.
            let Some(told) = root
                .read(&format!("{dir}/stat"))
                .ok()
                .and_then(|text| stat(&text))
            else {
                continue;
            };
            let exact = root.read(&format!("{dir}/schedstat")).ok();
            found.push(Polled {
                task: Task { pid, tid },
                cpu: CpuId(told.cpu),
                ran: exact.and_then(|text| schedstat(&text)).unwrap_or(told.ran),
                started: told.started,
            });
        }
    }
    (found, true)
}

fn numbers(root: &Root, dir: &str) -> Vec<u32> {
    let names = root.list(dir).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// Who a thread is; `None` of one that has ended.
pub(super) fn identity(root: &Root, subject: &Subject, tid: u32) -> Option<Identity> {
    let read = |file: &str| root.read(&format!("proc/{tid}/{file}")).ok();
    let told = stat(&read("stat")?)?;
    let cgroups = read("cgroup").unwrap_or_default();
    let other = subject.others.iter().find(|(_, tail)| is_in(&cgroups, tail));
    let owner = if is_in(&cgroups, &subject.tail) {
        Owner::Holder
    } else {
        other.map_or(Owner::Host, |(id, _)| Owner::Workload(id.clone()))
    };
    let may_run = read("status").and_then(|text| allowed(&text));
    Some(Identity {
        is_bound: may_run.is_some_and(|cpus| cpus.len() == 1),
        name: told.name,
        is_kernel: told.is_kernel,
        cgroup: cpuset_cgroup(&cgroups).unwrap_or_default().to_owned(),
        owner,
    })
}

/// Interrupts and soft interrupts by CPU, as they stand now.
pub(super) fn interrupts(root: &Root, cpus: &CpuSet) -> [Counts; 2] {
    ["proc/interrupts", "proc/softirqs"].map(|file| table(&root.read(file).unwrap_or_default(), cpus))
}

/// What came between two readings.
pub(super) fn came(root: &Root, cpus: &CpuSet, before: &[Counts; 2], after: &[Counts; 2]) -> Vec<Came> {
    let [hard, soft] = [0, 1].map(|at: usize| match (before.get(at), after.get(at)) {
        (Some(before), Some(after)) => between(before, after),
        _ => Default::default(),
    });
    let hard = hard.into_iter().map(|(name, (on, times, about))| {
        let number: Option<u32> = name.parse().ok();
        let affinity = number.and_then(|number| {
            let file = format!("proc/irq/{number}/smp_affinity_list");
            root.read(&file).ok()?.parse::<CpuSet>().ok()
        });
        Came {
            // One without a number is the kernel's own, and each CPU has its own.
            is_bound: number.is_none() || affinity.is_some_and(|affinity| affinity.is_subset(cpus)),
            name: format!("{name} {about}").trim_end().to_owned(),
            number,
            cpus: on,
            times,
        }
    });
    let soft = soft.into_iter().map(|(name, (on, times, _))| Came {
        name: format!("softirq {name}"),
        number: None,
        cpus: on,
        times,
        is_bound: true,
    });
    hard.chain(soft).collect()
}

/// The workload's files as they say now.
pub(super) fn controls(root: &Root, subject: &Subject) -> Vec<Control> {
    let mut controls: Vec<Control> = Vec::new();
    for dir in &subject.cgroups {
        for file in FILES {
            let path = format!("{}/{file}", dir.trim_start_matches('/'));
            if let Ok(says) = root.read(&path) {
                let says = says.chars().take(LONGEST_SHOWN).collect();
                controls.push(read_back(dir, file, says, &subject.cpus, subject.wants_partition));
            }
        }
        if subject.wants_partition {
            controls.extend(above(root, dir));
        }
    }
    controls
}

/// The state of partitions that this cgroup stands in, up to the root cgroup, which has no such file.
fn above(root: &Root, dir: &str) -> Vec<Control> {
    let above = Path::new(dir).ancestors().skip(1);
    let states = above.map_while(|dir| {
        let dir = dir.to_str()?;
        let says = root
            .read(&format!("{}/{PARTITION}", dir.trim_start_matches('/')))
            .ok()?;
        Some(read_above(dir, says.chars().take(LONGEST_SHOWN).collect()))
    });
    states.collect()
}

/// The processes in the workload's cgroups and in those below, where containers have theirs.
pub(super) fn members(root: &Root, subject: &Subject) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let mut open: Vec<(String, usize)> = subject
        .cgroups
        .iter()
        .map(|dir| (dir.trim_start_matches('/').to_owned(), 0))
        .collect();
    let mut seen = 0;
    while let Some((dir, depth)) = open.pop() {
        let text = root.read(&format!("{dir}/cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        seen += 1;
        if depth == DEEPEST || seen + open.len() >= MOST_CGROUPS {
            continue;
        }
        let below = root.list(&dir).unwrap_or_default();
        let below = below.into_iter().map(|name| format!("{dir}/{name}"));
        open.extend(
            below
                .filter(|dir| root.path(dir).is_dir())
                .map(|dir| (dir, depth + 1)),
        );
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Where the memory lies: of the memory controller, or where it has none of the processes' own maps.
pub(super) fn memory(root: &Root, subject: &Subject, members: &[u32]) -> Option<MemoryPlaces> {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten();
    let page = page.and_then(|page| u64::try_from(page).ok())?;
    for dir in &subject.cgroups {
        let file = format!("{dir}/memory.numa_stat");
        if let Ok(text) = root.read(file.trim_start_matches('/')) {
            let of_pages = legacy(&text, page);
            let places = if of_pages.is_empty() {
                unified(&text)
            } else {
                of_pages
            };
            return Some(told(file, &places, subject));
        }
    }
    let mut places = Places::new();
    let mut read = 0_usize;
    for pid in members.iter().take(MOST_MAPS) {
        if let Ok(text) = root.read(&format!("proc/{pid}/numa_maps")) {
            add_maps(&mut places, &text);
            read += 1;
        }
    }
    let source = format!("/proc/PID/numa_maps of {read} of {} processes", members.len());
    (read > 0).then(|| told(source, &places, subject))
}

fn told(source: String, places: &Places, subject: &Subject) -> MemoryPlaces {
    let is_foreign = |node| !subject.numa_nodes.is_empty() && !subject.numa_nodes.contains(node);
    let sum = |all: &mut dyn Iterator<Item = u64>| Bytes::new(all.fold(0, u64::saturating_add));
    MemoryPlaces {
        source,
        foreign_bytes: sum(&mut places
            .iter()
            .filter(|(node, _)| is_foreign(**node))
            .map(|(_, bytes)| *bytes)),
        total_bytes: sum(&mut places.values().copied()),
        numa_nodes: places
            .iter()
            .map(|(numa_node, bytes)| NumaBytes {
                numa_node: *numa_node,
                bytes: Bytes::new(*bytes),
            })
            .collect(),
    }
}
