//! The word to systemd: ready, what we do, that we live.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::keeping::Desk;

/// Tells systemd, where there is one.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell systemd: {error}");
    }
}

/// Tells systemd that we live, as long as the keeper sweeps.
pub(super) async fn feed_watchdog(desk: Desk) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut fed_at = desk.sweeps();
    loop {
        tokio::time::sleep((interval / 2).max(Duration::from_millis(1))).await;
        let sweeps = desk.sweeps();
        if sweeps != fed_at {
            fed_at = sweeps;
            notify(&[NotifyState::Watchdog]);
        }
    }
}
