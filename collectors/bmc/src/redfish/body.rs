//! One HTTP answer under one deadline: its body read up to a bound, and its errors put into words.

use std::error::Error;
use std::time::Duration;

use reqwest::Response;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::error::BmcError;

/// A Redfish error message is a sentence; more than this is cut.
const MAX_MESSAGE_CHARS: usize = 300;

/// One request: what was sent, where, and until when we wait.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) after: Duration,
    pub(super) until: Instant,
    pub(super) limit: u64,
}

impl Exchange {
    fn timeout(&self, phase: String) -> BmcError {
        BmcError::Timeout {
            method: self.method,
            url: self.url.clone(),
            after: self.after,
            phase,
        }
    }

    /// Sends, and waits for the answer's head.
    pub(super) async fn head(&self, request: reqwest::RequestBuilder) -> Result<Response, BmcError> {
        match timeout_at(self.until, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_timeout() => Err(self.timeout("while connecting".to_owned())),
            Ok(Err(error)) => Err(BmcError::Unreachable {
                method: self.method,
                url: self.url.clone(),
                what: if error.is_connect() {
                    format!("no connection ({})", innermost(&error))
                } else {
                    format!(
                        "the connection broke before the answer came ({})",
                        innermost(&error)
                    )
                },
                source: Some(Box::new(error.without_url())),
            }),
            Err(_) => Err(self.timeout("while waiting for the answer".to_owned())),
        }
    }

    /// Reads the whole body.
    pub(super) async fn body(&self, mut response: Response) -> Result<Vec<u8>, BmcError> {
        let announced = response.content_length();
        let of = announced.map_or_else(|| "unknown".to_owned(), |length| length.to_string());
        let mut body: Vec<u8> = Vec::new();
        loop {
            let got = u64::try_from(body.len()).unwrap_or(u64::MAX);
            if got > self.limit || announced.is_some_and(|length| length > self.limit) {
                return Err(BmcError::TooLong {
                    method: self.method,
                    url: self.url.clone(),
                    limit: self.limit,
                });
            }
            match timeout_at(self.until, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(body),
                Ok(Err(_)) => {
                    return Err(BmcError::CutOff {
                        method: self.method,
                        url: self.url.clone(),
                        got,
                        expected: of,
                    });
                }
                Err(_) => return Err(self.timeout(format!("after {got} of {of} bytes"))),
            }
        }
    }

    /// The body as a JSON object. JSON that simply ends too early is told apart from JSON that is wrong.
    pub(super) fn json(&self, body: &[u8]) -> Result<Value, BmcError> {
        let got = u64::try_from(body.len()).unwrap_or(u64::MAX);
        match serde_json::from_slice::<Value>(body) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(_) => Err(self.not_json(got, "it is JSON, but no object".to_owned())),
            Err(error) if error.is_eof() && got > 0 => Err(BmcError::CutOff {
                method: self.method,
                url: self.url.clone(),
                got,
                expected: "unknown".to_owned(),
            }),
            Err(error) => Err(self.not_json(got, error.to_string())),
        }
    }

    fn not_json(&self, got: u64, why: String) -> BmcError {
        BmcError::NotJson {
            method: self.method,
            url: self.url.clone(),
            got,
            why,
        }
    }

    /// The error of an answer with a status that was not expected.
    pub(super) async fn unexpected(&self, response: Response, expected: &'static str) -> BmcError {
        let status = response.status().as_u16();
        let body = self.body(response).await.unwrap_or_default();
        BmcError::Status {
            method: self.method,
            url: self.url.clone(),
            status,
            message: message(&body),
            expected,
        }
    }
}

/// The words in a Redfish error body (`error.@Message.ExtendedInfo[].Message`, else `error.message`).
pub(super) fn message(body: &[u8]) -> Option<String> {
    let value: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let error = value.get("error")?;
    let extended = error
        .get("@Message.ExtendedInfo")
        .and_then(|infos| {
            if infos.is_array() {
                infos.get(0)
            } else {
                Some(infos)
            }
        })
        .and_then(|info| info.get("Message").or_else(|| info.get("MessageId")))
        .and_then(Value::as_str);
    let text = extended.or_else(|| error.get("message").and_then(Value::as_str))?;
    Some(text.chars().take(MAX_MESSAGE_CHARS).collect())
}

/// The innermost cause, which is the one that a person understands.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
