//! One collector on its own thread: it is asked on its beat, or at once when something woke it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::time::{Duration, Instant};

use collectors::{CollectError, Collector};
use facts::NoData;
use facts::observation::Observation;

/// Asks a collector to be asked now, not at its next beat.
pub(super) struct Now;

/// What a beat's thread tells the hub.
pub(super) struct Report {
    /// Which collector.
    pub(super) index: usize,
    /// What it tells.
    pub(super) turn: Turn,
}

/// One turn of a collector.
pub(super) enum Turn {
    /// It has been asked.
    Began,
    /// It has answered.
    Ended {
        answer: Result<Box<Observation>, Silence>,
        took: Duration,
    },
}

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
    report: SyncSender<Report>,
) -> io::Result<Sender<Now>> {
    let (wake, woken) = channel();
    // Fifteen bytes are all that the kernel keeps of a thread's name (prctl(2), PR_SET_NAME).
    let name: String = format!("see {}", collector.name()).chars().take(15).collect();
    std::thread::Builder::new()
        .name(name)
        .spawn(move || run(index, collector, &report, &woken))?;
    Ok(wake)
}

fn run(index: usize, mut collector: Box<dyn Collector>, report: &SyncSender<Report>, woken: &Receiver<Now>) {
    let beat = collector.beat();
    loop {
        let started = Instant::now();
        if report
            .send(Report {
                index,
                turn: Turn::Began,
            })
            .is_err()
        {
            return;
        }
        let answer = ask(collector.as_mut());
        let turn = Turn::Ended {
            answer,
            took: started.elapsed(),
        };
        if report.send(Report { index, turn }).is_err() {
            return;
        }
        match woken.recv_timeout(beat.saturating_sub(started.elapsed())) {
            Ok(Now) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Asks once. A collector that panics has said nothing; it holds no state that a half-done turn could spoil for the next one,
/// because every turn reads all of its files anew.
fn ask(collector: &mut dyn Collector) -> Result<Box<Observation>, Silence> {
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
