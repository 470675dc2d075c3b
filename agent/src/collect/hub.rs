//! The hub: takes the turns of all collectors, keeps the last observation of each, and hangs up the merged view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use collectors::Root;
use facts::observation::Observation;
use facts::{Inventory, NoData, Sheet, Source, SourceStatus};

use super::Patience;
use super::beat::{Now, Report, Silence, Turn};
use super::energy::Counters;
use super::parts::Parts;
use crate::clock::Clock;
use crate::events::Events;
use crate::view::{Board, Seen};

/// An observation that is not renewed for this many beats is dropped with all its parts.
const BEATS_KEPT: u32 = 3;

/// The kernel's lists of CPUs and NUMA nodes; a change of one of them means that the topology is another.
const TOPOLOGY_HINTS: [&str; 3] = [
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/present",
    "sys/devices/system/node/online",
];

/// Our own status, and its line with the CPUs that we may use (proc_pid_status(5)).
const OWN_STATUS: &str = "proc/self/status";
const ALLOWED: &str = "Cpus_allowed_list:";

/// The source that is asked again when a hint changes.
const TOPOLOGY: &str = "topology";

/// One source and what is known of it.
struct Lane {
    source: Source,
    name: &'static str,
    beat: Duration,
    last: Option<(Instant, Box<Observation>)>,
    sheet: Option<Arc<Sheet>>,
    parts: Option<Parts>,
    asked_at: Option<Instant>,
    wake: Option<Sender<Now>>,
}

/// Takes turns, gives views.
pub(super) struct Hub {
    root: Root,
    patience: Patience,
    clock: Clock,
    board: Board,
    events: Events,
    lanes: Vec<Lane>,
    counters: Counters,
    errors: BTreeMap<(&'static str, NoData), u64>,
    invalid: BTreeMap<&'static str, u64>,
    hints: Vec<Option<String>>,
}

impl Hub {
    pub(super) fn new(root: Root, patience: Patience, clock: Clock, board: Board, events: Events) -> Hub {
        let hints = hints(&root);
        Hub {
            root,
            patience,
            clock,
            board,
            events,
            lanes: Vec::new(),
            counters: Counters::default(),
            errors: BTreeMap::new(),
            invalid: BTreeMap::new(),
            hints,
        }
    }

    pub(super) fn add(&mut self, name: &'static str, beat: Duration) {
        let source = Source::pending(name, beat);
        self.lanes.push(Lane {
            source,
            name,
            beat,
            last: None,
            sheet: None,
            parts: None,
            asked_at: None,
            wake: None,
        });
    }

    pub(super) fn wake_by(&mut self, index: usize, wake: Sender<Now>) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.wake = Some(wake);
        }
    }

    /// Runs until told to stop, or until no collector is left.
    pub(super) fn run(mut self, reports: &Receiver<Report>, stopped: &Receiver<()>) {
        let mut next_tick = Instant::now() + self.patience.tick;
        while matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
            let mut is_changed = false;
            match reports.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                Ok(report) => is_changed |= self.take(report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // What came meanwhile goes into the same view.
            while let Ok(report) = reports.try_recv() {
                is_changed |= self.take(report);
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + self.patience.tick;
                self.look_for_hints();
                is_changed |= self.look_at_watches(now);
            }
            if is_changed {
                self.publish();
            }
        }
    }

    /// Merges and hangs up.
    pub(super) fn publish(&self) {
        let observations = self
            .lanes
            .iter()
            .filter_map(|lane| lane.last.as_ref())
            .map(|(_, seen)| seen.as_ref());
        let sources = self.lanes.iter().map(|lane| lane.source.clone()).collect();
        self.board.post_seen(Seen {
            inventory: Inventory::merge(self.clock.now(), observations, sources),
            energy: self.counters.totals(),
            errors: self.errors.clone(),
            sheets: self.lanes.iter().filter_map(Lane::sheet).collect(),
            invalid: self.invalid.clone(),
        });
    }

    /// Takes one report; true where the view is another now.
    fn take(&mut self, report: Report) -> bool {
        let now = self.clock.now();
        let Some(lane) = self.lanes.get_mut(report.index) else {
            return false;
        };
        match report.turn {
            Turn::Began => {
                lane.asked_at = Some(Instant::now());
                return false;
            }
            Turn::Ended { answer, took } => {
                lane.asked_at = None;
                lane.source.duration_seconds = Some(took.as_secs_f64());
                match answer {
                    Ok(mut seen) => {
                        lane.sheet = seen.sheet.take().map(Arc::new);
                        let invalid = lane.sheet.as_ref().map_or(0, |sheet| sheet.invalid());
                        let count = self.invalid.entry(lane.name).or_default();
                        *count = count.saturating_add(invalid);
                        if let Some(zones) = &seen.power_zones {
                            self.counters.take(zones);
                        }
                        lane.source.last_success = Some(now);
                        lane.see(seen, &self.events);
                    }
                    Err(silence) => self.silent(report.index, silence),
                }
            }
        }
        true
    }

    fn silent(&mut self, index: usize, silence: Silence) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        let count = self.errors.entry((lane.name, silence.reason)).or_default();
        *count = count.saturating_add(1);
        // Absent means that there are no such parts; any other reason means that we do not see them just now.
        if silence.reason == NoData::Absent {
            lane.forget(&self.events);
        }
        lane.down(silence, &self.events);
    }

    /// Turns that hang, and observations that nobody renewed; true where the view is another now.
    fn look_at_watches(&mut self, now: Instant) -> bool {
        let mut is_changed = false;
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(index) else {
                continue;
            };
            let patience = (lane.beat * BEATS_KEPT).clamp(self.patience.least, self.patience.most);
            let hangs = lane
                .asked_at
                .filter(|asked_at| now.saturating_duration_since(*asked_at) > patience);
            if hangs.is_some() {
                lane.asked_at = None;
                let message = format!(
                    "no answer within {} s; it is still being asked",
                    patience.as_secs()
                );
                self.silent(
                    index,
                    Silence {
                        reason: NoData::Timeout,
                        message,
                    },
                );
                is_changed = true;
            }
            let Some(lane) = self.lanes.get_mut(index) else {
                continue;
            };
            let kept_for = (lane.beat * BEATS_KEPT).max(self.patience.least);
            let is_old = lane
                .last
                .as_ref()
                .is_some_and(|(seen_at, _)| now.saturating_duration_since(*seen_at) > kept_for);
            if is_old && matches!(lane.source.status, SourceStatus::Down { .. }) {
                lane.last = None;
                is_changed = true;
            }
        }
        is_changed
    }

    /// Wakes the topology where the kernel's lists have changed.
    fn look_for_hints(&mut self) {
        let hints = hints(&self.root);
        if hints == self.hints {
            return;
        }
        self.hints = hints;
        for lane in self.lanes.iter().filter(|lane| lane.name == TOPOLOGY) {
            if let Some(wake) = &lane.wake {
                // Fails only where the collector's thread has ended.
                let _ = wake.send(Now);
            }
        }
    }
}

impl Lane {
    /// What it counts, for as long as what it saw is kept.
    fn sheet(&self) -> Option<Arc<Sheet>> {
        self.last.as_ref().and(self.sheet.clone())
    }

    fn see(&mut self, seen: Box<Observation>, events: &Events) {
        let parts = Parts::of(&seen);
        if let Some(before) = &self.parts {
            for (kind, message) in parts.since(before) {
                events.tell(kind, message);
            }
        }
        self.parts = Some(parts);
        self.last = Some((Instant::now(), seen));
        if matches!(self.source.status, SourceStatus::Down { .. }) {
            events.tell("source_up", format!("source {} speaks again", self.name));
        }
        self.source.status = SourceStatus::Ok;
    }

    fn forget(&mut self, events: &Events) {
        let parts = Parts::default();
        if let Some(before) = &self.parts {
            for (kind, message) in parts.since(before) {
                events.tell(kind, message);
            }
        }
        self.parts = Some(parts);
        self.last = None;
    }

    fn down(&mut self, silence: Silence, events: &Events) {
        let Silence { reason, message } = silence;
        if matches!(self.source.status, SourceStatus::Ok) {
            events.tell(
                "source_down",
                format!("source {} is {reason}: {message}", self.name),
            );
        }
        self.source.status = SourceStatus::Down { reason, message };
    }
}

fn hints(root: &Root) -> Vec<Option<String>> {
    let mut hints: Vec<Option<String>> = TOPOLOGY_HINTS.iter().map(|hint| root.read(hint).ok()).collect();
    // Which CPUs a cpuset leaves to us: a partition that comes or goes changes it.
    let status = root.read(OWN_STATUS).unwrap_or_default();
    hints.push(
        status
            .lines()
            .find(|line| line.starts_with(ALLOWED))
            .map(str::to_owned),
    );
    hints
}
