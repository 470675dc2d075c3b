//! One collector on its own thread: it is asked on its beat, or at once when something woke it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use collectors::{CollectError, Collector};
use facts::NoData;
use facts::observation::Observation;

use super::breaker::{Breaker, End};
use super::hub::News;

/// Asks a collector to be asked now, not at its next beat.
pub(super) struct Now;

/// What a collector's turn tells the hub.
pub(super) struct Report {
    /// Which collector.
    pub(super) index: usize,
    /// How its turn ended.
    pub(super) ended: Ended,
}

/// Since when a collector is being asked: written by its thread, read by the hub at its tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<Option<Instant>>>);

impl Asked {
    /// Since when; `None` between two turns.
    pub(super) fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// An answer.
pub(super) struct Ended {
    /// What it said, or why it said nothing.
    pub(super) answer: Answer,
    /// How long it took.
    pub(super) took: Duration,
    /// When it is asked again, from the beginning of this turn.
    pub(super) period: Duration,
    /// How many values were none, in all turns since the last report.
    pub(super) invalid: u64,
}

/// What a collector said, or why it said nothing.
pub(super) type Answer = Result<Box<Observation>, Silence>;

/// Why a collector said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) reason: NoData,
    pub(super) message: String,
}

impl From<&CollectError> for Silence {
    fn from(error: &CollectError) -> Silence {
        Silence {
            reason: error.reason,
            message: error.explain(),
        }
    }
}

/// Starts the thread. It ends when the returned sender is dropped, or when nobody takes its reports.
pub(super) fn start(
    index: usize,
    collector: Box<dyn Collector>,
    patience: Duration,
    heard: Arc<AtomicBool>,
    news: SyncSender<News>,
) -> io::Result<(Sender<Now>, Asked)> {
    let (wake, woken) = channel();
    let asked = Asked::default();
    let breaker = Breaker::new(collector.beat());
    let place = Place {
        index,
        patience,
        asked: asked.clone(),
        heard,
        news,
    };
    // Fifteen bytes are all that the kernel keeps of a thread's name (prctl(2), PR_SET_NAME).
    let name: String = format!("see {}", collector.name()).chars().take(15).collect();
    std::thread::Builder::new()
        .name(name)
        .spawn(move || run(&place, collector, breaker, &woken))?;
    Ok((wake, asked))
}

/// A collector's place beside the hub.
struct Place {
    index: usize,
    patience: Duration,
    asked: Asked,
    /// Whether uevents are heard, as the hub knows it.
    heard: Arc<AtomicBool>,
    news: SyncSender<News>,
}

fn run(place: &Place, mut collector: Box<dyn Collector>, mut breaker: Breaker, woken: &Receiver<Now>) {
    loop {
        let started = Instant::now();
        place.asked.set(Some(started));
        let answer = ask(collector.as_mut());
        place.asked.set(None);
        let took = started.elapsed();
        let invalid = invalid(&answer);
        breaker = breaker.hearing(place.heard.load(Ordering::Relaxed));
        breaker.take(End::of(
            answer.as_ref().err().map(|silence| silence.reason),
            took,
            place.patience,
        ));
        let period = breaker.period();
        let ended = Ended {
            answer,
            took,
            period,
            invalid,
        };
        let index = place.index;
        if place.news.send(News::Turn(Report { index, ended })).is_err() {
            return;
        }
        match woken.recv_timeout(period.saturating_sub(started.elapsed())) {
            // However often it was woken while it was asked: once more is enough.
            Ok(Now) => while woken.try_recv().is_ok() {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// How many values of an answer were none.
pub(super) fn invalid(answer: &Answer) -> u64 {
    let sheet = answer.as_ref().ok().and_then(|seen| seen.sheet.as_ref());
    sheet.map_or(0, |sheet| sheet.invalid())
}

/// Asks once. A collector that panics has said nothing; it holds no state that a half-done turn could spoil for the next one,
/// because every turn reads all of its files anew.
pub(super) fn ask(collector: &mut dyn Collector) -> Answer {
    match catch_unwind(AssertUnwindSafe(|| collector.collect())) {
        Ok(Ok(observation)) => Ok(Box::new(observation)),
        Ok(Err(error)) => Err(Silence::from(&error)),
        Err(panic) => Err(Silence {
            reason: NoData::Garbled,
            message: format!(
                "the collector {} broke: {}",
                collector.name(),
                spoken(panic.as_ref())
            ),
        }),
    }
}

fn spoken(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}
