//! Watches some CPUs for a while: by recorded switches where perf is permitted, by reading run times where it is not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agent_api::v1::{Control, MemoryPlaces, Witness, Workload};
use collectors::Root;
use collectors::perf::switches::Switches;
use facts::{CpuSet, NumaSet};
use intent::WorkloadId;
use nix::sched::sched_setaffinity;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::cast::{Cast, Polled};
use super::look::{self, Came, Identity, Owner};

/// How often recorded switches are taken out of the kernel's buffers.
const DRAIN: Duration = Duration::from_millis(20);
/// How often run times are read where nothing is recorded, at the most.
const POLL: Duration = Duration::from_millis(100);
/// One part in so many of the watching thread's time is reading.
const RESTS: u32 = 9;

/// Whose CPUs are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The workload.
    pub id: WorkloadId,
    /// Its CPUs.
    pub cpus: CpuSet,
    /// Its NUMA nodes.
    pub numa_nodes: NumaSet,
    /// Its cgroup directories.
    pub cgroups: Vec<String>,
    /// How the paths of its cgroups end in `/proc/PID/cgroup`: `/busbar/web-1`.
    pub tail: String,
    /// The same of every other workload.
    pub others: Vec<(WorkloadId, String)>,
    /// Whether its CPUs shall be a partition.
    pub wants_partition: bool,
}

impl Subject {
    /// One workload among all.
    pub fn of(workload: &Workload, all: &[Workload], wants_partition: bool) -> Subject {
        let others = all.iter().filter(|other| other.id != workload.id);
        Subject {
            id: workload.id.clone(),
            cpus: workload.cpus.clone(),
            numa_nodes: workload.numa_nodes.clone(),
            cgroups: workload.cgroups.clone(),
            tail: tail(workload),
            others: others.map(|other| (other.id.clone(), tail(other))).collect(),
            wants_partition,
        }
    }
}

/// Our own cgroup's name and the workload's: the same in every hierarchy, wherever that is mounted.
fn tail(workload: &Workload) -> String {
    let dir = workload.cgroups.first().map(String::as_str).unwrap_or_default();
    let mut parts = dir.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(name), Some(own)) => format!("/{own}/{name}"),
        _ => format!("/{}", workload.id),
    }
}

/// One thread that ran, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub pid: u32,
    /// Where.
    pub cpus: CpuSet,
    /// For how long, in nanoseconds.
    pub nanoseconds: u64,
    /// Who it is.
    pub identity: Identity,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How.
    pub witness: Witness,
    /// Why not by switches; empty where it was.
    pub why_polled: String,
    /// For how long.
    pub watched: Duration,
    /// Everybody who ran and is not the holder.
    pub visitors: Vec<Visitor>,
    /// Interrupts that came.
    pub came: Vec<Came>,
    /// Records that the kernel dropped.
    pub lost: u64,
    /// Whether a round of reading was given up before its end, or there were too many threads.
    pub is_cut: bool,
    /// The workload's files.
    pub controls: Vec<Control>,
    /// How many processes the workload has.
    pub members: usize,
    /// Where its memory lies.
    pub memory: Option<MemoryPlaces>,
}

/// Watches for `length`, or until `is_over` says so. On a thread of its own: that thread steps aside from these CPUs for good.
pub fn watch(root: &Root, subject: &Subject, length: Duration, is_over: &dyn Fn() -> bool) -> Seen {
    step_aside(root, &subject.cpus);
    // Before anything is recorded: meanwhile nobody empties the kernel's buffers.
    let first = look::round(root);
    let before = look::interrupts(root, &subject.cpus);
    let begin = Instant::now();
    let opened = if root.is_host() {
        Switches::open(&subject.cpus).map_err(|error| error.explain())
    } else {
        Err("a recorded machine switches nothing".to_owned())
    };
    let mut identities = Identities::default();
    let is_due = || begin.elapsed() >= length || is_over();
    let mut sight = Sight {
        root,
        subject,
        identities: &mut identities,
        is_due: &is_due,
    };
    let (witness, why_polled, (cast, is_whole)) = match opened {
        Ok(switches) => (
            Witness::ContextSwitches,
            String::new(),
            sight.by_switches(switches, &first),
        ),
        Err(why) => (Witness::Polled, why, sight.by_reading(length, &first)),
    };
    let watched = begin.elapsed();
    let after = look::interrupts(root, &subject.cpus);
    let members = look::members(root, subject);
    Seen {
        witness,
        why_polled,
        watched,
        visitors: identities.visitors(&cast),
        came: look::came(root, &subject.cpus, &before, &after),
        lost: cast.lost,
        is_cut: cast.is_cut || !is_whole,
        controls: look::controls(root, subject),
        memory: look::memory(root, subject, &members),
        members: members.len(),
    }
}

/// A round of reading, and whether it came to its end.
type Round = (Vec<Polled>, bool);

struct Sight<'w> {
    root: &'w Root,
    subject: &'w Subject,
    identities: &'w mut Identities,
    is_due: &'w dyn Fn() -> bool,
}

impl Sight<'_> {
    fn by_switches(&mut self, mut switches: Switches, first: &Round) -> (Cast, bool) {
        let mut cast = Cast::new(&self.subject.cpus, monotonic());
        loop {
            let ends = (self.is_due)();
            switches.drain(|cpu, told| cast.hear(cpu, told));
            self.identities.learn(self.root, self.subject, &cast);
            if ends {
                break;
            }
            std::thread::sleep(DRAIN);
        }
        let end = monotonic();
        // What comes from here on is not watched any more.
        drop(switches);
        if !cast.has_quiet_cpu() {
            cast.end(end, &[], &[]);
            return (cast, true);
        }
        let last = look::round(self.root);
        cast.end(end, &first.0, &last.0);
        self.identities.learn(self.root, self.subject, &cast);
        (cast, first.1 && last.1)
    }

    fn by_reading(&mut self, length: Duration, first: &Round) -> (Cast, bool) {
        let mut cast = Cast::new(&self.subject.cpus, 0);
        cast.read(&first.0);
        let mut is_whole = first.1;
        loop {
            let ends = (self.is_due)();
            let begin = Instant::now();
            let (round, whole) = look::round(self.root);
            is_whole &= whole;
            cast.read(&round);
            self.identities.learn(self.root, self.subject, &cast);
            if ends {
                return (cast, is_whole);
            }
            std::thread::sleep((begin.elapsed() * RESTS).max(POLL).min(length));
        }
    }
}

/// Who everybody is that ran so far, asked as soon as somebody is seen: he may be gone a moment later.
/// `None` is who was gone already.
#[derive(Default)]
struct Identities(BTreeMap<u32, Option<Identity>>);

impl Identities {
    fn learn(&mut self, root: &Root, subject: &Subject, cast: &Cast) {
        for tid in cast.ran().keys() {
            self.0
                .entry(*tid)
                .or_insert_with(|| look::identity(root, subject, *tid));
        }
    }

    /// Everybody but the holder. Whoever ended before he could be asked is what his parent is.
    fn visitors(&self, cast: &Cast) -> Vec<Visitor> {
        let all = cast.ran().iter().map(|(tid, ran)| Visitor {
            tid: *tid,
            pid: ran.pid,
            cpus: ran.cpus.clone(),
            nanoseconds: ran.nanoseconds,
            identity: self.of(cast, *tid),
        });
        all.filter(|visitor| visitor.identity.owner != Owner::Holder)
            .collect()
    }

    fn of(&self, cast: &Cast, tid: u32) -> Identity {
        /// Generations of processes that lived and died within one watching.
        const MOST_GENERATIONS: usize = 64;
        let known = |tid| self.0.get(&tid).and_then(Option::as_ref);
        let mut nearest = known(tid);
        let mut above = tid;
        for _ in 0..MOST_GENERATIONS {
            if nearest.is_some() {
                break;
            }
            let Some(parent) = cast.parent(above) else { break };
            above = parent;
            nearest = known(parent);
        }
        let gone = || Identity {
            name: "(ended)".to_owned(),
            is_kernel: false,
            is_bound: false,
            cgroup: String::new(),
            owner: Owner::Host,
        };
        let mut identity = nearest.cloned().unwrap_or_else(gone);
        // Between fork and exec a process is called as its parent is.
        if let Some(name) = cast.name(tid) {
            name.clone_into(&mut identity.name);
        }
        identity
    }
}

fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Keeps this thread off the CPUs that it watches, where there are others.
fn step_aside(root: &Root, cpus: &CpuSet) {
    let online = root.read("sys/devices/system/cpu/online").unwrap_or_default();
    let rest = online.parse::<CpuSet>().unwrap_or_default().difference(cpus);
    if !root.is_host() || rest.is_empty() {
        return;
    }
    let mut set = nix::sched::CpuSet::new();
    for cpu in rest.iter() {
        // A number beyond the kernel's fixed mask is left out.
        let _ = set.set(usize::try_from(cpu.0).unwrap_or(usize::MAX));
    }
    // Where it is refused the thread stays where it is, and stands in its own list.
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}
