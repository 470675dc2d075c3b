//! One source, and what the hub knows of it.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use collectors::Collector;
use facts::observation::Observation;
use facts::{NoData, Sheet, Source, SourceStatus};

use super::beat::{Asked, Now, Silence};
use super::hub::BEATS_KEPT;
use super::parts::{Change, Parts};

/// After a burst of uevents a source is asked at once, and once more after this time.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// After so many bursts that follow one another a source is asked at once, where its turns are short; after more of them at its
/// pace. A device that comes is several bursts: an NVMe controller comes first, and its drive in a burst of its own.
const MOST_AT_ONCE: u32 = 4;

/// A turn that is this short, in seconds, may come a few times more.
const SHORT_SECONDS: f64 = 0.1;

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
    /// Wakes its thread, and since when that asks; `None` for a source on the bench.
    pub(super) thread: Option<(Sender<Now>, Asked)>,
    /// The subsystems after whose uevents it is asked at once.
    pub(super) subsystems: &'static [&'static str],
    beat: Duration,
    parts: Option<Parts>,
    /// When it is asked once more after a burst of uevents, and whether another burst came since the first.
    again: Option<(Instant, bool)>,
    /// How many bursts came one after another for which it was asked at once.
    bursts: u32,
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
            thread: None,
            subsystems: collector.subsystems(),
            beat,
            parts: None,
            again: None,
            bursts: 0,
            hung: None,
        }
    }

    /// The kernel's events: a source without a collector, which is never asked.
    pub(super) fn of_ears(name: &'static str) -> Lane {
        let mut source = Source::pending(name, Duration::ZERO);
        source.interval_seconds = None;
        Lane {
            source,
            name,
            patience: Duration::MAX,
            last: None,
            sheet: None,
            asked_at: None,
            thread: None,
            subsystems: &[],
            beat: Duration::ZERO,
            parts: None,
            again: None,
            bursts: 0,
            hung: None,
        }
    }

    /// A burst of uevents is about it: true where it is to be asked at once. It is asked once more later, because a driver
    /// binds to a device after the device has come. In a storm it is asked no more often than that.
    pub(super) fn stirred(&mut self, now: Instant) -> bool {
        let is_short = self
            .source
            .duration_seconds
            .is_some_and(|seconds| seconds <= SHORT_SECONDS);
        match &mut self.again {
            Some((_, more)) if !is_short || self.bursts >= MOST_AT_ONCE => {
                *more = true;
                return false;
            }
            Some(_) => self.bursts += 1,
            None => self.bursts = 1,
        }
        self.again = Some((now + ASK_AGAIN, false));
        true
    }

    /// When it is to be asked once more.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again.map(|(at, _)| at)
    }

    /// Whether it is to be asked once more now.
    pub(super) fn is_asked_again(&mut self, now: Instant) -> bool {
        let Some((at, more)) = self.again.filter(|(at, _)| *at <= now) else {
            return false;
        };
        // What came last may not have its driver yet.
        self.again = more.then_some((at.max(now) + ASK_AGAIN, false));
        true
    }

    /// What it counts, for as long as what it saw is kept.
    pub(super) fn sheet(&self) -> Option<Arc<Sheet>> {
        self.last.as_ref().and(self.sheet.clone())
    }

    /// Takes what it saw; true where the view is another now.
    pub(super) fn see(&mut self, mut seen: Box<Observation>, told: &mut Vec<Change>) -> bool {
        let sheet = seen.sheet.take().map(Arc::new);
        let had_sheet = self.last.is_some() && self.sheet.is_some();
        let mut is_changed = self.source.status != SourceStatus::Ok || had_sheet != sheet.is_some();
        self.sheet = sheet;
        let now = Instant::now();
        match &mut self.last {
            Some((seen_at, last)) if *last == seen => *seen_at = now,
            _ => {
                self.now_has(Parts::of(&seen), told);
                self.last = Some((now, seen));
                is_changed = true;
            }
        }
        if matches!(self.source.status, SourceStatus::Down { .. }) {
            told.push(("source_up", format!("source {} speaks again", self.name)));
        }
        self.source.status = SourceStatus::Ok;
        is_changed
    }

    /// Its parts are gone for certain.
    pub(super) fn forget(&mut self, told: &mut Vec<Change>) {
        self.now_has(Parts::default(), told);
        self.last = None;
    }

    fn now_has(&mut self, mut parts: Parts, told: &mut Vec<Change>) {
        if let Some(before) = &self.parts {
            told.extend(parts.since(before));
        }
        self.parts = Some(parts);
    }

    /// It says nothing; true where the view is another now.
    pub(super) fn down(&mut self, silence: Silence, told: &mut Vec<Change>) -> bool {
        let Silence { reason, message } = silence;
        if matches!(self.source.status, SourceStatus::Ok) {
            told.push((
                "source_down",
                format!("source {} is {reason}: {message}", self.name),
            ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_that_follow_one_another_bring_a_turn_now_and_then_and_one_after_the_last() {
        let mut lane = Lane::of_ears("lane");
        let start = Instant::now();
        assert!(lane.stirred(start), "the first burst asks at once");
        for step in 1..5_u32 {
            assert!(
                !lane.stirred(start + ASK_AGAIN * step / 10),
                "the turn that is planned will see it"
            );
        }
        assert!(!lane.is_asked_again(start));
        assert!(lane.is_asked_again(start + ASK_AGAIN));
        assert_eq!(
            lane.again_at(),
            Some(start + ASK_AGAIN * 2),
            "more came: once more"
        );
        assert!(lane.is_asked_again(start + ASK_AGAIN * 2));
        assert_eq!(lane.again_at(), None, "nothing came since");
        assert!(lane.stirred(start + ASK_AGAIN * 3));
    }

    #[test]
    fn a_drive_that_comes_behind_its_controller_is_not_waited_for() {
        let mut lane = Lane::of_ears("lane");
        lane.source.duration_seconds = Some(0.002);
        let start = Instant::now();
        let step = ASK_AGAIN / 10;
        let asked = |lane: &mut Lane| (0..20).filter(|turn| lane.stirred(start + step * *turn)).count();
        assert_eq!(
            asked(&mut lane),
            4,
            "a few bursts are asked for at once, a storm is not"
        );
        assert_eq!(
            lane.again_at(),
            Some(start + step * 3 + ASK_AGAIN),
            "and once more, later"
        );
        assert!(lane.is_asked_again(start + step * 3 + ASK_AGAIN));
        assert!(
            !lane.stirred(start + ASK_AGAIN * 2),
            "the storm goes on at its pace"
        );
        while let Some(at) = lane.again_at() {
            assert!(lane.is_asked_again(at));
        }
        assert_eq!(asked(&mut lane), 4, "after silence all is as before");
    }
}
