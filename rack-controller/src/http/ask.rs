//! Routes by which people ask for something: each becomes one question to the turn, answered after the journal has it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use rack_api::client::IDEMPOTENCY_KEY;
use rack_api::v1::{ClaimView, DrainAnswer, DrainRequest, LocateAnswer, LocateRequest, PowerAsk};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ANSWER, App, Failure, MAX_BODY_BYTES};
use crate::turn::{NoAnswer, Question, Reply};

/// The body, or why it could not be taken.
type Body = Result<Bytes, BytesRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn claim(
    State(app): State<App>,
    query: Result<Query<ClaimQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ClaimView>), Failure> {
    let Query(ClaimQuery { dry_run }) = query.map_err(|error| {
        Failure::bad_request(format!("{}; expected dry_run=true or nothing", error.body_text()))
    })?;
    let ask: PowerAsk = json(&headers, body, "{\"watts\": 800, \"for\": \"web\"}")?;
    let key = key(&headers)?;
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let claim = question(&app, |reply| Question::Claim {
        ask,
        key,
        dry_run,
        reply,
    })
    .await?;
    Ok((status, Json(claim)))
}

pub(super) async fn release(
    State(app): State<App>,
    Path(claim): Path<String>,
) -> Result<Json<ClaimView>, Failure> {
    question(&app, |reply| Question::Release { claim, reply })
        .await
        .map(Json)
}

pub(super) async fn apply(
    State(app): State<App>,
    Path(claim): Path<String>,
) -> Result<Json<ClaimView>, Failure> {
    question(&app, |reply| Question::Apply { claim, reply })
        .await
        .map(Json)
}

pub(super) async fn renew(
    State(app): State<App>,
    Path(claim): Path<String>,
) -> Result<Json<ClaimView>, Failure> {
    question(&app, |reply| Question::Renew { claim, reply })
        .await
        .map(Json)
}

/// Begins a drill; how it ends is told on the event stream (`cap_proven`, `cap_doubted`, `drill_showed_nothing`).
pub(super) async fn calibrate(
    State(app): State<App>,
    Path(node): Path<String>,
) -> Result<(StatusCode, Json<()>), Failure> {
    question(&app, |reply| Question::Calibrate { node, reply }).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}

pub(super) async fn drain(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DrainAnswer>, Failure> {
    let request: DrainRequest = json(&headers, body, "{\"place\": \"shelf/psu-3\"}")?;
    question(&app, |reply| Question::Drain { request, reply })
        .await
        .map(Json)
}

pub(super) async fn locate(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<LocateAnswer>, Failure> {
    let request: LocateRequest = json(&headers, body, "{\"place\": \"shelf/psu-3\", \"on\": true}")?;
    question(&app, |reply| Question::Locate { request, reply })
        .await
        .map(Json)
}

async fn question<T>(app: &App, question: impl FnOnce(Reply<T>) -> Question) -> Result<T, Failure> {
    let Ok(answer) = tokio::time::timeout(ANSWER, app.desk.ask(question)).await else {
        return Err(Failure::busy(format!(
            "no answer within {ANSWER:?}; ask again with the same {IDEMPOTENCY_KEY} to learn whether it was done"
        )));
    };
    if matches!(answer, Err(NoAnswer::Busy)) {
        app.own.busy();
    }
    Ok(answer?)
}

/// A body that must be JSON and say so: a form of a foreign page cannot.
fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, example: &str) -> Result<T, Failure> {
    let body = body.map_err(|error| {
        let message = format!("{}; expected at most {MAX_BODY_BYTES} bytes", error.body_text());
        Failure::new(error.status(), "bad_request", message)
    })?;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bad_request",
            format!("the body is {essence:?}; expected Content-Type: application/json"),
        ));
    }
    serde_json::from_slice(&body).map_err(|error| {
        Failure::bad_request(format!(
            "the body cannot be read: {error}; expected as in {example}"
        ))
    })
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| !text.is_empty());
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Failure::bad_request(format!(
            "{IDEMPOTENCY_KEY} is empty or no visible ASCII; expected as a UUID"
        ))
    })
}
