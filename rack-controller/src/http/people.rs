//! Routes of swaps, doubts and pauses, and who asks.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use rack_api::client::{ASKED_BY, REASON};
use rack_api::v1::{AckRequest, Asked, DoubtView, PauseRequest, PauseView, SwapAnswer, SwapRequest};

use super::ask::{Body, json, question};
use super::{App, Failure};
use crate::turn::Question;

/// The longest name and the longest reason, in bytes: a line of a journal, no letter.
const MOST_BYTES: usize = 400;

/// Who asks and why, as the request says; `None` where it says neither.
pub(super) struct By(pub(super) Option<Asked>);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<By, Failure> {
        let asked = Asked {
            by: said(&parts.headers, ASKED_BY)?,
            reason: said(&parts.headers, REASON)?,
        };
        Ok(By((asked != Asked::default()).then_some(asked)))
    }
}

fn said(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let found = HeaderName::from_bytes(name.as_bytes()).ok();
    let Some(value) = found.and_then(|name| headers.get(name)) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes()).ok();
    let text = text.filter(|text| text.len() <= MOST_BYTES && !text.chars().any(char::is_control));
    match text {
        Some(text) if text.trim().is_empty() => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Failure::bad_request(format!(
            "the header {name} cannot be journaled; expected UTF-8 of at most {MOST_BYTES} bytes without control characters"
        ))),
    }
}

pub(super) async fn swap(
    State(app): State<App>,
    By(asked): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SwapAnswer>, Failure> {
    let request: SwapRequest = json(&headers, body, "{\"place\": \"shelf/psu-3\"}")?;
    question(&app, asked, |reply| Question::Swap { request, reply })
        .await
        .map(Json)
}

pub(super) async fn acknowledge(
    State(app): State<App>,
    By(asked): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DoubtView>, Failure> {
    let request: AckRequest = json(&headers, body, "{\"id\": \"1f2e3d4c\"}")?;
    question(&app, asked, |reply| Question::Acknowledge { request, reply })
        .await
        .map(Json)
}

pub(super) async fn pause(
    State(app): State<App>,
    By(asked): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Vec<PauseView>>, Failure> {
    let request: PauseRequest = json(&headers, body, "{\"for_seconds\": 1800}")?;
    question(&app, asked, |reply| Question::Pause { request, reply })
        .await
        .map(Json)
}
