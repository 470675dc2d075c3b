//! What the wall's clock did while the controller was away.
//!
//! What ends at a moment ends by the wall's clock, and that can be set. Within one boot of the machine the kernel counts on, so the
//! difference between both is what the clock was set by. After a boot nobody can tell: then the wall's clock is believed.

use std::time::Duration;

use facts::Moment;

use super::settle::Course;
use crate::rack::event::{ClockFound, What};
use crate::rack::state::ClockMark;

/// A clock that is steered drifts by less than this while a controller is away; what is more was set.
const DRIFT: Duration = Duration::from_secs(1);

/// The controller started at this time since the machine's boot.
pub(super) fn found(next: &mut Course<'_>, boot_id: &str, boot_millis: u64) {
    let mark = next.rack.kept.clock.clone();
    let same = mark.as_ref().filter(|mark| mark.boot_id == boot_id);
    let found = ClockFound {
        boot_id: boot_id.to_owned(),
        boot_millis,
        set_by_millis: same.map_or(0, |mark| set_by(mark, boot_millis, next.now)),
        new_boot: mark.is_some_and(|mark| mark.boot_id != boot_id),
    };
    next.happen(What::ClockFound(found));
}

fn set_by(mark: &ClockMark, boot_millis: u64, now: Moment) -> i64 {
    let passed = boot_millis.saturating_sub(mark.boot_millis);
    let due = mark.at.millis().saturating_add(passed);
    let (forwards, backwards) = (now.millis().saturating_sub(due), due.saturating_sub(now.millis()));
    let by = forwards.max(backwards);
    if Duration::from_millis(by) < DRIFT {
        return 0;
    }
    let by = i64::try_from(by).unwrap_or(i64::MAX);
    if forwards > 0 { by } else { by.saturating_neg() }
}
