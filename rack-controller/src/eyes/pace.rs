//! How long an eye rests between two looks: longer where answers are slow, longer after each failure.

use std::time::Duration;

/// A look may take a fifth of the time at most: a BMC that answers slowly is asked more seldom.
const REST_A_LOOK: u32 = 4;
/// No rest is longer than this: what came back must be found.
const LONGEST: Duration = Duration::from_secs(30);
/// A first rest after a failure is not shorter than this, however fast the polling is.
const SHORTEST_AFTER_FAILURE: Duration = Duration::from_millis(250);
/// Doublings after which the rest grows no more; the longest rest is reached before.
const MOST_DOUBLINGS: u32 = 10;

/// The pace of one eye.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    failures: u32,
}

impl Pace {
    pub(super) const fn new(interval: Duration) -> Pace {
        Pace {
            interval,
            failures: 0,
        }
    }

    /// The rest after a look that was answered and took this long.
    pub(super) fn answered(&mut self, took: Duration) -> Duration {
        self.failures = 0;
        let slow = took.saturating_mul(REST_A_LOOK).min(LONGEST);
        self.interval.max(slow)
    }

    /// The rest after a look that failed.
    pub(super) fn failed(&mut self) -> Duration {
        let doublings = self.failures.min(MOST_DOUBLINGS);
        self.failures = self.failures.saturating_add(1);
        let first = self.interval.max(SHORTEST_AFTER_FAILURE);
        first
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST.max(self.interval))
    }

    /// Looks that failed since the last one that was answered.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_or_failing_is_asked_more_seldom_and_never_forgotten() {
        let mut pace = Pace::new(Duration::from_secs(5));
        assert_eq!(pace.answered(Duration::from_millis(100)), Duration::from_secs(5));
        assert_eq!(pace.answered(Duration::from_secs(3)), Duration::from_secs(12));
        assert_eq!(pace.answered(Duration::from_secs(3_000)), LONGEST);
        let rests: Vec<u64> = (0..5).map(|_| pace.failed().as_secs()).collect();
        assert_eq!(rests, [5, 10, 20, 30, 30]);
        assert_eq!(pace.answered(Duration::ZERO), Duration::from_secs(5));
        assert_eq!(pace.failed(), Duration::from_secs(5));
        let mut slow = Pace::new(Duration::from_secs(60));
        slow.failed();
        assert_eq!(slow.failed(), Duration::from_secs(60));
    }
}
