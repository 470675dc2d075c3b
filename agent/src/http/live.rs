//! The event stream over HTTP: server-sent events, for a bounded number of listeners.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::answer::Failure;
use super::routes::Shared;
use crate::events::Numbered;

/// Listeners at once: the rack controller and some people. Each holds a connection and a place in the queue of events.
pub(super) const MOST_LISTENERS: usize = 64;

/// A silent stream carries a comment this often, so that both ends see when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Listener {
    events: Receiver<Numbered>,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let place = shared.listeners.clone().try_acquire_owned().map_err(|_| {
        Failure::busy(format!(
            "{MOST_LISTENERS} listeners follow the events already; try again"
        ))
    })?;
    let house = &shared.house;
    let listener = Listener {
        events: house.events.listen(),
        stopping: house.stopping.clone(),
        _place: place,
    };
    let stream = unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Listener {
    /// The next event; `None` when the agent stops.
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            told = self.events.recv() => match told {
                Ok(Numbered { number, event }) => {
                    let sent = Event::default().id(number.to_string()).event(&event.kind);
                    Some(sent.json_data(&event).unwrap_or_else(|_| Event::default().comment("an event without JSON")))
                }
                Err(RecvError::Lagged(missed)) => {
                    Some(Event::default().comment(format!("{missed} events missed: you read too slowly")))
                }
                Err(RecvError::Closed) => None,
            },
            _ = self.stopping.wait_for(|stop| *stop) => None,
        }
    }
}
