//! A BMC's event stream: each event calls its eye, nothing more. A stream that ends is opened again, with longer and longer rests.

use std::sync::Arc;
use std::time::Duration;

use bmc::{Bmc, BmcError};
use futures_util::StreamExt;

use super::line::Line;
use super::pace::Pace;
use super::{Nerve, chain};

/// The first rest after a stream ended; doubles.
const FIRST_REST: Duration = Duration::from_millis(500);
/// Where the BMC has no stream, it is asked again in case it was updated meanwhile; polling goes on all the time.
const WITHOUT_STREAM: Duration = Duration::from_secs(600);

pub(super) async fn follow(line: Arc<Line>, nerve: Nerve) {
    let mut connection = line.connection();
    let mut stopping = nerve.stopping.clone();
    let mut pace = Pace::new(FIRST_REST);
    loop {
        let bmc = tokio::select! {
            bmc = connection.wait_for(Option::is_some) => bmc.ok().and_then(|bmc| bmc.clone()),
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let Some(bmc) = bmc else { return };
        let rest = tokio::select! {
            ended = stream(&bmc, &line, &nerve, &mut pace) => ended,
            _ = connection.wait_for(Option::is_none) => Duration::ZERO,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Follows one stream to its end; how long to rest then.
async fn stream(bmc: &Bmc, line: &Line, nerve: &Nerve, pace: &mut Pace) -> Duration {
    let mut hints = match bmc::events(bmc).await {
        Ok(hints) => hints,
        Err(error @ BmcError::Refused { .. }) => {
            tracing::info!(bmc = line.name(), "polling only: {}", chain(&error));
            return WITHOUT_STREAM;
        }
        Err(error) => {
            tracing::debug!(bmc = line.name(), "no event stream: {}", chain(&error));
            return pace.failed();
        }
    };
    // What happened before the stream was open was not told: read everything once.
    line.look_now();
    loop {
        match hints.next().await {
            Some(Ok(_)) => {
                pace.answered(Duration::ZERO);
                nerve.own.hint(line.name());
                line.look_now();
            }
            Some(Err(error)) => {
                tracing::debug!(bmc = line.name(), "the event stream ended: {}", chain(&error));
                return pace.failed();
            }
            None => return pace.failed(),
        }
    }
}
