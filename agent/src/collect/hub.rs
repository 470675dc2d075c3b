//! The hub: takes the turns of all collectors, keeps the last observation of each, and hangs up the merged view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use collectors::Root;
use facts::{Inventory, NoData, SourceStatus};

use super::Patience;
use super::beat::{Asked, Ended, Now, Report, Silence};
use super::ears::{self, Burst};
use super::energy::Counters;
use super::fresh::Bench;
use super::hints::Hints;
use super::lane::Lane;
use super::parts::Change;
use crate::clock::Clock;
use crate::events::Events;
use crate::view::{Board, Seen};

/// An observation that is not renewed for this many beats is dropped with all its parts.
pub(super) const BEATS_KEPT: u32 = 3;

/// Two views are so far apart at least: what sources say at almost the same time is merged once.
const BETWEEN_VIEWS: Duration = Duration::from_millis(50);

/// Where nothing but what sources count is new, one view takes what several of them say.
const BETWEEN_COUNTS: Duration = Duration::from_millis(500);

/// Where nothing but the times of the sources' turns is new, a view is worth it so often: merging a large machine is not free.
const BETWEEN_TIMES: Duration = Duration::from_secs(5);

/// The kernel's lists are looked at every so many ticks: its events come at once, and the lists are the net below them.
const TICKS_OF_HINTS: u32 = 3;

/// The source that is asked again when a hint changes.
const TOPOLOGY: &str = "topology";

/// What the hub is told.
pub(super) enum News {
    /// A collector's turn.
    Turn(Report),
    /// Uevents that came together.
    Burst(Burst),
    /// Whether uevents can be heard.
    Ears(Result<(), Silence>),
}

/// What is new since the last view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Novelty {
    Nothing,
    /// Times of turns and counts of errors.
    Times,
    /// What a source on its beat counts.
    Counts,
    /// What somebody sees.
    Facts,
}

/// Takes turns, gives views.
pub(super) struct Hub {
    patience: Patience,
    clock: Clock,
    board: Board,
    events: Events,
    lanes: Vec<Lane>,
    bench: Arc<Bench>,
    /// For a new thread of the bench.
    news: SyncSender<News>,
    /// Whether uevents are heard, for the threads that look for what is absent.
    heard: Arc<AtomicBool>,
    counters: Counters,
    errors: BTreeMap<(&'static str, NoData), u64>,
    invalid: BTreeMap<&'static str, u64>,
    hints: Hints,
    novelty: Novelty,
    published_at: Instant,
    /// What happened, told as soon as the view shows it.
    told: Vec<Change>,
}

/// Where the hub tells what it sees.
pub(super) struct Faces {
    pub(super) clock: Clock,
    pub(super) board: Board,
    pub(super) events: Events,
}

impl Hub {
    pub(super) fn new(
        root: &Root,
        patience: Patience,
        faces: Faces,
        lanes: Vec<Lane>,
        bench: Arc<Bench>,
        news: SyncSender<News>,
    ) -> Hub {
        let hints = Hints::now(root);
        Hub {
            patience,
            clock: faces.clock,
            board: faces.board,
            events: faces.events,
            lanes,
            bench,
            news,
            heard: Arc::default(),
            counters: Counters::default(),
            errors: BTreeMap::new(),
            invalid: BTreeMap::new(),
            hints,
            novelty: Novelty::Nothing,
            published_at: Instant::now(),
            told: Vec::new(),
        }
    }

    /// Whether uevents are heard.
    pub(super) fn heard(&self) -> Arc<AtomicBool> {
        self.heard.clone()
    }

    /// The thread that asks one of the sources.
    pub(super) fn has_thread(&mut self, index: usize, thread: (Sender<Now>, Asked)) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.thread = Some(thread);
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self, news: &Receiver<News>, stopped: &Receiver<()>) {
        let mut next_tick = Instant::now() + self.patience.tick;
        let mut ticks = 0_u32;
        while matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
            let again = self.lanes.iter().filter_map(Lane::again_at).min();
            let due = [self.view_due(), again].into_iter().flatten();
            let next = due.fold(next_tick, Instant::min);
            match news.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(news) => self.take(news),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // What came meanwhile goes into the same view.
            while let Ok(news) = news.try_recv() {
                self.take(news);
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + self.patience.tick;
                ticks = ticks.wrapping_add(1);
                if ticks.is_multiple_of(TICKS_OF_HINTS) {
                    self.look_for_hints();
                }
                self.look_at_watches(now);
            }
            self.ask_again(now);
            if self.view_due().is_some_and(|due| due <= now) {
                self.publish();
            }
        }
        self.bench.end();
    }

    /// When the next view is to be hung up.
    fn view_due(&self) -> Option<Instant> {
        match self.novelty {
            Novelty::Nothing => None,
            Novelty::Times => Some(self.published_at + BETWEEN_TIMES),
            Novelty::Counts => Some(self.published_at + BETWEEN_COUNTS),
            Novelty::Facts => Some(self.published_at + BETWEEN_VIEWS),
        }
    }

    /// Merges and hangs up.
    pub(super) fn publish(&mut self) {
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
        self.novelty = Novelty::Nothing;
        self.published_at = Instant::now();
        // Whoever hears of it and asks finds it in the view.
        for (kind, message) in self.told.drain(..) {
            self.events.tell(kind, message);
        }
    }

    fn is_new(&mut self, novelty: Novelty) {
        self.novelty = self.novelty.max(novelty);
    }

    fn take(&mut self, news: News) {
        match news {
            News::Turn(Report { index, ended }) => self.ended(index, ended),
            News::Burst(burst) => self.stirred(&burst),
            News::Ears(Ok(())) => self.can_hear(),
            News::Ears(Err(silence)) => {
                self.heard.store(false, Ordering::Relaxed);
                if let Some(index) = self.lanes.iter().position(|lane| lane.name == ears::NAME) {
                    self.silent(index, silence);
                    self.is_new(Novelty::Facts);
                }
            }
        }
    }

    fn ended(&mut self, index: usize, ended: Ended) {
        let now = self.clock.now();
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        lane.asked_at = None;
        lane.source.duration_seconds = Some(ended.took.as_secs_f64());
        lane.source.interval_seconds = Some(ended.period.as_secs_f64());
        if ended.invalid > 0 {
            let count = self.invalid.entry(lane.name).or_default();
            *count = count.saturating_add(ended.invalid);
        }
        let counts = matches!(&ended.answer, Ok(seen) if seen.sheet.is_some());
        let is_changed = match ended.answer {
            Ok(seen) => {
                if let Some(zones) = &seen.power_zones {
                    self.counters.take(zones);
                }
                lane.source.last_success = Some(now);
                lane.see(seen, &mut self.told)
            }
            Err(silence) => self.silent(index, silence),
        };
        self.is_new(match (is_changed, counts) {
            (true, _) => Novelty::Facts,
            (false, true) => Novelty::Counts,
            (false, false) => Novelty::Times,
        });
    }

    /// A source says nothing; true where the view is another now.
    fn silent(&mut self, index: usize, silence: Silence) -> bool {
        let Some(lane) = self.lanes.get_mut(index) else {
            return false;
        };
        // Absent means that there are no such parts, which is an answer; any other reason means that we do not see them just now.
        let had = lane.last.is_some();
        if silence.reason == NoData::Absent {
            lane.forget(&mut self.told);
        } else {
            let count = self.errors.entry((lane.name, silence.reason)).or_default();
            *count = count.saturating_add(1);
        }
        lane.down(silence, &mut self.told) || had != lane.last.is_some()
    }

    /// Turns that hang, and observations that nobody renewed.
    fn look_at_watches(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            lane.asked_at = lane.thread.as_ref().and_then(|(_, asked)| asked.at());
        }
        for seat in self.bench.seats() {
            if let Some(lane) = self.lanes.get_mut(seat.index) {
                lane.asked_at = seat.asked_at();
            }
        }
        if self.bench.is_stuck(now)
            && let Err(error) = self.bench.start(self.news.clone())
        {
            tracing::warn!(
                "cannot start another thread for the sources that are asked at scrape time: {error}"
            );
        }
        for index in 0..self.lanes.len() {
            let silence = self.lanes.get_mut(index).and_then(|lane| lane.hangs(now));
            if let Some(silence) = silence {
                self.silent(index, silence);
                self.is_new(Novelty::Facts);
            }
            if self.lanes.get_mut(index).is_some_and(|lane| lane.drop_old(now)) {
                self.is_new(Novelty::Facts);
            }
        }
    }

    /// Asks the sources whose devices came, went or changed.
    fn stirred(&mut self, burst: &Burst) {
        // They are heard after all, whatever was to be expected.
        self.can_hear();
        let now = Instant::now();
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(index) else {
                continue;
            };
            let is_about_it = lane
                .subsystems
                .iter()
                .any(|name| burst.subsystems.contains(*name));
            if (is_about_it || burst.is_lossy) && lane.stirred(now) {
                self.wake(index);
            }
        }
    }

    fn can_hear(&mut self) {
        self.heard.store(true, Ordering::Relaxed);
        let now = self.clock.now();
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.name == ears::NAME) else {
            return;
        };
        let was = lane.source.status.clone();
        lane.source.status = SourceStatus::Ok;
        lane.source.last_success = Some(now);
        self.is_new(if was == SourceStatus::Ok {
            Novelty::Times
        } else {
            Novelty::Facts
        });
    }

    /// Asks those once more that were asked after uevents.
    fn ask_again(&mut self, now: Instant) {
        for index in 0..self.lanes.len() {
            let is_due = self
                .lanes
                .get_mut(index)
                .is_some_and(|lane| lane.is_asked_again(now));
            if is_due {
                self.wake(index);
            }
        }
    }

    /// Wakes the topology where the kernel's lists have changed.
    fn look_for_hints(&mut self) {
        if !self.hints.have_changed() {
            return;
        }
        for index in 0..self.lanes.len() {
            if self.lanes.get(index).is_some_and(|lane| lane.name == TOPOLOGY) {
                self.wake(index);
            }
        }
    }

    /// Asks a source at once.
    fn wake(&self, index: usize) {
        let seat = self.bench.seats().iter().find(|seat| seat.index == index);
        if let Some(seat) = seat {
            self.bench.wake(seat);
        } else if let Some((wake, _)) = self.lanes.get(index).and_then(|lane| lane.thread.as_ref()) {
            // Fails only where the collector's thread has ended.
            let _ = wake.send(Now);
        }
    }
}
