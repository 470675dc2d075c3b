//! Answers: JSON, and errors as the API describes them.

use agent_api::v1::{ErrorBody, ErrorDetail};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::keeping::OrderError;
use crate::reconcile::KeeperError;

/// An error as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn busy(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Failure {
        match error {
            OrderError::Busy | OrderError::Gone => Failure::busy(error.to_string()),
            OrderError::Keeper(error) => {
                let status = match &error {
                    KeeperError::BadAsk(_) => StatusCode::BAD_REQUEST,
                    KeeperError::Shortfall(_) | KeeperError::Conflict(_) => StatusCode::CONFLICT,
                    KeeperError::Refused(_) => StatusCode::FORBIDDEN,
                    KeeperError::NotFound(_) => StatusCode::NOT_FOUND,
                    KeeperError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Failure::new(status, error.code(), error.to_string())
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure {
            status,
            code,
            message,
        } = self;
        let body = ErrorBody {
            error: ErrorDetail {
                code: code.to_owned(),
                message,
            },
        };
        (status, Json(body)).into_response()
    }
}
