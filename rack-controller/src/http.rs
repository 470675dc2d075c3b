//! The API over HTTP: what people, Prometheus and the page ask, closed by default.

mod ask;
mod discovery;
mod drives;
mod events;
mod failure;
mod guard;
mod ipmi;
mod openapi;
mod page;
mod people;
mod read;
mod routes;
pub mod serve;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Router, http::StatusCode};
use rack_api::Token;
use tokio::sync::{Semaphore, watch};

use crate::eyes::{FirstLook, Lines};
use crate::journal::reader::Reader;
use crate::metrics::Own;
use crate::turn::Desk;

pub use failure::Failure;

/// The longest body that is read: the longest ask has less than 1 KiB.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Streams of events that may be open at once: people and pages before one rack, each of them one connection and one task.
const MAX_STREAMS: usize = 64;
/// How long one who asks waits for an answer: longer than a turn waits for an LED.
const ANSWER: Duration = Duration::from_secs(20);

/// What the routes work with.
#[derive(Clone)]
pub struct App {
    desk: Desk,
    reader: Reader,
    own: Own,
    first_look: FirstLook,
    lines: Lines,
    discovery: Arc<discovery::Targets>,
    guard: Arc<guard::Guard>,
    streams: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// What [`App`] is made of.
pub struct Parts {
    /// Where asks go and views come from.
    pub desk: Desk,
    /// Reads the journal.
    pub reader: Reader,
    /// Counters.
    pub own: Own,
    /// Whether everything was looked at once.
    pub first_look: FirstLook,
    /// The lines to the BMCs, with what they said last.
    pub lines: Lines,
    /// The bearer token, where one is asked for.
    pub token: Option<Token>,
    /// The address that is served.
    pub url: String,
    /// Turns true when the daemon stops.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// The routes' state.
    pub fn new(parts: Parts, config: &crate::config::RackConfig) -> App {
        App {
            discovery: Arc::new(discovery::Targets::new(config, &parts.url)),
            guard: Arc::new(guard::Guard::new(parts.token)),
            desk: parts.desk,
            reader: parts.reader,
            own: parts.own,
            first_look: parts.first_look,
            lines: parts.lines,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopping: parts.stopping,
        }
    }

    /// All routes: one plain list.
    pub fn router(self) -> Router {
        routes::ALL
            .iter()
            .fold(Router::new(), |router, route| {
                router.route(route.path, (route.serve)(route.method))
            })
            .fallback(unknown_route)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .route_layer(middleware::from_fn_with_state(self.clone(), count))
            .layer(middleware::from_fn_with_state(self.clone(), guard::guard))
            .with_state(self)
    }
}

async fn unknown_route(request: Request) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!(
            "there is no {}; what there is stands in /v1/openapi.json",
            request.uri().path()
        ),
    )
}

async fn wrong_method(request: Request) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "bad_request",
        format!(
            "{} cannot be asked with {}",
            request.uri().path(),
            request.method()
        ),
    )
}

async fn count(State(app): State<App>, route: MatchedPath, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let answer = next.run(request).await;
    app.own.request(
        route.as_str(),
        method.as_str(),
        answer.status().as_u16(),
        began.elapsed(),
    );
    answer
}

/// Who is let in, for the fuzzer.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz_guard(data: &[u8]) {
    guard::fuzz(data);
}
