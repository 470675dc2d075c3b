//! The counters of some events on one CPU: of everybody there, or of one cgroup. They are opened in groups that run together.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use facts::CpuId;
use perf_event2::events::Raw;
use perf_event2::{Builder, Counter, Group, ReadFormat};

use super::pmu::Config;
use super::refusal::Refusal;
use super::scale::Sample;

/// `PERF_TYPE_HARDWARE` and `PERF_TYPE_SOFTWARE` of perf_event_open(2).
pub const HARDWARE: u32 = 0;
/// See [`HARDWARE`].
pub const SOFTWARE: u32 = 1;

/// One event that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The type: a constant of perf_event_open(2), or a PMU's number.
    pub kind: u32,
    /// The config words.
    pub config: Config,
}

impl Wanted {
    /// A generic event.
    pub const fn generic(kind: u32, config: u64) -> Wanted {
        Wanted {
            kind,
            config: [config, 0, 0, 0],
        }
    }

    fn builder<'f>(&self, target: Target<'f>) -> Builder<'f> {
        let [first, second, third, fourth] = self.config;
        let mut builder = Builder::new(Raw::new(first).config1(second).config2(third));
        let attributes = builder.attrs_mut();
        attributes.type_ = self.kind;
        attributes.config3 = fourth;
        // Everything counts: user, kernel and guests. PMUs outside of the cores refuse any exclusion (EINVAL).
        builder.exclude_kernel(false).exclude_hv(false);
        let cpu = match target {
            Target::Everybody(cpu) => {
                builder.any_pid();
                cpu
            }
            Target::Cgroup(directory, cpu) => {
                builder.observe_cgroup(directory);
                cpu
            }
        };
        // A number that no CPU has is refused by the kernel.
        builder.one_cpu(usize::try_from(cpu.0).unwrap_or(usize::MAX));
        builder
    }
}

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub enum Target<'f> {
    /// Whatever runs on this CPU.
    Everybody(CpuId),
    /// What of this cgroup (its open directory) runs on this CPU.
    Cgroup(&'f File, CpuId),
}

/// How many descriptors all counters of this process hold.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// How many descriptors all counters of this process hold.
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// Open counters, a slot for each event that was wanted.
#[derive(Debug)]
pub struct Counters {
    groups: Vec<Opened>,
}

struct Opened {
    group: Group,
    /// The slot of the leader, and of each further member.
    leader: usize,
    members: Vec<(usize, Counter)>,
}

impl Opened {
    fn lead(group: Group, leader: usize) -> Opened {
        HELD.fetch_add(1, Ordering::Relaxed);
        Opened {
            group,
            leader,
            members: Vec::new(),
        }
    }

    fn join(&mut self, slot: usize, counter: Counter) {
        HELD.fetch_add(1, Ordering::Relaxed);
        self.members.push((slot, counter));
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        HELD.fetch_sub(1 + self.members.len(), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("leader", &self.leader)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

impl Counters {
    /// Opens as many of the events as this machine counts, at most `together` in one group; an event that does not go beside
    /// the others begins the next group.
    ///
    /// # Errors
    /// With the first refusal, where nothing could be opened, where we are not allowed to, where no file is left, or where the
    /// CPU is off.
    pub fn open(target: Target<'_>, events: &[Wanted], together: usize) -> Result<Counters, Refusal> {
        let mut counters = Counters { groups: Vec::new() };
        let mut first: Option<Refusal> = None;
        for (slot, event) in events.iter().enumerate() {
            match counters.add(target, slot, event, together) {
                Ok(()) => {}
                Err(refusal) if refusal.is_one_events() => {
                    first.get_or_insert(refusal);
                }
                Err(refusal) => return Err(refusal),
            }
        }
        if let (true, Some(refusal)) = (counters.groups.is_empty(), first) {
            return Err(refusal);
        }
        for opened in &mut counters.groups {
            opened.group.enable().map_err(|error| Refusal::from(&error))?;
        }
        Ok(counters)
    }

    fn add(
        &mut self,
        target: Target<'_>,
        slot: usize,
        event: &Wanted,
        together: usize,
    ) -> Result<(), Refusal> {
        let mut builder = event.builder(target);
        let current = self.groups.last_mut();
        if let Some(opened) = current.filter(|opened| opened.members.len() + 1 < together) {
            match opened.group.add(&builder) {
                Ok(counter) => {
                    opened.join(slot, counter);
                    return Ok(());
                }
                Err(error) => {
                    let refusal = Refusal::from(&error);
                    if !refusal.is_crowded() {
                        return Err(refusal);
                    }
                }
            }
        }
        builder.read_format(
            ReadFormat::GROUP
                | ReadFormat::TOTAL_TIME_ENABLED
                | ReadFormat::TOTAL_TIME_RUNNING
                | ReadFormat::ID,
        );
        let group = builder.build_group().map_err(|error| Refusal::from(&error))?;
        self.groups.push(Opened::lead(group, slot));
        Ok(())
    }

    /// How many files are open.
    pub fn files(&self) -> usize {
        self.groups.iter().map(|opened| opened.members.len() + 1).sum()
    }

    /// Whether this event is counted.
    pub fn has(&self, slot: usize) -> bool {
        let mut all = self.groups.iter();
        all.any(|opened| opened.leader == slot || opened.members.iter().any(|(one, _)| *one == slot))
    }

    /// Reads all groups, one system call each, and tells each counted event's slot and sample.
    ///
    /// # Errors
    /// When the kernel gives nothing: the CPU went off, or the counters are in error.
    pub fn read(&mut self, mut tell: impl FnMut(usize, Sample)) -> io::Result<()> {
        for opened in &mut self.groups {
            let data = opened.group.read()?;
            let nanoseconds = |time: Option<std::time::Duration>| {
                time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
            };
            let (enabled, running) = (nanoseconds(data.time_enabled()), nanoseconds(data.time_running()));
            let leader = std::iter::once((opened.leader, opened.group.as_counter()));
            let members = opened.members.iter().map(|(slot, counter)| (*slot, counter));
            for (slot, counter) in leader.chain(members) {
                if let Some(entry) = data.get(counter) {
                    let value = entry.value();
                    tell(
                        slot,
                        Sample {
                            value,
                            enabled,
                            running,
                        },
                    );
                }
            }
        }
        Ok(())
    }
}
