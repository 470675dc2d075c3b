//! Metrics of the lease of power.

use std::time::Duration;

use super::draft::Draft;
use super::family as f;
use crate::view::View;

pub(super) fn write(draft: &mut Draft<'_>, view: &View) {
    let Some(leased) = &view.lease else {
        return;
    };
    if let Some(lease) = &leased.view.lease {
        let mut samples = draft.family(&f::LEASE_CAP);
        let levels = std::iter::once(&lease.cap_watts).chain(&lease.levels);
        for (level, watts) in levels.enumerate() {
            samples.add(&[&level.to_string()], Some(watts.as_watts_f64()));
        }
        let in_force = lease.in_force_watts.map(|watts| watts.as_watts_f64());
        draft.one(&f::LEASE_IN_FORCE, in_force);
        draft.one(&f::LEASE_EXPIRED, Some(lease.expired));
        draft.one(&f::LEASE_APPLIED, Some(lease.applied));
        let left = lease.expires_millis.saturating_sub(leased.view.now_millis);
        draft.one(
            &f::LEASE_REMAINING,
            Some(Duration::from_millis(left).as_secs_f64()),
        );
        draft.one(&f::LEASE_UNWRITTEN, Some(leased.unwritten));
    }
    let mut samples = draft.family(&f::LEASE_REFUSED);
    for (reason, count) in &leased.refused {
        samples.add(&[reason], Some(*count));
    }
}
