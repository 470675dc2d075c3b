//! The journal over HTTP: a page of events as JSON, or a stream that goes on with what happens.
//!
//! A stream holds no events of its own: only the number of the last one it sent. So a slow reader costs nothing but its
//! connection, and is cut off when it takes nothing for too long.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use rack_api::v1::EventView;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{App, Failure};

/// Events in one answer, and in one read of the journal.
const PAGE: usize = 500;
/// Events between the journal and the connection.
const AHEAD: usize = 32;
/// How often a silent stream shows that it lives; the client counts on it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A reader that takes nothing for this long is cut off; it can go on after the last number it saw.
const SLOW_READER: Duration = Duration::from_secs(30);
/// How a browser says after which event it lost the stream.
const LAST_EVENT_ID: &str = "last-event-id";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    #[serde(default)]
    after: u64,
}

type Asked = Result<Query<EventsQuery>, axum::extract::rejection::QueryRejection>;

pub(super) async fn events(
    State(app): State<App>,
    query: Asked,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(EventsQuery { after }) = query
        .map_err(|error| Failure::bad_request(format!("{}; expected after=NUMBER", error.body_text())))?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let wants_stream =
        text(header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream"));
    if !wants_stream {
        return Ok(Json(page(&app, after).await?).into_response());
    }
    let after = text(LAST_EVENT_ID)
        .and_then(|id| id.parse().ok())
        .unwrap_or(after);
    let Ok(permit) = app.streams.clone().try_acquire_owned() else {
        return Err(Failure::busy("too many streams of events are open"));
    };
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        app.own.stream(1);
        let own = app.own.clone();
        follow(app, after, send).await;
        own.stream(-1);
        drop(permit);
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(ReceiverStream::new(receive))
        .keep_alive(keep_alive)
        .into_response())
}

async fn page(app: &App, after: u64) -> Result<Vec<EventView>, Failure> {
    let reader = app.reader.clone();
    let read = tokio::task::spawn_blocking(move || reader.after(after, PAGE)).await;
    match read {
        Ok(Ok(events)) => Ok(events),
        Ok(Err(error)) => Err(Failure::internal(error.to_string())),
        Err(_) => Err(Failure::busy("this controller is stopping")),
    }
}

async fn follow(app: App, mut after: u64, send: mpsc::Sender<Result<Sent, std::convert::Infallible>>) {
    let mut head = app.desk.watch();
    let mut stopping = app.stopping.clone();
    loop {
        head.mark_unchanged();
        let Ok(events) = page(&app, after).await else {
            return;
        };
        let full = events.len() >= PAGE;
        for event in events {
            after = event.sequence;
            let Ok(data) = serde_json::to_string(&event) else {
                return;
            };
            let sent = Sent::default().id(event.sequence.to_string()).data(data);
            if send.send_timeout(Ok(sent), SLOW_READER).await.is_err() {
                return;
            }
        }
        if full {
            continue;
        }
        loop {
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
                () = send.closed() => return,
            }
            if head.borrow_and_update().rack.journal_sequence > after {
                break;
            }
        }
    }
}
