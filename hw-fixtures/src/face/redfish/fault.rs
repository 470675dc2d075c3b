//! How a BMC misbehaves when it is told to: half an answer, or none.

use std::convert::Infallible;
use std::future;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures_util::stream;

use crate::face::reply::{self, LARGEST_BODY};

/// An answer that promises its whole length and breaks off in the middle.
pub async fn half(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // A stream of events has no end to be cut at: it breaks off before its first event.
    let streams = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "text/event-stream");
    let whole = if streams {
        Bytes::from_static(b": connected\n\n")
    } else {
        axum::body::to_bytes(body, LARGEST_BODY * 16)
            .await
            .unwrap_or_default()
    };
    let cut = whole.slice(..whole.len() / 2);
    reply::set(
        &mut parts.headers,
        header::CONTENT_LENGTH,
        &whole.len().to_string(),
    );
    let broken = std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "told to answer by halves");
    // The pause between lets the first half leave before the connection is cut.
    let pieces = stream::unfold((Some(cut), Some(broken)), |(cut, broken)| async move {
        if let Some(cut) = cut {
            return Some((Ok(cut), (None, broken)));
        }
        tokio::time::sleep(PAUSE).await;
        broken.map(|broken| (Err(broken), (None, None)))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Long enough for the first half to be written to the socket, short enough for tests.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// No answer at all; the connection stays open until the client gives up.
pub async fn never() -> Response {
    let silence: Infallible = future::pending().await;
    match silence {}
}
