//! Routes by which people ask for something: each becomes one question to the turn, answered after the journal has it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use rack_api::client::IDEMPOTENCY_KEY;
use rack_api::v1::{
    Asked, ClaimView, DrainAnswer, DrainRequest, LocateAnswer, LocateRequest, PowerAsk, PowerOnAnswer,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::people::By;
use super::{ANSWER, App, Failure, MAX_BODY_BYTES};
use crate::turn::{NoAnswer, Question, Reply};

/// The body, or why it could not be taken.
pub(super) type Body = Result<Bytes, BytesRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(super) fn is_dry(query: Result<Query<ClaimQuery>, QueryRejection>) -> Result<bool, Failure> {
    query.map(|Query(query)| query.dry_run).map_err(|error| {
        Failure::bad_request(format!("{}; expected dry_run=true or nothing", error.body_text()))
    })
}

/// What stands in the path in the place of `{claim}` or `{node}`.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Failure> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        name.map(|Path(name)| Named(name)).map_err(|error| {
            Failure::bad_request(format!("{}; expected a name in the path", error.body_text()))
        })
    }
}

pub(super) async fn claim(
    State(app): State<App>,
    By(asked): By,
    query: Result<Query<ClaimQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ClaimView>), Failure> {
    let dry_run = is_dry(query)?;
    let ask: PowerAsk = json(&headers, body, "{\"watts\": 800, \"for\": \"web\"}")?;
    let key = key(&headers)?;
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let claim = question(&app, asked, |reply| Question::Claim {
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
    By(asked): By,
    Named(claim): Named,
) -> Result<Json<ClaimView>, Failure> {
    question(&app, asked, |reply| Question::Release { claim, reply })
        .await
        .map(Json)
}

pub(super) async fn apply(
    State(app): State<App>,
    By(asked): By,
    Named(claim): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
) -> Result<Json<ClaimView>, Failure> {
    let dry_run = is_dry(query)?;
    question(&app, asked, |reply| Question::Apply {
        claim,
        dry_run,
        reply,
    })
    .await
    .map(Json)
}

pub(super) async fn renew(
    State(app): State<App>,
    By(asked): By,
    Named(claim): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
) -> Result<Json<ClaimView>, Failure> {
    let dry_run = is_dry(query)?;
    question(&app, asked, |reply| Question::Renew {
        claim,
        dry_run,
        reply,
    })
    .await
    .map(Json)
}

/// Begins a drill; how it ends is told on the event stream (`cap_proven`, `cap_doubted`, `drill_showed_nothing`).
pub(super) async fn calibrate(
    State(app): State<App>,
    By(asked): By,
    Named(node): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<()>), Failure> {
    let dry_run = is_dry(query)?;
    let calibrate = |reply| Question::Calibrate { node, dry_run, reply };
    question(&app, asked, calibrate).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}

pub(super) async fn power_on(
    State(app): State<App>,
    By(asked): By,
    Named(node): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<PowerOnAnswer>), Failure> {
    let dry_run = is_dry(query)?;
    let power_on = |reply| Question::PowerOn { node, dry_run, reply };
    let answer = question(&app, asked, power_on).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

pub(super) async fn drain(
    State(app): State<App>,
    By(asked): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DrainAnswer>, Failure> {
    let request: DrainRequest = json(&headers, body, "{\"place\": \"shelf/psu-3\"}")?;
    question(&app, asked, |reply| Question::Drain { request, reply })
        .await
        .map(Json)
}

pub(super) async fn locate(
    State(app): State<App>,
    By(asked): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<LocateAnswer>, Failure> {
    let request: LocateRequest = json(&headers, body, "{\"place\": \"shelf/psu-3\", \"on\": true}")?;
    question(&app, asked, |reply| Question::Locate { request, reply })
        .await
        .map(Json)
}

pub(super) async fn question<T>(
    app: &App,
    asked: Option<Asked>,
    question: impl FnOnce(Reply<T>) -> Question,
) -> Result<T, Failure> {
    let Ok(answer) = tokio::time::timeout(ANSWER, app.desk.ask(asked, question)).await else {
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
pub(super) fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    example: &str,
) -> Result<T, Failure> {
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

pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
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
