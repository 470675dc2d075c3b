//! The wall's clock was set while the controller was away: what ends at a moment ends as much later or earlier.

use std::sync::Arc;
use std::time::Duration;

use facts::Moment;

use crate::rack::event::ClockFound;
use crate::rack::state::{ClockMark, Rack};

pub(super) fn found(rack: &mut Rack, found: &ClockFound, at: Moment) {
    rack.kept.clock = Some(ClockMark {
        boot_id: found.boot_id.clone(),
        boot_millis: found.boot_millis,
        at,
    });
    if found.set_by_millis == 0 {
        return;
    }
    let moved = |until: Moment| moved(until, found.set_by_millis);
    for claim in Arc::make_mut(&mut rack.kept.claims).values_mut() {
        claim.until = claim.until.map(moved);
    }
    super::drives::clock_set(rack, moved);
    for pause in rack.kept.pauses.values_mut() {
        pause.until = moved(pause.until);
    }
    for until in rack.kept.located.values_mut() {
        *until = moved(*until);
    }
}

fn moved(until: Moment, by_millis: i64) -> Moment {
    let by = by_millis.unsigned_abs();
    if by_millis > 0 {
        until.after(Duration::from_millis(by))
    } else {
        Moment::from_millis(until.millis().saturating_sub(by))
    }
}
