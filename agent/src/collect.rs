//! The collectors' beats: each source on a thread of its own, its last observation kept, all of them merged into the view.
//!
//! **Invariant**: a source that hangs, fails or panics is shown as down and holds up nobody else, the first scrape included.

mod beat;
mod breaker;
mod ears;
mod energy;
mod fresh;
mod hints;
mod hub;
mod lane;
mod parts;
mod seat;

use std::io;
use std::time::Duration;

use collectors::{Collector, Root};

use crate::clock::Clock;
use crate::events::Events;
use crate::view::Board;
use fresh::Bench;
pub use fresh::{Fresh, LONGEST_WAIT, SHARED_FOR};
use hub::{Faces, Hub};
use lane::Lane;

/// How many news may wait for the hub. Each of some twenty sources has one under way at most; the rest is room for uevents.
const MOST_NEWS: usize = 64;

/// How patient the hub is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A turn may take two beats, so that one that hangs is told within three whatever tick and load add, and this long at
    /// least: a busy machine is no broken source.
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
            tick: Duration::from_secs(1),
        }
    }
}

impl Patience {
    /// How long a turn of a source is waited for.
    fn with(&self, beat: Duration) -> Duration {
        beat.saturating_mul(2).clamp(self.least, self.most)
    }
}

/// Runs the collectors until the process ends or this is dropped.
#[derive(Debug)]
pub struct Collect {
    fresh: Fresh,
    /// Dropping it stops the hub, and with it the beats.
    _stop: std::sync::mpsc::Sender<()>,
    /// Dropping it ends the thread that hears uevents.
    _ears: Option<std::io::PipeWriter>,
}

impl Collect {
    /// Starts a thread for each collector that may be slow, one for all that are cheap, one that
    /// hears uevents where the machine is this one, and one that merges. The view with all
    /// sources pending is there when this returns.
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
        let (tell, news) = std::sync::mpsc::sync_channel(MOST_NEWS);
        let (stop, stopped) = std::sync::mpsc::channel();
        let (mut lanes, mut seats, mut slow) = (Vec::new(), Vec::new(), Vec::new());
        for (index, collector) in collectors.into_iter().enumerate() {
            let patience = patience.with(collector.beat());
            lanes.push(Lane::of(collector.as_ref(), patience));
            if collector.is_cheap() {
                seats.push((index, collector, patience));
            } else {
                slow.push((index, collector, patience));
            }
        }
        // What stands in the files of a recorded machine does not change with this machine's devices.
        let listens = root.is_host();
        let asked_for = lanes
            .iter()
            .flat_map(|lane| lane.subsystems.iter().copied())
            .collect();
        if listens {
            lanes.push(Lane::of_ears(ears::NAME));
        }
        let fresh = Bench::of(seats);
        let faces = Faces { clock, board, events };
        let mut hub = Hub::new(&root, patience, faces, lanes, fresh.bench().clone(), tell.clone());
        // Before any source can answer: the first view has all of them pending.
        hub.publish();
        fresh.bench().start(tell.clone())?;
        for (index, collector, patience) in slow {
            let thread = beat::start(index, collector, patience, hub.heard(), tell.clone())?;
            hub.has_thread(index, thread);
        }
        let ears = listens.then(|| ears::start(asked_for, tell)).transpose()?;
        std::thread::Builder::new()
            .name("collect".to_owned())
            .spawn(move || hub.run(&news, &stopped))?;
        Ok(Collect {
            fresh,
            _stop: stop,
            _ears: ears,
        })
    }

    /// The sheets of the sources that are asked at scrape time.
    pub fn fresh(&self) -> Fresh {
        self.fresh.clone()
    }
}

#[cfg(test)]
#[path = "collect/fresh_tests.rs"]
mod fresh_tests;

#[cfg(test)]
#[path = "collect/plug_tests.rs"]
mod plug_tests;

#[cfg(test)]
#[path = "collect/sick_tests.rs"]
mod sick_tests;

#[cfg(test)]
#[path = "collect/tests.rs"]
mod tests;
