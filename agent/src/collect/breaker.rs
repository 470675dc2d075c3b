//! The breaker: a source that hung, or failed several turns in a row, is asked at a growing period; so is one that is not there.

use std::time::Duration;

use facts::NoData;

/// So many turns that failed in a row are no accident.
const FAILURES: u32 = 5;

/// A source that fails is asked every eight beats at least, so that one that is mended is soon seen again.
const MOST_BEATS: u32 = 8;

/// What is not there is asked for once a minute at least: a driver may be loaded without any device that comes.
const LONGEST_ABSENT: Duration = Duration::from_secs(60);

/// And every five minutes at least, however slow its beat.
const LONGEST: Duration = Duration::from_secs(300);

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It spoke.
    Good,
    /// There is nothing that could speak.
    Absent,
    /// It failed.
    Failed,
    /// It took longer than anybody waits for it, whatever came then.
    Hung,
}

impl End {
    /// What a turn was, by the reason of its silence, how long it took, and how long it is waited for.
    pub(super) fn of(silence: Option<NoData>, took: Duration, patience: Duration) -> End {
        if took > patience {
            return End::Hung;
        }
        match silence {
            None => End::Good,
            Some(NoData::Absent) => End::Absent,
            Some(_) => End::Failed,
        }
    }
}

/// How often a source is worth asking, by how its turns ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breaker {
    beat: Duration,
    /// Whether uevents tell of what comes, so that nobody has to look for it often.
    hears: bool,
    /// Turns in a row that failed or hung.
    failures: u32,
    /// Turns in a row that found nothing.
    absences: u32,
    /// In how many beats it is asked again.
    beats: u32,
}

impl Breaker {
    /// Closed: the source is asked on its beat.
    pub(super) fn new(beat: Duration) -> Breaker {
        Breaker {
            beat,
            hears: false,
            failures: 0,
            absences: 0,
            beats: 1,
        }
    }

    /// For a source that is woken by uevents, if `hears` is true: what is not there is not looked for on every beat.
    pub(super) fn hearing(self, hears: bool) -> Breaker {
        Breaker { hears, ..self }
    }

    /// Takes the end of a turn.
    pub(super) fn take(&mut self, end: End) {
        let (failures, absences) = match end {
            End::Good => (0, 0),
            End::Absent => (0, self.absences.saturating_add(1)),
            End::Failed | End::Hung => (self.failures.saturating_add(1), 0),
        };
        let is_rarer = end == End::Hung || failures >= FAILURES || (self.hears && absences >= FAILURES);
        self.beats = match (is_rarer, end) {
            (true, _) => self.beats.saturating_mul(2).min(MOST_BEATS),
            (false, End::Good | End::Absent) => 1,
            (false, End::Failed | End::Hung) => self.beats,
        };
        (self.failures, self.absences) = (failures, absences);
    }

    /// The time from one turn to the next.
    pub(super) fn period(&self) -> Duration {
        let longest = if self.absences > 0 {
            LONGEST_ABSENT
        } else {
            LONGEST
        };
        let longest = longest.max(self.beat);
        self.beat.saturating_mul(self.beats).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn periods(beat: Duration, ends: &[End]) -> Vec<u64> {
        let mut breaker = Breaker::new(beat);
        let each = ends.iter().map(|end| {
            breaker.take(*end);
            breaker.period().as_secs()
        });
        each.collect()
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
        use End::{Failed as F, Good as G};
        let came = periods(SECOND, &[F, F, F, F, F, F, F, F, G, F]);
        assert_eq!(came, [1, 1, 1, 1, 2, 4, 8, 8, 1, 1]);
        assert_eq!(periods(SECOND, &[F, F, F, F, G, F, F, F, F]), [1; 9]);
    }

    #[test]
    fn a_hang_opens_it_at_once_and_no_period_is_longer_than_five_minutes_or_the_beat() {
        assert_eq!(periods(SECOND, &[End::Hung, End::Hung, End::Good]), [2, 4, 1]);
        assert_eq!(periods(SECOND * 60, &[End::Hung; 4]), [120, 240, 300, 300]);
        assert_eq!(periods(SECOND * 3_600, &[End::Hung; 2]), [3_600, 3_600]);
    }

    #[test]
    fn what_is_not_there_is_looked_for_less_often_where_uevents_tell_of_it() {
        use End::{Absent as A, Failed as F, Good as G};
        assert_eq!(periods(SECOND, &[A; 9]), [1; 9]);
        let mut breaker = Breaker::new(SECOND * 5).hearing(true);
        let ends = [A, A, A, A, A, A, A, A, A, G, A, F];
        let came = ends.map(|end| {
            breaker.take(end);
            breaker.period().as_secs()
        });
        assert_eq!(came, [5, 5, 5, 5, 10, 20, 40, 40, 40, 5, 5, 5]);
        let mut rare = Breaker::new(SECOND * 30).hearing(true);
        for _ in 0..9 {
            rare.take(A);
        }
        assert_eq!(rare.period().as_secs(), 60);
    }

    #[test]
    fn what_is_not_there_has_not_failed() {
        let end = |silence, took| End::of(silence, SECOND * took, SECOND * 5);
        assert_eq!(end(None, 1), End::Good);
        assert_eq!(end(Some(NoData::Absent), 1), End::Absent);
        assert_eq!(end(Some(NoData::Refused), 1), End::Failed);
        assert_eq!(end(None, 6), End::Hung);
    }
}
