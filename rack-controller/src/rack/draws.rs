//! What a node drew lately: the most of it, over a window. Seen, never journaled: after a start everything is watched anew.

use std::collections::VecDeque;
use std::time::Duration;

use facts::{Moment, Power};

/// Readings within so long are kept as one: their peak.
const BUCKET: Duration = Duration::from_secs(5);
/// The longest window there is, in buckets, and one that is under way.
const MOST_BUCKETS: usize = 721;

/// Readings of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draws {
    /// Peaks, with when each bucket began, the oldest first.
    buckets: VecDeque<(Moment, Power)>,
    /// The first reading since which there was no gap.
    since: Option<Moment>,
    /// The last reading.
    last: Option<(Moment, Power)>,
}

impl Draws {
    /// One more reading. Where the one before is older than `stale`, nobody knows what was drawn meanwhile, and all is watched anew.
    pub fn see(&mut self, now: Moment, drawn: Power, stale: Duration) {
        if self.last(now, stale).is_none() {
            self.begin_anew();
        }
        self.last = Some((now, drawn));
        self.since = self.since.or(Some(now));
        match self.buckets.back_mut() {
            Some((began, peak)) if now.since(*began) < BUCKET => *peak = (*peak).max(drawn),
            Some(_) | None => self.buckets.push_back((now, drawn)),
        }
        if self.buckets.len() > MOST_BUCKETS {
            self.buckets.pop_front();
        }
    }

    /// Everything before now is forgotten, but for the last reading.
    pub fn begin_anew(&mut self) {
        self.buckets.clear();
        self.since = None;
    }

    /// What it draws, where that was told no longer ago than `stale`.
    pub fn last(&self, now: Moment, stale: Duration) -> Option<Power> {
        self.last
            .filter(|(at, _)| now.since(*at) <= stale)
            .map(|(_, drawn)| drawn)
    }

    /// What was told last of what it draws, and when.
    pub fn told(&self) -> Option<(Power, Moment)> {
        self.last.map(|(at, drawn)| (drawn, at))
    }

    /// The most that it drew within the window up to now; `None` while it was not watched for so long without a gap.
    pub fn peak(&self, now: Moment, window: Duration, stale: Duration) -> Option<Power> {
        // A reading from before the window says nothing of it, however long readings may be waited for.
        self.last(now, stale.min(window))?;
        if now.since(self.since?) < window {
            return None;
        }
        let within = self
            .buckets
            .iter()
            .filter(|(began, _)| now.since(*began) < window.saturating_add(BUCKET));
        within.map(|(_, peak)| *peak).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(1_000_000 + seconds * 1_000)
    }

    fn watts(watts: u64) -> Power {
        Power::from_milliwatts(watts * 1_000)
    }

    #[test]
    fn a_peak_is_known_after_a_whole_window_and_forgotten_after_the_next() {
        let window = Duration::from_secs(60);
        let mut draws = Draws::default();
        for second in 0..60 {
            draws.see(at(second), watts(if second == 7 { 700 } else { 300 }), STALE);
            assert_eq!(draws.peak(at(second), window, STALE), None, "{second}");
        }
        draws.see(at(60), watts(300), STALE);
        assert_eq!(draws.peak(at(60), window, STALE), Some(watts(700)));
        for second in 61..140 {
            draws.see(at(second), watts(310), STALE);
        }
        assert_eq!(draws.peak(at(140), window, STALE), Some(watts(310)));
    }

    #[test]
    fn after_a_gap_it_is_watched_anew() {
        let window = Duration::from_secs(10);
        let mut draws = Draws::default();
        for second in 0..=20 {
            draws.see(at(second), watts(300), STALE);
        }
        assert_eq!(draws.peak(at(20), window, STALE), Some(watts(300)));
        assert_eq!(draws.last(at(50), STALE), Some(watts(300)));
        assert_eq!(
            (draws.last(at(51), STALE), draws.peak(at(51), window, STALE)),
            (None, None),
            "nobody tells"
        );
        draws.see(at(60), watts(900), STALE);
        assert_eq!(draws.peak(at(60), window, STALE), None);
        for second in 61..=70 {
            draws.see(at(second), watts(300), STALE);
        }
        assert_eq!(draws.peak(at(70), window, STALE), Some(watts(900)));
        assert_eq!(
            draws.peak(at(81), window, STALE),
            None,
            "nothing was told within the window"
        );
        draws.begin_anew();
        assert_eq!(draws.peak(at(70), window, STALE), None);
        assert_eq!(draws.last(at(70), STALE), Some(watts(300)));
    }
}
