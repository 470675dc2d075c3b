//! An error as it goes over the wire: a status, a code, a sentence.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rack_api::v1::{DrainAnswer, ErrorBody, ErrorDetail, Shortfall};

use crate::decide::Refusal;
use crate::turn::NoAnswer;

/// When somebody whom we had no room for may ask again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An answer that is an error.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    detail: Box<ErrorDetail>,
}

impl Failure {
    /// An error.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Failure {
        Failure {
            status,
            detail: Box::new(ErrorDetail {
                code: code.to_owned(),
                message: message.into(),
                shortfall: None,
                drives: None,
                drain: None,
            }),
        }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 503.
    pub fn busy(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    fn with(mut self, shortfall: Option<Shortfall>, drain: Option<DrainAnswer>) -> Failure {
        self.detail.shortfall = shortfall;
        self.detail.drain = drain;
        self
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let (code, message) = (refusal.code(), refusal.to_string());
        match refusal {
            Refusal::BadRequest(_) => Failure::bad_request(message),
            Refusal::NotFound(_) => Failure::new(StatusCode::NOT_FOUND, code, message),
            Refusal::Conflict(_) => Failure::new(StatusCode::CONFLICT, code, message),
            Refusal::Shortfall { shortfall, .. } => {
                Failure::new(StatusCode::CONFLICT, code, message).with(Some(*shortfall), None)
            }
            Refusal::DriveShort { short, .. } => {
                let mut failure = Failure::new(StatusCode::CONFLICT, code, message);
                failure.detail.drives = Some(*short);
                failure
            }
            Refusal::Interlock(answer) => {
                Failure::new(StatusCode::CONFLICT, code, message).with(None, Some(*answer))
            }
            Refusal::Busy(_) => Failure::busy(message),
        }
    }
}

impl From<NoAnswer> for Failure {
    fn from(why: NoAnswer) -> Failure {
        let message = why.to_string();
        match why {
            NoAnswer::Refused(refusal) => (*refusal).into(),
            NoAnswer::Busy => Failure::busy(message),
            NoAnswer::Stopping => Failure::busy(message),
            NoAnswer::Journal(_) | NoAnswer::Unwritten(_) | NoAnswer::Forgot(_) => {
                Failure::new(StatusCode::SERVICE_UNAVAILABLE, "journal", message)
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (unauthorized, busy) = (
            self.status == StatusCode::UNAUTHORIZED,
            self.status == StatusCode::SERVICE_UNAVAILABLE,
        );
        let mut answer = (self.status, Json(ErrorBody { error: *self.detail })).into_response();
        if unauthorized {
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if busy {
            answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        answer
    }
}
