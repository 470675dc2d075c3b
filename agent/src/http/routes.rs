//! Which path answers what: questions for everybody, orders for those whom the kernel vouches for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_api::Token;
use agent_api::v1::{Ended, Plan, RunRequest, Status, Workload};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, MatchedPath, Path, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use facts::Inventory;
use intent::WorkloadId;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::acts;
use super::answer::Failure;
use super::connection::Peer;
use super::front::{Front, METRICS};
use super::lease::{self, Keys};
use super::{House, drives, interference, live, previews, proofs, scrape, stop};
use crate::keeping::Asker;
use crate::owners;
use crate::view::Seen;

/// The largest order: an ask is some hundred bytes.
const LARGEST_BODY: usize = 64 << 10;

/// How long an order waits for the topology of an agent that has just started.
const TOPOLOGY_WAIT: Duration = Duration::from_secs(5);

/// The path of the stream of events.
const EVENTS: &str = "/v1/events";

/// The path of a workload's proof.
const PROOF: &str = "/v1/workloads/{id}/proof";

/// The path that ends a workload with grace.
const STOP: &str = "/v1/workloads/{id}/stop";

/// What the handlers share.
pub(super) struct Shared {
    pub(super) house: House,
    pub(super) listeners: Arc<Semaphore>,
    /// One long search for places at a time.
    pub(super) searches: Arc<Semaphore>,
}

pub(super) type Answer<T> = Result<Json<T>, Failure>;
pub(super) type Place = State<Arc<Shared>>;
/// A body as it came, or why it did not.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// The routes of the TCP face: questions, and the orders of the rack; with tokens where there are any.
pub(super) fn over_tcp(house: House, keys: Keys) -> Front {
    let shared = shared(house);
    let router = finish(
        questions().merge(lease::orders()).merge(drives::orders()),
        shared.clone(),
    );
    let router = router.layer(from_fn_with_state(shared.clone(), questions_only));
    let router = router.layer(from_fn_with_state(keys.clone(), lease::with_token));
    Front::with_page(router, shared, keys)
}

/// The routes of the Unix socket: questions and orders, for root and our own user.
pub(super) fn over_socket(house: House) -> Front {
    let orders = acts::orders()
        .merge(lease::orders())
        .merge(drives::orders())
        .merge(previews::orders())
        .route("/v1/workloads", post(start))
        .route("/v1/workloads/{id}", delete(end))
        .route(STOP, post(stop::stop))
        .route(PROOF, post(proofs::prove));
    let router = finish(questions().merge(orders), shared(house));
    Front::of(router.layer(from_fn_with_state((), from_trusted)))
}

fn shared(house: House) -> Arc<Shared> {
    Arc::new(Shared {
        house,
        listeners: Arc::new(Semaphore::new(live::MOST_LISTENERS)),
        searches: Arc::new(Semaphore::new(1)),
    })
}

fn questions() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route(METRICS, get(metrics))
        .route("/v1/status", get(status))
        .route("/v1/facts", get(facts))
        .route("/v1/workloads", get(workloads))
        .route(PROOF, get(proofs::last))
        .route("/v1/workloads/{id}/interference", get(interference::last))
        .route("/v1/plan", get(plan))
        .route(EVENTS, get(live::events))
        .merge(lease::questions())
        .merge(drives::questions())
}

fn finish(router: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(shared.clone(), counted))
        .with_state(shared)
}

/// Counts every answer by the pattern of its path, but those that last as long as somebody wishes.
async fn counted(State(shared): Place, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let answer = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    // A proof and a grace take as long as was asked for.
    if ![EVENTS, PROOF, STOP].contains(&route) {
        let status = answer.status().as_u16();
        shared
            .house
            .pages
            .counts()
            .answered(route, status, started.elapsed());
    }
    answer
}

async fn nothing_here(request: Request) -> Failure {
    let message = format!("there is nothing at {}", request.uri().path());
    Failure::new(StatusCode::NOT_FOUND, "not_found", message)
}

async fn not_this_way(request: Request) -> Failure {
    let message = format!("{} is not what {} is for", request.method(), request.uri().path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "refused", message)
}

/// Over TCP nothing is ordered but leases of power and pooled drives, whoever asks.
async fn questions_only(State(shared): Place, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) || lease::is_order(&request) {
        return next.run(request).await;
    }
    let message = format!(
        "over TCP the agent only answers questions (GET); {} {} goes over the Unix socket {}",
        request.method(),
        request.uri().path(),
        shared.house.socket,
    );
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "refused", message);
    ([(ALLOW, HeaderValue::from_static("GET, HEAD"))], failure).into_response()
}

/// Whether a request brings the token.
pub(super) fn may_ask(token: &Token, headers: &HeaderMap) -> bool {
    let presented = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let bearer = presented.and_then(|value| {
        let (scheme, rest) = value.split_at_checked(b"Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(rest)
    });
    bearer.is_some_and(|bearer| token.matches(bearer))
}

/// What a request without the token gets.
pub(super) fn without_token() -> impl IntoResponse {
    let failure = Failure::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this agent answers only with its token; expected the header Authorization: Bearer TOKEN",
    );
    ([(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))], failure)
}

async fn from_trusted(Extension(Peer(asker)): Extension<Peer>, request: Request, next: Next) -> Response {
    let ours = nix::unistd::geteuid();
    match asker {
        Some(Asker { uid, .. }) if uid == 0 || uid == ours.as_raw() => next.run(request).await,
        Some(Asker { uid, pid }) => {
            let message =
                format!("user {uid} (process {pid}) may not give orders; expected user 0 or {ours}");
            Failure::new(StatusCode::FORBIDDEN, "refused", message).into_response()
        }
        None => {
            let message = "the kernel does not say who you are; expected a process of this pid namespace";
            Failure::new(StatusCode::FORBIDDEN, "refused", message).into_response()
        }
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn metrics(State(shared): Place, headers: HeaderMap) -> Response {
    scrape::scrape(&shared, &headers).await
}

async fn status(State(shared): Place) -> Json<Status> {
    Json(shared.house.board.latest().status())
}

async fn facts(State(shared): Place) -> Response {
    // Serialised from the shared view: the inventory of a large machine is not copied for each question.
    Json(&shared.house.board.latest().seen.inventory).into_response()
}

async fn workloads(State(shared): Place) -> Json<Vec<Workload>> {
    Json(shared.house.board.latest().kept.workloads.clone())
}

async fn plan(State(shared): Place) -> Answer<Plan> {
    let kept = shared.house.board.latest().kept.clone();
    let failed = |why| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why);
    let steps = kept.plan.clone().map_err(failed)?;
    Ok(Json(Plan {
        generation: kept.generation,
        steps,
    }))
}

async fn start(
    State(shared): Place,
    Extension(Peer(asker)): Extension<Peer>,
    body: Body,
) -> Result<(StatusCode, Json<Workload>), Failure> {
    let expected = "a request, as in {\"ask\":{\"cpus\":1},\"command\":\"make\"}";
    let request: RunRequest = read(&body, expected)?;
    let asker = asker.ok_or_else(|| Failure::new(StatusCode::FORBIDDEN, "refused", "nobody asks"))?;
    until_topology(&shared.house).await?;
    let workload = shared.house.desk.start(request, asker).await?;
    Ok((StatusCode::CREATED, Json(workload)))
}

async fn end(State(shared): Place, Path(id): Path<String>) -> Answer<Ended> {
    let id = workload_id(&id)?;
    let desk = &shared.house.desk;
    if let Some(ended) = owners::release(desk, &shared.house.doors, &id).await? {
        return Ok(Json(ended));
    }
    Ok(Json(desk.end(id).await?))
}

pub(super) fn workload_id(id: &str) -> Result<WorkloadId, Failure> {
    id.parse()
        .map_err(|error: intent::isolation::NotAWorkloadId| Failure::bad_request(error.to_string()))
}

pub(super) fn read<T: DeserializeOwned>(body: &Body, expected: &str) -> Result<T, Failure> {
    read_within(body, expected, LARGEST_BODY)
}

/// The same, of a route whose bodies may be as long as this.
pub(super) fn read_within<T: DeserializeOwned>(
    body: &Body,
    expected: &str,
    most: usize,
) -> Result<T, Failure> {
    let body = body.as_ref().map_err(|error| {
        let message =
            format!("the body cannot be taken: {error}; expected {expected} in at most {most} bytes");
        Failure::new(error.status(), "bad_request", message)
    })?;
    serde_json::from_slice(body).map_err(|error| {
        Failure::bad_request(format!("the body cannot be read: {error}; expected {expected}"))
    })
}

/// Nothing is placed on CPUs that are not known yet.
pub(super) async fn until_topology(house: &House) -> Result<(), Failure> {
    let mut views = house.board.watch();
    let known = views.wait_for(|view| knows_topology(&view.seen));
    match tokio::time::timeout(TOPOLOGY_WAIT, known).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(Failure::busy("the agent is stopping")),
        Err(_) => Err(Failure::busy(format!(
            "the topology of this node is not known: {}; try again",
            why_no_topology(&house.board.latest().seen.inventory),
        ))),
    }
}

fn knows_topology(seen: &Seen) -> bool {
    !seen.inventory.cpus.is_empty()
}

fn why_no_topology(inventory: &Inventory) -> String {
    let source = inventory.sources.iter().find(|source| source.name == "topology");
    match source.map(|source| &source.status) {
        Some(facts::SourceStatus::Down { message, .. }) => message.clone(),
        Some(facts::SourceStatus::Pending) => "it is still being read".to_owned(),
        Some(facts::SourceStatus::Ok) => "it holds no CPU".to_owned(),
        None => "there is no such source".to_owned(),
    }
}
