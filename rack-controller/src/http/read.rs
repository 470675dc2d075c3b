//! Routes that only read, from the latest view: none of them asks a BMC or a node.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rack_api::v1::{ClaimView, RackStatus, RackView};

use super::{App, Failure};
use crate::metrics::{self, Format};

pub(super) async fn healthz(State(app): State<App>) -> Response {
    match app.desk.trouble() {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let format = Format::accepted(accept);
    let shown = app.desk.shown();
    let ipmi = app.lines.iter().filter(|line| line.is_ipmi());
    let ipmi: Vec<_> = ipmi
        .map(|line| (line.name().to_owned(), line.place().standing()))
        .collect();
    let text = metrics::render(&shown.rack, &shown.drives, &shown.would, &app.own, &ipmi, format);
    if text.is_empty() {
        return Failure::internal("no metric could be made").into_response();
    }
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

pub(super) async fn status(State(app): State<App>) -> Json<RackStatus> {
    let shown = app.desk.shown();
    let rack = &shown.rack;
    Json(RackStatus {
        rack: rack.rack.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: rack.mode.clone(),
        simulated: rack.simulated,
        at: rack.at,
        journal_sequence: rack.journal_sequence,
    })
}

pub(super) async fn rack(State(app): State<App>) -> Json<RackView> {
    Json(app.desk.shown().rack.clone())
}

pub(super) async fn claims(State(app): State<App>) -> Json<Vec<ClaimView>> {
    Json(app.desk.shown().rack.claims.clone())
}
