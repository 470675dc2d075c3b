//! A BMC's event stream: each event calls its eye, nothing more. A stream that ends is opened again, with longer and longer rests.
//!
//! An event that comes twice, or late once more, is folded into the one that was. Where numbers are missing, the stream ended, or the
//! BMC dropped our subscription without a word (they do, when they restart), everything is read again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bmc::{Bmc, BmcError, Hint};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::line::Line;
use super::pace::Pace;
use super::{Nerve, chain};

/// The first rest after a stream ended; doubles.
const FIRST_REST: Duration = Duration::from_millis(500);
/// Where the BMC has no stream, it is asked again in case it was updated meanwhile; polling goes on all the time.
const WITHOUT_STREAM: Duration = Duration::from_secs(600);
/// Events that are remembered, to know one that comes again: more than any BMC repeats.
const REMEMBERED: usize = 64;
/// Numbers that lie further apart than this are no numbers of events but times or the like.
const MOST_MISSING: u64 = 10_000;

pub(super) async fn follow(line: Arc<Line>, nerve: Nerve) {
    let mut connection = line.connection();
    let mut stopping = nerve.stopping.clone();
    let mut pace = Pace::new(FIRST_REST);
    let mut lists_streams = false;
    loop {
        let bmc = tokio::select! {
            bmc = connection.wait_for(Option::is_some) => bmc.ok().and_then(|bmc| bmc.clone()),
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let Some(bmc) = bmc else { return };
        let rest = tokio::select! {
            ended = stream(&bmc, &line, &nerve, &mut pace, &mut lists_streams) => ended,
            _ = connection.wait_for(Option::is_none) => Duration::ZERO,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Follows one stream to its end; how long to rest then. `lists_streams`: whether the BMC has ever listed a stream of ours.
async fn stream(
    bmc: &Bmc,
    line: &Line,
    nerve: &Nerve,
    pace: &mut Pace,
    lists_streams: &mut bool,
) -> Duration {
    let before = subscriptions(bmc, line).await;
    let mut hints = match bmc::events(bmc).await {
        Ok(hints) => hints,
        Err(error @ BmcError::Refused { .. }) => {
            tracing::info!(bmc = line.name(), "polling only: {}", chain(&error));
            return WITHOUT_STREAM;
        }
        Err(error) => {
            tracing::debug!(bmc = line.name(), "no event stream: {}", chain(&error));
            return pace.failed();
        }
    };
    let after = subscriptions(bmc, line).await;
    let ours: BTreeSet<String> = after.difference(&before).cloned().collect();
    *lists_streams |= !ours.is_empty();
    // What happened before the stream was open was not told: read everything once.
    line.look_now();
    let mut known = Known::default();
    let every = line.config().reconcile_interval;
    let mut reconcile = tokio::time::interval_at(Instant::now() + every, every);
    loop {
        let hint = tokio::select! {
            hint = hints.next() => hint,
            _ = reconcile.tick() => {
                if *lists_streams && is_dropped(bmc, line, &ours).await {
                    tracing::info!(bmc = line.name(), "the BMC dropped our subscription; it is made anew");
                    nerve.own.resubscribed(line.name(), "dropped");
                    return Duration::ZERO;
                }
                continue;
            }
        };
        match hint {
            Some(Ok(hint)) => {
                pace.answered(Duration::ZERO);
                take(&hint, &mut known, line, nerve);
            }
            Some(Err(error)) => {
                tracing::debug!(bmc = line.name(), "the event stream ended: {}", chain(&error));
                nerve.own.resubscribed(line.name(), "ended");
                return pace.failed();
            }
            None => return pace.failed(),
        }
    }
}

fn take(hint: &Hint, known: &mut Known, line: &Line, nerve: &Nerve) {
    // Several records of one event are one call of the eye.
    if hint.record > 0 {
        return;
    }
    nerve.own.hint(line.name());
    match known.hear(hint) {
        News::Again => nerve.own.folded(line.name()),
        News::New => line.look_now(),
        News::AfterAGap => {
            nerve.own.resubscribed(line.name(), "gap");
            line.look_now();
        }
    }
}

/// What the BMC lists of subscriptions; empty where it lists none, or does not say.
async fn subscriptions(bmc: &Bmc, line: &Line) -> BTreeSet<String> {
    match bmc::subscriptions(bmc).await {
        Ok(listed) => listed.unwrap_or_default(),
        Err(error) => {
            tracing::debug!(bmc = line.name(), "no list of subscriptions: {}", chain(&error));
            BTreeSet::new()
        }
    }
}

/// Whether the BMC, which lists streams, does not know ours any more: it may have forgotten it before we first looked. One that cannot be
/// asked is not judged: its eye finds out.
async fn is_dropped(bmc: &Bmc, line: &Line, ours: &BTreeSet<String>) -> bool {
    match bmc::subscriptions(bmc).await {
        Ok(Some(listed)) => ours.is_empty() || !ours.is_subset(&listed),
        Ok(None) => true,
        Err(error) => {
            tracing::debug!(bmc = line.name(), "no list of subscriptions: {}", chain(&error));
            false
        }
    }
}

/// What one stream has told.
#[derive(Debug, Default)]
struct Known {
    events: VecDeque<u64>,
    last: Option<u64>,
}

/// What an event is beside those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// It was told before, word for word.
    Again,
    /// It was not.
    New,
    /// It was not, and numbers between are missing.
    AfterAGap,
}

impl Known {
    fn hear(&mut self, hint: &Hint) -> News {
        if self.events.contains(&hint.event) {
            return News::Again;
        }
        self.events.push_back(hint.event);
        if self.events.len() > REMEMBERED {
            self.events.pop_front();
        }
        // A number that is no number, or begins anew, says nothing about what is missing.
        let Some(number) = hint.id.as_deref().and_then(|id| id.parse::<u64>().ok()) else {
            return News::New;
        };
        let missing = self
            .last
            .map_or(0, |last| number.saturating_sub(last.saturating_add(1)));
        self.last = Some(number.max(self.last.unwrap_or_default()));
        if (1..MOST_MISSING).contains(&missing) {
            News::AfterAGap
        } else {
            News::New
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(events: &[(&str, u64)]) -> Vec<News> {
        let mut known = Known::default();
        let hear = |(id, event): &(&str, u64)| {
            known.hear(&Hint {
                id: Some((*id).to_owned()),
                event: *event,
                ..Hint::default()
            })
        };
        events.iter().map(hear).collect()
    }

    #[test]
    fn what_comes_twice_is_folded_and_what_is_missing_is_noticed() {
        use News::{AfterAGap, Again, New};
        // Doubled at once, and late once more.
        assert_eq!(
            heard(&[("4", 40), ("4", 40), ("5", 50), ("4", 40)]),
            [New, Again, New, Again]
        );
        assert_eq!(heard(&[("4", 40), ("7", 70), ("8", 80)]), [New, AfterAGap, New]);
        // One that comes late for the first time is news, and leaves no gap behind it.
        assert_eq!(
            heard(&[("4", 40), ("6", 60), ("5", 50), ("7", 70)]),
            [New, AfterAGap, New, New]
        );
        // A BMC that gives every event the same number is heard all the same.
        assert_eq!(heard(&[("1", 10), ("1", 11), ("1", 12)]), [New, New, New]);
        assert_eq!(
            heard(&[("x", 1), ("1700000000000", 2), ("1700000060000", 3)]),
            [New, New, New]
        );
    }
}
