//! The one clock of this daemon: the wall's time, read once, and monotonic time from there on.

use std::time::SystemTime;

use facts::Moment;
use tokio::time::Instant;

/// A clock whose moments never run backwards, whatever happens to the wall's clock meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Moment,
    began: Instant,
}

impl Clock {
    /// A clock that begins with the wall's time. `not_before` is the last moment that the journal knows: where the wall's
    /// clock was set back while we were away, time goes on from there.
    pub fn start(not_before: Moment) -> Clock {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .map_or(Moment::EPOCH, Moment::from_millis);
        Clock {
            anchor: wall.max(not_before),
            began: Instant::now(),
        }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        self.anchor.after(self.began.elapsed())
    }

    /// The instant of a moment: for waiting until it.
    pub fn instant(&self, moment: Moment) -> Instant {
        let from_start = moment.since(self.anchor);
        self.began.checked_add(from_start).unwrap_or(self.began)
    }
}

/// Which boot of this machine it is, and the milliseconds since then, also those in which it slept: `boot_id` and `uptime` of proc(5).
/// `None` where the kernel does not tell.
pub fn since_boot() -> Option<(String, u64)> {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    Some((boot_id.trim().to_owned(), millis_of(uptime.split(' ').next()?)?))
}

/// `350735.47` in milliseconds.
fn millis_of(seconds: &str) -> Option<u64> {
    let (whole, hundredths) = seconds.split_once('.')?;
    let whole: u64 = whole.parse().ok()?;
    let hundredths: u64 = hundredths.parse().ok().filter(|_| hundredths.len() == 2)?;
    whole.checked_mul(1_000)?.checked_add(hundredths.checked_mul(10)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[allow(clippy::unwrap_used)]
    fn the_kernels_time_since_boot_is_read() {
        assert_eq!(millis_of("350735.47"), Some(350_735_470));
        for bad in ["", "1", "1.5", "a.00", "99999999999999999999.00"] {
            assert_eq!(millis_of(bad), None, "{bad}");
        }
        let (boot_id, before) = since_boot().unwrap();
        assert_eq!(boot_id.len(), 36);
        assert!(since_boot().unwrap().1 >= before);
    }

    #[test]
    fn time_goes_on_from_the_journals_last_moment() {
        let future = Moment::from_millis(9_000_000_000_000);
        let clock = Clock::start(future);
        let (one, two) = (clock.now(), clock.now());
        assert!(future <= one && one <= two, "{one} {two}");
        let while_ = Duration::from_secs(2);
        let (now, later) = (clock.instant(future), clock.instant(future.after(while_)));
        assert_eq!(later.duration_since(now), while_);
        assert!(Clock::start(Moment::EPOCH).now() > Moment::from_millis(1_700_000_000_000));
    }
}
