//! The collectors' beats: each source on a thread of its own, its last observation kept, all of them merged into the view.
//!
//! **Invariant**: a source that hangs, fails or panics is shown as down and holds up nobody else, the first scrape included.

mod beat;
mod energy;
mod hub;
mod parts;

use std::io;
use std::time::Duration;

use collectors::{Collector, Root};

use crate::clock::Clock;
use crate::events::Events;
use crate::view::Board;
use hub::Hub;

/// How many reports of turns may wait for the hub. Each of the dozen sources has at most two under way.
const MOST_REPORTS: usize = 64;

/// How patient the hub is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A turn may take three beats, and this long at least: a busy machine is no broken source.
    pub least: Duration,
    /// And this long at most: nobody waits three minutes for a source that is asked once a minute.
    pub most: Duration,
    /// How often the hub looks at its watches: turns that hang, and CPUs that came or went.
    pub tick: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            least: Duration::from_secs(5),
            most: Duration::from_secs(30),
            tick: Duration::from_millis(500),
        }
    }
}

/// Runs the collectors until the process ends or this is dropped.
#[derive(Debug)]
pub struct Collect {
    /// Dropping it stops the hub, and with it the beats.
    _stop: std::sync::mpsc::Sender<()>,
}

impl Collect {
    /// Starts a thread for each collector and one that merges. The view with all sources pending is there when this returns.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn start(
        root: Root,
        collectors: Vec<Box<dyn Collector>>,
        patience: Patience,
        clock: Clock,
        board: Board,
        events: Events,
    ) -> io::Result<Collect> {
        let (report, reports) = std::sync::mpsc::sync_channel(MOST_REPORTS);
        let (stop, stopped) = std::sync::mpsc::channel();
        let mut hub = Hub::new(root, patience, clock, board, events);
        for (index, collector) in collectors.into_iter().enumerate() {
            hub.add(collector.name(), collector.beat());
            let wake = beat::start(index, collector, report.clone())?;
            hub.wake_by(index, wake);
        }
        hub.publish();
        std::thread::Builder::new()
            .name("collect".to_owned())
            .spawn(move || hub.run(&reports, &stopped))?;
        Ok(Collect { _stop: stop })
    }
}

#[cfg(test)]
#[path = "collect/tests.rs"]
mod tests;
