//! One source that is asked at scrape time, as it sits on the bench.

use std::fmt;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use collectors::Collector;
use facts::{NoData, Sheet};

use super::beat::{self, Ended, Report};
use super::breaker::{Breaker, End};
use super::hub::{BEATS_KEPT, News};

/// The hub is gone.
pub(super) struct Gone;

/// A source and what it last counted.
pub(super) struct Seat {
    /// Its place in the roster.
    pub(super) index: usize,
    beat: Duration,
    patience: Duration,
    /// Locked while it is asked, for as long as it hangs.
    collector: Mutex<Box<dyn Collector>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sheet: Option<Arc<Sheet>>,
    /// When it last spoke.
    spoke_at: Option<Instant>,
    /// Since when it is being asked.
    asked_at: Option<Instant>,
    /// When its next beat is.
    due: Instant,
    /// It has nothing to say, and is asked on its beat only.
    is_silent: bool,
    /// Values that were none, not yet told to the hub.
    invalid: u64,
    breaker: Breaker,
}

impl fmt::Debug for Seat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Seat")
            .field("index", &self.index)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Seat {
    pub(super) fn new(index: usize, collector: Box<dyn Collector>, patience: Duration) -> Seat {
        let beat = collector.beat();
        Seat {
            index,
            beat,
            patience,
            collector: Mutex::new(collector),
            state: Mutex::new(State {
                sheet: None,
                spoke_at: None,
                asked_at: None,
                due: Instant::now(),
                is_silent: false,
                invalid: 0,
                breaker: Breaker::new(beat),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Held for moments only, in which nothing can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last sheet, for three beats.
    pub(super) fn sheet(&self, now: Instant) -> Option<Arc<Sheet>> {
        let state = self.state();
        let kept_for = self.beat.saturating_mul(BEATS_KEPT).max(self.patience);
        let is_fit = |spoke_at| now.saturating_duration_since(spoke_at) <= kept_for;
        state
            .spoke_at
            .is_some_and(is_fit)
            .then(|| state.sheet.clone())
            .flatten()
    }

    /// Since when it is being asked.
    pub(super) fn asked_at(&self) -> Option<Instant> {
        self.state().asked_at
    }

    /// When it is due; never while it is being asked.
    pub(super) fn due(&self) -> Option<Instant> {
        let state = self.state();
        state.asked_at.is_none().then_some(state.due)
    }

    /// Makes it due at once.
    pub(super) fn wake(&self) {
        self.state().due = Instant::now();
    }

    /// Asks it where it is due, or where somebody scrapes and it has something to say. The hub hears of beats and of changes
    /// between speech and silence; a turn for a scrape alone only leaves its sheet.
    pub(super) fn take_turn(&self, is_scraped: bool, news: &SyncSender<News>) -> Result<(), Gone> {
        let mut collector = match self.collector.try_lock() {
            Ok(collector) => collector,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread hangs in it.
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        let started = Instant::now();
        let mut state = self.state();
        let is_due = state.due <= started;
        if !is_due && (!is_scraped || state.is_silent) {
            return Ok(());
        }
        state.asked_at = Some(started);
        drop(state);
        let mut answer = beat::ask(collector.as_mut());
        let took = started.elapsed();
        let mut state = self.state();
        state.asked_at = None;
        state.invalid = state.invalid.saturating_add(beat::invalid(&answer));
        let silence = answer.as_ref().err().map(|silence| silence.reason);
        let end = End::of(silence, took, self.patience);
        match &mut answer {
            Ok(seen) => {
                state.sheet = seen.sheet.take().map(Arc::new);
                state.spoke_at = Some(started);
            }
            // Absent means that there is nothing to count; anything else means that we do not see it just now.
            Err(silence) if silence.reason == NoData::Absent => state.sheet = None,
            Err(_) => {}
        }
        let is_changed = state.is_silent != answer.is_err() || end == End::Hung;
        state.is_silent = answer.is_err();
        if !is_due && !is_changed {
            return Ok(());
        }
        state.breaker.take(end);
        let period = state.breaker.period();
        // A beat that was missed is not made up for.
        state.due = started + period;
        let invalid = std::mem::take(&mut state.invalid);
        drop(state);
        let ended = Ended {
            answer,
            took,
            period,
            invalid,
        };
        let index = self.index;
        news.send(News::Turn(Report { index, ended })).map_err(|_| Gone)
    }
}
