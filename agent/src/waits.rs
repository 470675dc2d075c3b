//! Waits of workloads, told by the kernel at once: a trigger on each of the pressure files (PSI) of a workload's v2 cgroup.
//!
//! A trigger is an open file that the kernel wakes where some task waited longer than a bound within a window
//! (Documentation/accounting/psi.rst). Nothing is read again and again. Where a host has no such files (cgroup v1, a kernel
//! without CONFIG_PSI) nothing is watched and no series is served: that is not the same as no wait.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use facts::Moment;
use intent::WorkloadId;
use isolators::Host;
use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::events::Events;
use crate::view::{Board, Kept};

/// Tasks that wait 300 ms of 2 s: the documentation's example of 15 %, in the window that needs no privilege (Linux 6.5).
const TRIGGER: &str = "some 300000 2000000";
/// The most workloads that are watched, three open files each: a node with more has other ways to look at itself.
const MOST_WORKLOADS: usize = 64;
/// The most wake-ups that wait to be counted; the kernel gives one for each trigger and window.
const MOST_WAITING: usize = 3 * MOST_WORKLOADS;
/// So long, in milliseconds, new workloads wait until their triggers are heard.
const TURN: u16 = 1_000;
/// So long a new workload's command runs before its triggers are opened: opening them takes as long as the answer to who started it.
const PATIENCE: Duration = Duration::from_millis(50);
/// So often it is waited for the view to rest.
const MOST_PATIENT: usize = 10;
/// A spell of waits is told once; the next one is told after so long without.
const CALM: Duration = Duration::from_secs(10);

/// What a workload waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// CPU time.
    Cpu,
    /// Memory: reclaim, swap, pages that were just thrown out.
    Memory,
    /// I/O.
    Io,
}

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 3] = [Resource::Cpu, Resource::Memory, Resource::Io];

    /// The word, as in metrics and events.
    pub const fn word(self) -> &'static str {
        match self {
            Resource::Cpu => "cpu",
            Resource::Memory => "memory",
            Resource::Io => "io",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Resource::Cpu => "cpu.pressure",
            Resource::Memory => "memory.pressure",
            Resource::Io => "io.pressure",
        }
    }
}

/// How many windows a workload waited for what, since it is watched; what is not watched is not named.
pub type Waits = BTreeMap<WorkloadId, BTreeMap<Resource, u64>>;

/// A workload that is watched: one of the same name later is another one.
type Key = (WorkloadId, Moment);

/// An open trigger.
struct Trigger {
    file: File,
    key: Key,
    resource: Resource,
}

/// What the thread that waits for the kernel is told.
enum Order {
    Hear(Trigger),
    Forget(Key),
}

#[derive(Default)]
struct Watched {
    waits: BTreeMap<Resource, u64>,
    told: BTreeMap<Resource, Instant>,
}

/// Watches the workloads that the keeper holds, until the daemon stops.
pub async fn watch(board: Board, events: Events, mut stopping: watch::Receiver<bool>) {
    let mut views = board.watch();
    let (tell, mut told) = mpsc::channel(MOST_WAITING);
    let (orders, ordered) = channel();
    let thread = std::thread::Builder::new().name("waits".to_owned());
    if let Err(error) = thread.spawn(move || listen(&ordered, &tell)) {
        tracing::warn!("the waits of workloads are not watched: {error}");
        return;
    }
    let mut known: Option<Arc<Kept>> = None;
    let mut all: BTreeMap<Key, Watched> = BTreeMap::new();
    loop {
        let kept = Arc::clone(&views.borrow_and_update().kept);
        // A view comes with each beat of a source; the keeper's part of it changes seldom.
        if known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &kept)) && follow(&mut all, &kept, &orders) {
            post(&board, &all);
        }
        known = Some(kept);
        tokio::select! {
            changed = views.changed() => {
                if changed.is_err() {
                    return;
                }
                // A start changes the view twice, and is answered after the second time.
                for _ in 0..MOST_PATIENT {
                    views.mark_unchanged();
                    tokio::time::sleep(PATIENCE).await;
                    if !matches!(views.has_changed(), Ok(true)) {
                        break;
                    }
                }
            }
            Some((key, resource)) = told.recv() => {
                if let Some(watched) = all.get_mut(&key) {
                    count(watched, &key.0, resource, &events);
                    post(&board, &all);
                }
            }
            _ = stopping.changed() => return,
        }
    }
}

/// Opens triggers for workloads that came, and lets go of those that went; whether anything changed.
fn follow(all: &mut BTreeMap<Key, Watched>, kept: &Kept, orders: &Sender<Order>) -> bool {
    let before: Vec<Key> = all.keys().cloned().collect();
    let is_there = |key: &Key| {
        let mut workloads = kept.workloads.iter();
        workloads.any(|workload| workload.id == key.0 && workload.since == key.1)
    };
    for key in before.iter().filter(|key| !is_there(key)) {
        all.remove(key);
        // Fails only where the thread has ended, and with it all triggers.
        let _ = orders.send(Order::Forget(key.clone()));
    }
    // A trigger is a write, and a container's cgroup is its runtime's.
    for workload in kept.workloads.iter().filter(|one| one.container.is_none()) {
        let key = (workload.id.clone(), workload.since);
        if all.contains_key(&key) {
            continue;
        }
        if all.len() >= MOST_WORKLOADS {
            tracing::warn!(
                "the waits of {} workloads are watched; of {} they are not",
                all.len(),
                workload.id
            );
            break;
        }
        let mut watched = Watched::default();
        for resource in Resource::ALL {
            let mut files = workload
                .cgroups
                .iter()
                .map(|dir| Path::new(dir).join(resource.file()));
            let Some(file) = files.find(|file| file.exists()) else {
                continue;
            };
            match trigger(&file) {
                Ok(file) => {
                    let key = key.clone();
                    let trigger = Trigger { file, key, resource };
                    if orders.send(Order::Hear(trigger)).is_ok() {
                        watched.waits.insert(resource, 0);
                    }
                }
                Err(error) => tracing::debug!("no trigger on {}: {error}", file.display()),
            }
        }
        all.insert(key, watched);
    }
    !before.iter().eq(all.keys())
}

/// An open trigger. A plain file of a recorded tree takes none.
fn trigger(file: &Path) -> io::Result<File> {
    if !Host::at("/").is_kernels(file) {
        return Err(io::Error::other("it is no file of the kernel"));
    }
    let mut options = OpenOptions::new();
    let mut opened = options
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(file)?;
    // Its end is a zero byte, as in the documentation's own program.
    opened.write_all(format!("{TRIGGER}\0").as_bytes())?;
    Ok(opened)
}

/// Waits for the kernel; sleeps where nothing is watched.
fn listen(orders: &Receiver<Order>, tell: &mpsc::Sender<(Key, Resource)>) {
    let mut all: Vec<Trigger> = Vec::new();
    loop {
        if all.is_empty() {
            match orders.recv() {
                Ok(order) => obey(&mut all, order),
                Err(_) => return,
            }
        }
        loop {
            match orders.try_recv() {
                Ok(order) => obey(&mut all, order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let flags = happened(&all);
        for (trigger, flags) in all.iter().zip(&flags) {
            let is_wait = flags.contains(PollFlags::POLLPRI) && !flags.contains(PollFlags::POLLERR);
            if is_wait
                && tell
                    .blocking_send((trigger.key.clone(), trigger.resource))
                    .is_err()
            {
                return;
            }
        }
        // A cgroup that was removed takes its triggers along.
        let mut flags = flags.into_iter();
        all.retain(|_| {
            !flags
                .next()
                .is_some_and(|flags| flags.contains(PollFlags::POLLERR))
        });
    }
}

fn obey(all: &mut Vec<Trigger>, order: Order) {
    match order {
        Order::Hear(trigger) => all.push(trigger),
        Order::Forget(key) => all.retain(|trigger| trigger.key != key),
    }
}

/// What each trigger says, at the latest after a turn.
fn happened(all: &[Trigger]) -> Vec<PollFlags> {
    let mut watched: Vec<PollFd<'_>> = all
        .iter()
        .map(|trigger| PollFd::new(trigger.file.as_fd(), PollFlags::POLLPRI))
        .collect();
    // Interrupted is as good as nothing; the next turn looks again.
    let _ = poll(&mut watched, PollTimeout::from(TURN));
    watched
        .iter()
        .map(|one| one.revents().unwrap_or(PollFlags::empty()))
        .collect()
}

fn count(watched: &mut Watched, id: &WorkloadId, resource: Resource, events: &Events) {
    let waits = watched.waits.entry(resource).or_default();
    *waits = waits.saturating_add(1);
    let now = Instant::now();
    let last = watched.told.insert(resource, now);
    if last.is_none_or(|last| now.duration_since(last) >= CALM) {
        let word = resource.word();
        let message = format!("workload {id} waits for {word}: longer than 300 ms of the last 2 s");
        events.tell("workload_waits", message);
    }
}

fn post(board: &Board, all: &BTreeMap<Key, Watched>) {
    let watched = all.iter().filter(|(_, watched)| !watched.waits.is_empty());
    board.post_waits(
        watched
            .map(|((id, _), watched)| (id.clone(), watched.waits.clone()))
            .collect(),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_that_is_no_trigger_is_not_watched_and_the_kernels_own_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memory.pressure");
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        std::fs::write(&file, text).unwrap();
        assert!(trigger(&file).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert!(trigger(&dir.path().join("io.pressure")).is_err());
        let host = Path::new("/proc/pressure/memory");
        match trigger(host) {
            Ok(mut opened) => {
                // The kernel takes one trigger for each open file.
                assert!(opened.write_all(TRIGGER.as_bytes()).is_err());
            }
            Err(error) => println!("skipped: {} takes no trigger here: {error}", host.display()),
        }
    }
}
