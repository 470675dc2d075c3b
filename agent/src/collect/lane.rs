//! One source, and what the hub knows of it.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use collectors::Collector;
use facts::observation::Observation;
use facts::{NoData, Sheet, Source, SourceStatus};

use super::beat::{Now, Silence};
use super::hub::BEATS_KEPT;
use super::parts::Parts;
use crate::events::Events;

/// A source that takes turns.
pub(super) struct Lane {
    pub(super) source: Source,
    pub(super) name: &'static str,
    /// How long a turn is waited for.
    pub(super) patience: Duration,
    /// The last observation, without its sheet.
    pub(super) last: Option<(Instant, Box<Observation>)>,
    /// What it counts; `None` for a source on the bench, whose sheets are fetched at scrape time.
    sheet: Option<Arc<Sheet>>,
    /// When the turn began that is under way.
    pub(super) asked_at: Option<Instant>,
    /// Wakes its thread; `None` for a source on the bench.
    pub(super) wake: Option<Sender<Now>>,
    beat: Duration,
    parts: Option<Parts>,
    /// The turn that has been told to hang.
    hung: Option<Instant>,
}

impl Lane {
    /// A source that has not been asked yet.
    pub(super) fn of(collector: &dyn Collector, patience: Duration) -> Lane {
        let (name, beat) = (collector.name(), collector.beat());
        Lane {
            source: Source::pending(name, beat),
            name,
            patience,
            last: None,
            sheet: None,
            asked_at: None,
            wake: None,
            beat,
            parts: None,
            hung: None,
        }
    }

    /// What it counts, for as long as what it saw is kept.
    pub(super) fn sheet(&self) -> Option<Arc<Sheet>> {
        self.last.as_ref().and(self.sheet.clone())
    }

    /// Takes what it saw; true where the view is another now.
    pub(super) fn see(&mut self, mut seen: Box<Observation>, events: &Events) -> bool {
        let sheet = seen.sheet.take().map(Arc::new);
        let mut is_changed = self.source.status != SourceStatus::Ok || sheet.is_some();
        self.sheet = sheet;
        let now = Instant::now();
        match &mut self.last {
            Some((seen_at, last)) if *last == seen => *seen_at = now,
            _ => {
                self.now_has(Parts::of(&seen), events);
                self.last = Some((now, seen));
                is_changed = true;
            }
        }
        if matches!(self.source.status, SourceStatus::Down { .. }) {
            events.tell("source_up", format!("source {} speaks again", self.name));
        }
        self.source.status = SourceStatus::Ok;
        is_changed
    }

    /// Its parts are gone for certain.
    pub(super) fn forget(&mut self, events: &Events) {
        self.now_has(Parts::default(), events);
        self.last = None;
    }

    fn now_has(&mut self, parts: Parts, events: &Events) {
        if let Some(before) = &self.parts {
            for (kind, message) in parts.since(before) {
                events.tell(kind, message);
            }
        }
        self.parts = Some(parts);
    }

    /// It says nothing; true where the view is another now.
    pub(super) fn down(&mut self, silence: Silence, events: &Events) -> bool {
        let Silence { reason, message } = silence;
        if matches!(self.source.status, SourceStatus::Ok) {
            events.tell(
                "source_down",
                format!("source {} is {reason}: {message}", self.name),
            );
        }
        let status = SourceStatus::Down { reason, message };
        let is_changed = self.source.status != status;
        self.source.status = status;
        is_changed
    }

    /// Why it says nothing, once for each turn that hangs.
    pub(super) fn hangs(&mut self, now: Instant) -> Option<Silence> {
        let asked_at = self.asked_at?;
        let is_late = now.saturating_duration_since(asked_at) > self.patience;
        if !is_late || self.hung == Some(asked_at) {
            return None;
        }
        self.hung = Some(asked_at);
        let seconds = self.patience.as_secs();
        Some(Silence {
            reason: NoData::Timeout,
            message: format!("no answer within {seconds} s; it is still being asked"),
        })
    }

    /// Drops what nobody renewed; true where there was something.
    pub(super) fn drop_old(&mut self, now: Instant) -> bool {
        let kept_for = self.beat.saturating_mul(BEATS_KEPT).max(self.patience);
        let is_old = |(seen_at, _): &(Instant, _)| now.saturating_duration_since(*seen_at) > kept_for;
        let is_down = matches!(self.source.status, SourceStatus::Down { .. });
        is_down && self.last.take_if(|last| is_old(last)).is_some()
    }
}
