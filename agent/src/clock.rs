//! The one clock of the daemon: wall time is read once, monotonic time carries it on, so moments never run backwards.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use facts::Moment;
use nix::time::{ClockId, clock_gettime};

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

/// The reading of this boot's clock (`CLOCK_BOOTTIME`) in milliseconds: it counts while the machine sleeps and while nobody runs, and
/// nobody sets it. A lease is measured by it.
pub fn boot_millis() -> u64 {
    // Every kernel since 2.6.39 has this clock; without one every lease has ended.
    let Ok(read) = clock_gettime(ClockId::CLOCK_BOOTTIME) else {
        return u64::MAX;
    };
    let millis = |number: i64| u64::try_from(number).unwrap_or(0);
    millis(read.tv_sec()) * 1_000 + millis(read.tv_nsec()) / 1_000_000
}
