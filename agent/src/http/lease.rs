//! `/v1/power/lease`: how the node stands to its lease of power, and the orders of its rack.
//!
//! They and those about pooled drives are the only orders that come over TCP: the rack's controller runs on another machine. They need a token of their own, so that
//! whoever may ask for metrics does not thereby cap nodes.

use std::sync::Arc;

use agent_api::Token;
use agent_api::v1::{Lease, LeaseEnd, LeaseView};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};

use super::answer::Failure;
use super::drives;
use super::routes::{Answer, Body, Place, Shared, may_ask, read, without_token};
use crate::clock::boot_millis;

/// Their path.
pub(super) const LEASE: &str = "/v1/power/lease";

/// Who may ask over TCP, and who may order there.
#[derive(Clone, Default)]
pub(super) struct Keys {
    /// For questions; none where everybody may ask.
    pub(super) ask: Option<Arc<Token>>,
    /// For the orders of the rack, and for all questions; none where no rack orders over TCP.
    pub(super) rack: Option<Arc<Token>>,
}

/// The question, for every face.
pub(super) fn questions() -> Router<Arc<Shared>> {
    Router::new().route(LEASE, get(stands))
}

/// The orders.
pub(super) fn orders() -> Router<Arc<Shared>> {
    Router::new().route(LEASE, put(take).delete(end))
}

async fn stands(State(shared): Place) -> Json<LeaseView> {
    let view = shared.house.board.latest();
    // As the clock reads now: what is granted for this answer is valid from here.
    let now_millis = boot_millis();
    let known = view.lease.as_ref().map(|leased| leased.view.clone());
    let known = known.unwrap_or_else(|| LeaseView {
        boot_id: view.about.boot_id.clone(),
        node: None,
        now_millis,
        lease: None,
        head: None,
        not_capped: Vec::new(),
    });
    named(&shared, LeaseView { now_millis, ..known })
}

/// The answer with the name of the node that gives it: a rack that meant another one shall know.
fn named(shared: &Shared, view: LeaseView) -> Json<LeaseView> {
    let node = shared.house.board.latest().about.node.clone();
    Json(LeaseView {
        node: Some(node),
        ..view
    })
}

async fn take(State(shared): Place, body: Body) -> Answer<LeaseView> {
    let expected = "a lease, as in {\"rack\":\"r1\",\"sequence\":7,\"boot_id\":\"…\",\"heard_millis\":1000,\"valid_millis\":5000,\
                    \"cap_watts\":300,\"levels\":[200],\"level\":0,\"head\":{\"sequence\":1,\"chain\":\"00\"}}";
    let lease: Lease = read(&body, expected)?;
    let view = shared.house.desk.take_lease(lease).await?;
    Ok(named(&shared, view))
}

async fn end(State(shared): Place, body: Body) -> Answer<LeaseView> {
    let expected = "the end of a lease, as in {\"rack\":\"r1\",\"sequence\":7,\"boot_id\":\"…\"}";
    let end: LeaseEnd = read(&body, expected)?;
    let view = shared.house.desk.end_lease(end).await?;
    Ok(named(&shared, view))
}

impl Keys {
    /// Whether a request may ask.
    pub(super) fn may_ask(&self, headers: &axum::http::HeaderMap) -> bool {
        self.ask.as_ref().is_none_or(|token| may_ask(token, headers)) || self.may_order(headers)
    }

    fn may_order(&self, headers: &axum::http::HeaderMap) -> bool {
        self.rack.as_ref().is_some_and(|token| may_ask(token, headers))
    }
}

/// Whether that is an order of a rack.
pub(super) fn is_order(request: &Request) -> bool {
    let is_lease = request.uri().path() == LEASE && matches!(*request.method(), Method::PUT | Method::DELETE);
    is_lease || drives::is_order(request)
}

/// Over TCP a rack orders with its own token, and everybody else only asks.
pub(super) async fn with_token(State(keys): State<Keys>, request: Request, next: Next) -> Response {
    let is_order = is_order(&request);
    if is_order && keys.rack.is_none() {
        let message = "no rack orders over TCP here; expected rack_token_file in the section [agent] of this agent's configuration, and \
                       its token with the request";
        return Failure::new(StatusCode::FORBIDDEN, "refused", message).into_response();
    }
    let may = if is_order {
        keys.may_order(request.headers())
    } else {
        keys.may_ask(request.headers())
    };
    if may {
        return next.run(request).await;
    }
    without_token().into_response()
}
