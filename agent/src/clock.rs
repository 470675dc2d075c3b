//! The one clock of the daemon: wall time is read once, monotonic time carries it on, so moments never run backwards.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use facts::Moment;

/// The daemon's clock. Copies tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Moment,
    anchor: Instant,
}

impl Clock {
    /// Reads the wall clock, for the only time.
    pub fn start() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Moment::EPOCH.after(since);
        Clock {
            wall,
            anchor: Instant::now(),
        }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        self.wall.after(self.anchor.elapsed())
    }
}
