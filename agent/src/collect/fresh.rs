//! Sources that are asked at scrape time: one thread asks all of them, and each pass is shared by everybody who scrapes meanwhile.
//!
//! **Invariant**: nobody who scrapes waits for a source that hangs, and a source that hangs holds one thread, never two.

use std::future::Future;
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use collectors::Collector;
use facts::Sheet;
use tokio::sync::watch;

use super::hub::News;
use super::seat::Seat;

/// Two scrapes within this time share one pass: nothing is read twice for two scrapers.
pub const SHARED_FOR: Duration = Duration::from_millis(100);

/// The longest that a scrape waits for a pass. One reads a hundred files of the kernel's memory in a millisecond or two.
pub const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// A pass that ends within this time is waited for where one stands: to sleep and be woken by the runtime, with a timer for the
/// end of the wait and its own wake-up later, costs as much as a tenth of the pass. Whoever else asks meanwhile waits no longer.
const AT_ONCE: Duration = Duration::from_millis(3);

/// A thread that is in the same turn for so long is left to it, and another one asks the other sources.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// The sheets of the sources that are asked at scrape time. Copies share their passes; the default one has no sources.
#[derive(Clone, Debug, Default)]
pub struct Fresh(Arc<Bench>);

impl Fresh {
    /// The sheets, in the order of the roster, none older than [`SHARED_FOR`] where its source answers in time. Asks on the
    /// bench's own thread and waits for at most [`LONGEST_WAIT`]; a source that does not answer has its last sheet, for three beats.
    pub fn sheets(&self) -> impl Future<Output = Vec<Arc<Sheet>>> + Send + use<> {
        let bench = Arc::clone(&self.0);
        async move {
            let mut passes = bench.passes.subscribe();
            let before = *passes.borrow_and_update();
            if let Some(until) = bench.want(Instant::now())
                && !bench.ends_at_once(before)
            {
                // Late or over: what was counted last stands.
                let _ =
                    tokio::time::timeout_at(until.into(), passes.wait_for(|count| *count != before)).await;
            }
            let now = Instant::now();
            bench.seats.iter().filter_map(|seat| seat.sheet(now)).collect()
        }
    }

    pub(super) fn bench(&self) -> &Arc<Bench> {
        &self.0
    }
}

/// The sources on their bench, and the one thread that asks them.
#[derive(Debug)]
pub(super) struct Bench {
    seats: Vec<Seat>,
    desk: Mutex<Desk>,
    bell: Condvar,
    /// Rung when a pass for scrapes has ended.
    end: Condvar,
    /// How many passes for scrapes have ended.
    passes: watch::Sender<u64>,
}

/// What is asked of the thread.
#[derive(Debug, Default)]
struct Desk {
    /// Somebody scrapes.
    is_wanted: bool,
    /// A source was woken.
    is_nudged: bool,
    /// The bench is given up.
    is_over: bool,
    /// The thread that asks now; those before it are stuck, and end when they can.
    thread: u64,
    /// The pass that is under way: when it began, and whether it is for those who scrape.
    under_way: Option<(Instant, bool)>,
    /// When the last pass for a scrape began.
    last: Option<Instant>,
}

/// What a pass is for.
enum Errand {
    Scrape,
    Beats,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench {
            seats: Vec::new(),
            desk: Mutex::default(),
            bell: Condvar::new(),
            end: Condvar::new(),
            passes: watch::Sender::new(0),
        }
    }
}

impl Bench {
    /// Seats the sources, with their places in the roster; asks nothing yet.
    pub(super) fn of(collectors: Vec<(usize, Box<dyn Collector>, Duration)>) -> Fresh {
        let seats = collectors.into_iter();
        let seats = seats.map(|(index, collector, patience)| Seat::new(index, collector, patience));
        Fresh(Arc::new(Bench {
            seats: seats.collect(),
            ..Bench::default()
        }))
    }

    /// The seats, in the order of the roster.
    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Starts the thread that asks, or another one where the last is stuck.
    pub(super) fn start(self: &Arc<Bench>, news: SyncSender<News>) -> io::Result<()> {
        if self.seats.is_empty() {
            return Ok(());
        }
        let mut desk = self.desk();
        desk.thread += 1;
        desk.under_way = None;
        let number = desk.thread;
        drop(desk);
        let bench = Arc::clone(self);
        std::thread::Builder::new()
            .name("see kernel".to_owned())
            .spawn(move || bench.work(number, &news))?;
        Ok(())
    }

    /// Whether the thread is stuck in a source, so that another one is due.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        let is_long = |(began, _)| now.saturating_duration_since(began) > STUCK_AFTER;
        self.desk().under_way.is_some_and(is_long)
    }

    /// Asks a source as soon as the thread is free.
    pub(super) fn wake(&self, seat: &Seat) {
        seat.wake();
        self.desk().is_nudged = true;
        self.bell.notify_all();
    }

    /// Ends the thread after its pass.
    pub(super) fn end(&self) {
        self.desk().is_over = true;
        self.bell.notify_all();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nobody panics while holding it, and a half-written desk would only ask once too often.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a pass, unless the last one is young enough; until when it is worth waiting for.
    fn want(&self, now: Instant) -> Option<Instant> {
        if self.seats.is_empty() {
            return None;
        }
        let mut desk = self.desk();
        let is_young = |began| now.saturating_duration_since(began) <= SHARED_FOR;
        if desk.is_over || desk.last.is_some_and(is_young) {
            return None;
        }
        let began = match desk.under_way {
            Some((began, true)) => began,
            other => {
                desk.is_wanted = true;
                self.bell.notify_all();
                other.map_or(now, |(began, _)| began)
            }
        };
        let until = began + LONGEST_WAIT;
        (until > now).then_some(until)
    }

    /// Waits a moment for a pass after this one; whether it has ended.
    fn ends_at_once(&self, before: u64) -> bool {
        let waited = self
            .end
            .wait_timeout_while(self.desk(), AT_ONCE, |_| *self.passes.borrow() == before);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn work(&self, number: u64, news: &SyncSender<News>) {
        while let Some((errand, began)) = self.next(number) {
            let is_scraped = matches!(errand, Errand::Scrape);
            for seat in &self.seats {
                if seat.take_turn(is_scraped, news).is_err() {
                    // Nobody merges any more.
                    return;
                }
            }
            if !self.done(number, is_scraped.then_some(began)) {
                return;
            }
        }
    }

    /// Waits for the next errand; none where this thread is to end.
    fn next(&self, number: u64) -> Option<(Errand, Instant)> {
        let mut desk = self.desk();
        loop {
            if desk.is_over || desk.thread != number {
                return None;
            }
            let now = Instant::now();
            // A source that hangs on another thread is not due.
            let due = self.seats.iter().filter_map(Seat::due).min();
            let wait = due.map_or(Duration::MAX, |due| due.saturating_duration_since(now));
            if desk.is_wanted || desk.is_nudged || wait.is_zero() {
                let errand = if desk.is_wanted {
                    Errand::Scrape
                } else {
                    Errand::Beats
                };
                desk.under_way = Some((now, desk.is_wanted));
                (desk.is_wanted, desk.is_nudged) = (false, false);
                return Some((errand, now));
            }
            let waited = self.bell.wait_timeout(desk, wait);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A pass has ended; false where another thread does the work now.
    fn done(&self, number: u64, scraped_at: Option<Instant>) -> bool {
        let mut desk = self.desk();
        if desk.thread != number {
            return false;
        }
        desk.under_way = None;
        if scraped_at.is_some() {
            desk.last = scraped_at;
            self.passes.send_modify(|count| *count = count.wrapping_add(1));
            drop(desk);
            self.end.notify_all();
        }
        true
    }
}
